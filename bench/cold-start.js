/** Times one engine from its import to its first output, in a fresh process or page. */
import { onnxModel } from './peers/onnx-graph.js';
import { fetchNetworks, makeNumbers as makeInputs } from '../web/bench/network.js';
import { blockOptions, makeNumbers, stateDict } from '../web/bench/workload.js';

/** @typedef {import('../web/bench/network.js').NetworkWorkload} NetworkWorkload */
/** @typedef {import('../web/bench/workload.js').Workload} Workload */

/**
 * @typedef {object} StartRequest
 * @property {string} engine
 * @property {Workload} [workload]
 * @property {NetworkWorkload} [network] instead of a workload
 * @property {'auto' | 'baseline' | 'relaxed'} simd
 * @property {number} threads
 * @property {string} module to import
 */

/**
 * Returns the milliseconds from the import to the first output that JavaScript can read. dynakernel's output is read
 * in the module's memory, onnxruntime's in the array that it copies to. The inputs and the weights are made before,
 * in the form that the engine takes; of a network, they are the bytes of its file.
 *
 * @param {StartRequest} request
 */
export async function coldStart(request) {
  const { engine, simd, threads } = request;
  const isOurs = engine === 'dynakernel';
  const run = await (request.network ? prepareNetwork : isOurs ? prepareBlock : prepareModel)(request);
  const start = performance.now();
  const module = await import(request.module);
  // a CommonJS module is the default export
  const outputs = await run(isOurs ? await module.load({ simd, threads }) : sessions(module.default ?? module, request));
  const time = performance.now() - start;
  if (outputs.some((output) => output.every((value) => value === 0))) throw new Error('the first output is empty');
  return time;
}

/**
 * The function that makes a session of onnxruntime, with the module's constructor of tensors.
 *
 * @param {any} ort
 * @param {StartRequest} request
 */
function sessions(ort, { engine, threads }) {
  const isNative = engine === 'onnxruntime-node';
  if (!isNative) ort.env.wasm.numThreads = threads;
  const provider = isNative ? { executionProviders: ['cpu'], intraOpNumThreads: threads } : { executionProviders: ['wasm'] };
  const options = { ...provider, graphOptimizationLevel: 'all', logSeverityLevel: 3 };
  /**
   * @param {Uint8Array} bytes
   * @param {{ [name: string]: number[] }} shapes
   * @param {{ [name: string]: Float32Array }} numbers
   * @returns {Promise<Float32Array[]>}
   */
  return async (bytes, shapes, numbers) => {
    const session = await ort.InferenceSession.create(bytes, options);
    const results = await session.run(Object.fromEntries(Object.entries(shapes).map(([name, shape]) =>
      [name, new ort.Tensor('float32', numbers[name], shape)])));
    return Object.values(results).map(({ data }) => data);
  };
}

/** The block on dynakernel. @param {StartRequest} request */
async function prepareBlock({ workload }) {
  const { N, C, H, W } = workload;
  const { input, state } = makeNumbers(workload);
  const dict = stateDict(state);
  const options = blockOptions(workload);
  return (dk) => {
    const block = dk.dynamicKernelAggregation(options);
    block.loadStateDict(dict);
    return [block.forward(dk.tensor(input, [N, C, H, W])).data];
  };
}

/** The block on onnxruntime. @param {StartRequest} request */
async function prepareModel({ workload }) {
  const { N, C, H, W } = workload;
  const { input, state } = makeNumbers(workload);
  const model = onnxModel(workload, state);
  return (run) => run(model, { x: [N, C, H, W] }, { x: input });
}

/** A network on any engine. @param {StartRequest} request */
async function prepareNetwork({ engine, network }) {
  const [{ bytes, inputs }] = await fetchNetworks([network]);
  const numbers = makeInputs(network);
  if (engine !== 'dynakernel') return (run) => run(bytes, inputs, numbers);
  return (dk) => {
    const net = dk.onnxNetwork(bytes, { shapes: inputs });
    const result = net.forward(Object.fromEntries(Object.entries(inputs).map(([name, shape]) =>
      [name, dk.tensor(numbers[name], shape)])));
    return (Object.keys(net.outputs).length === 1 ? [result] : Object.values(result)).map(({ data }) => data);
  };
}
