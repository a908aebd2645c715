/** Loads the other engines in a browser, from the files in bench/node_modules that need no bundler. */
import { loadLiteRt } from './litert-browser.js';
import { liteRt } from './litert.js';
import { onnxruntimeWeb } from './onnxruntime.js';
import { tfjsWasm } from './tensorflow.js';

/** @typedef {import('../../web/bench/engine.js').Engine} Engine */

const packages = new URL('../node_modules/', import.meta.url).href;
const onnxruntime = `${packages}onnxruntime-web/dist/`;
const tensorflow = `${packages}@tensorflow/`;

/** @type {{ [id: string]: (options: { threads: number }) => Promise<Engine> }} */
const loaders = {
  async 'onnxruntime-web'(options) {
    const ort = await import(`${onnxruntime}ort.wasm.min.mjs`);
    ort.env.wasm.wasmPaths = onnxruntime;
    return onnxruntimeWeb(ort, options);
  },
  async 'tfjs-wasm'(options) {
    // Both scripts add their functions to one global object, tf.
    await import(`${tensorflow}tfjs-core/dist/tf-core.min.js`);
    await import(`${tensorflow}tfjs-backend-wasm/dist/tf-backend-wasm.min.js`);
    const { tf } = /** @type {any} */ (globalThis);
    tf.wasm.setWasmPaths(`${tensorflow}tfjs-backend-wasm/dist/`);
    tf.wasm.setThreadsCount(options.threads);
    return tfjsWasm(tf, options);
  },
  litert: async () => liteRt('litert', await loadLiteRt(packages)),
  'litert-runtime': async () => liteRt('litert-runtime', await loadLiteRt(packages)),
};

/**
 * @param {readonly string[]} ids
 * @param {{ threads: number }} options
 * @returns {Promise<Engine[]>}
 */
export async function loadPeers(ids, options) {
  const engines = [];
  for (const id of ids) engines.push(await loaders[id](options));
  return engines;
}
