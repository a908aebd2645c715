/**
 * One thread of a pool (threads.js): an instance of the module on the shared memory, which stays in
 * C until the pool is stopped. Runs as a Web Worker and as one of Node's. It has no top-level await,
 * which bundlers do not take in the classic scripts that they make of it.
 */
import { nodeModule } from './host.js';

/** @typedef {import('./threads.js').WorkerTask} WorkerTask */

/**
 * @param {WorkerTask} task
 * @param {() => void} ready
 * @param {() => void} end
 */
async function serve({ module, memory, context, thread, stack }, ready, end) {
  // Workers never allocate: the memory grows on the thread that made it.
  const instance = await WebAssembly.instantiate(module,
    { env: { memory, emscripten_resize_heap: () => 0, dk_now: () => 0, dk_lost() {} } });
  const exports = /** @type {any} */ (instance.exports);
  exports.__stack_pointer.value = stack;
  ready();
  setTimeout(() => { // once the message is on its way
    exports.dk_context_work(context, thread);
    end();
  });
}

/** Throws where browsers tell the page: outside of any promise.
 * @param {unknown} error */
const tellPage = (error) => setTimeout(() => { throw error; });

// A worker of an Electron page has the module too, but no port in it.
const { parentPort, workerData } = nodeModule('node:worker_threads') ?? {};
if (parentPort) {
  // Node itself reports the end.
  serve(workerData, () => parentPort.postMessage('ready'), () => {});
} else {
  globalThis.onmessage = ({ data }) => {
    const end = () => {
      globalThis.postMessage('ended');
      globalThis.close();
    };
    serve(data, () => globalThis.postMessage('ready'), end).catch(tellPage);
  };
  globalThis.onmessageerror = () => tellPage(new Error('shared memory does not reach a worker here'));
}
