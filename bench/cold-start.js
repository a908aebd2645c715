/** Times one engine from its import to its first output, in a fresh process or page. */
import { onnxModel } from './peers/onnx-graph.js';
import { blockOptions, makeNumbers, stateDict } from '../web/bench/workload.js';

/** @typedef {import('../web/bench/workload.js').Workload} Workload */

/**
 * @typedef {object} StartRequest
 * @property {string} engine
 * @property {Workload} workload
 * @property {'auto' | 'baseline' | 'relaxed'} simd
 * @property {number} threads
 * @property {string} module to import
 */

/**
 * Returns the milliseconds from the import to the first output that JavaScript can read. dynakernel's output is read
 * in the module's memory, onnxruntime-web's in the array that it copies to. The input and the weights are made before,
 * in the form that the engine takes.
 *
 * @param {StartRequest} request
 */
export function coldStart(request) {
  return request.engine === 'dynakernel' ? startOurs(request) : startOnnxruntime(request);
}

/** @param {StartRequest} request */
async function startOurs({ workload, simd, threads, module }) {
  const { N, C, H, W } = workload;
  const { input, state } = makeNumbers(workload);
  const dict = stateDict(state);
  const options = blockOptions(workload);

  const start = performance.now();
  const { load } = await import(module);
  const dk = await load({ simd, threads });
  const block = dk.dynamicKernelAggregation(options);
  block.loadStateDict(dict);
  const y = block.forward(dk.tensor(input, [N, C, H, W]));
  return finish(start, y.data, workload);
}

/** @param {StartRequest} request */
async function startOnnxruntime({ workload, threads, module }) {
  const { N, C, H, W } = workload;
  const { input, state } = makeNumbers(workload);
  const model = await onnxModel(workload, state);

  const start = performance.now();
  const ort = await import(module);
  ort.env.wasm.numThreads = threads;
  const options = { executionProviders: ['wasm'], graphOptimizationLevel: 'all' };
  const session = await ort.InferenceSession.create(model, options);
  const { y } = await session.run({ x: new ort.Tensor('float32', input, [N, C, H, W]) });
  return finish(start, y.data, workload);
}

/**
 * @param {number} start
 * @param {Float32Array} output
 * @param {Workload} workload
 */
function finish(start, output, { N, O, Ho, Wo }) {
  const time = performance.now() - start;
  if (output.length !== N * O * Ho * Wo || output.every((value) => value === 0)) {
    throw new Error('the first output is empty');
  }
  return time;
}
