/**
 * LiteRT.js, TensorFlow Lite's engine with XNNPACK, as two engines of the benchmark. Their inputs and outputs are in
 * NHWC, the layout of TensorFlow Lite.
 */
import { transpose } from './layout.js';
import { constantModel, isSupported, runtimeModel } from './tflite-graph.js';

/** @typedef {import('../../web/bench/engine.js').Engine} Engine */

/** What each engine runs. */
const LITERT = {
  /** Only the convolution, by a filter that does not change. XNNPACK packs it once. */
  litert: { model: constantModel, scope: 'only the convolution, with a constant filter' },
  /** The whole block. XNNPACK takes constant filters only, so a slower loop of TensorFlow Lite convolves. */
  'litert-runtime': { model: runtimeModel, scope: '' },
};

/**
 * @param {keyof typeof LITERT} id
 * @param {{ core: any, version: string, simd: string }} loaded core: the module @litertjs/core with its WebAssembly
 * @returns {Engine}
 */
export function liteRt(id, { core, version, simd }) {
  const { model, scope } = LITERT[id];
  return {
    id,
    version,
    simd,
    threads: 1,
    ...(scope ? { scope } : {}),
    close() {},
    async prepare(workload, numbers) {
      if (!isSupported(workload)) return null;
      const { C, O, H, W, Ho, Wo } = workload;
      const image = transpose(numbers.input, C, H * W);
      const compiled = await core.loadAndCompile(model(workload, numbers),
        { accelerator: 'wasm', cpuOptions: { numThreads: 1 } });
      /** @type {Float32Array} */
      let output;
      return {
        async run() {
          const x = new core.Tensor(image, [1, H, W, C]);
          const [y] = await compiled.run([x]);
          output = y.toTypedArray();
          // its memory is not collected
          x.delete();
          y.delete();
        },
        output: () => transpose(output, Ho * Wo, O),
        dispose: () => compiled.delete(),
      };
    },
  };
}
