/** onnxruntime as an engine of the benchmark. It runs ONNX models with all graph optimisations. */
import { onnxModel } from './onnx-graph.js';

/** @typedef {import('../../web/bench/engine.js').Engine} Engine */

/**
 * @param {any} ort the module onnxruntime-web
 * @param {{ threads: number }} options
 * @returns {Engine}
 */
export function onnxruntimeWeb(ort, { threads }) {
  ort.env.wasm.numThreads = threads;
  return engine(ort, 'onnxruntime-web', threads, ort.env.versions.web, { executionProviders: ['wasm'] });
}

/**
 * @param {any} ort the module onnxruntime-node
 * @param {{ threads: number }} options
 * @returns {Engine}
 */
export function onnxruntimeNode(ort, { threads }) {
  return engine(ort, 'onnxruntime-node', threads, ort.env.versions.node,
    { executionProviders: ['cpu'], intraOpNumThreads: threads, interOpNumThreads: 1 });
}

/**
 * @param {any} ort
 * @param {string} id
 * @param {number} threads
 * @param {string} version
 * @param {object} options of the session
 * @returns {Engine}
 */
function engine(ort, id, threads, version, options) {
  /** @param {Uint8Array} model */
  const open = (model) => ort.InferenceSession.create(model, {
    ...options, graphOptimizationLevel: 'all', logSeverityLevel: 3, // errors, and no warnings about the model
  });
  return {
    id,
    version,
    threads,
    close() {},
    async prepare(workload, { input, state }) {
      const { N, C, H, W } = workload;
      const model = onnxModel(workload, state);
      const session = await open(model);
      const x = new ort.Tensor('float32', input, [N, C, H, W]);
      /** @type {Float32Array} */
      let output;
      return {
        // run() copies the input and returns a new array; it cannot fill one of the caller's.
        async run() {
          output = (await session.run({ x })).y.data;
        },
        output: () => output,
        dispose: () => session.release(),
      };
    },
    async prepareNetwork({ bytes, inputs }, numbers) {
      const session = await open(/** @type {Uint8Array} */ (bytes));
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, shape]) =>
        [name, new ort.Tensor('float32', numbers[name], shape)]));
      /** @type {{ [name: string]: { data: Float32Array } }} */
      let outputs;
      return {
        async run() {
          outputs = await session.run(feeds);
        },
        output: () => session.outputNames.map((name) => outputs[name].data),
        dispose: () => session.release(),
      };
    },
  };
}
