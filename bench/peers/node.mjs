// Loads the other engines in Node.
import { createRequire } from 'node:module';
import { loadLiteRt } from './litert-node.mjs';
import { liteRt } from './litert.js';
import { onnxruntimeNode, onnxruntimeWeb } from './onnxruntime.js';
import { tfjsWasm } from './tensorflow.js';

const require = createRequire(import.meta.url);
const requireNative = createRequire(new URL('../native/package.json', import.meta.url));

const loaders = {
  // @ts-ignore -- bench/ installs it
  'onnxruntime-web': async (options) => onnxruntimeWeb(await import('onnxruntime-web'), options),
  'onnxruntime-node': async (options) => onnxruntimeNode(requireNative('onnxruntime-node'), options),
  // TensorFlow.js has no threads in Node.
  async 'tfjs-wasm'() {
    // @ts-ignore -- bench/ installs it
    const tf = require('@tensorflow/tfjs-core');
    require('@tensorflow/tfjs-backend-wasm');
    return tfjsWasm(tf, { threads: 1 });
  },
  litert: async () => liteRt('litert', await loadLiteRt()),
  'litert-runtime': async () => liteRt('litert-runtime', await loadLiteRt()),
};

/**
 * @param {readonly string[]} ids
 * @param {{ threads: number }} options
 * @returns {Promise<import('../../web/bench/engine.js').Engine[]>}
 */
export async function loadPeers(ids, options) {
  const engines = [];
  for (const id of ids) engines.push(await loaders[id](options));
  return engines;
}
