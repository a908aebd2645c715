/** onnxruntime as an engine of the benchmark. It runs the block as an ONNX model, with all graph optimisations. */
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
  return {
    id,
    version,
    threads,
    close() {},
    async prepare(workload, { input, state }) {
      const { N, C, H, W } = workload;
      const model = await onnxModel(workload, state);
      const session = await ort.InferenceSession.create(model, { ...options, graphOptimizationLevel: 'all' });
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
  };
}
