/**
 * One thread of a pool (threads.js): an instance of the module on the shared memory, which stays in
 * C until the pool stops. It runs as a Web Worker and as a Worker of Node. It has no top-level await,
 * because bundlers turn this file into a classic script.
 */
import { nodeModule } from './host.js';

/** @typedef {import('./threads.js').WorkerTask} WorkerTask */

/**
 * @param {WorkerTask} task
 * @param {() => void} ready
 * @param {() => void} end
 */
async function serve({ module, memory, context, thread, stack }, ready, end) {
  // Workers never allocate: the memory grows only on the calling thread.
  const instance = await WebAssembly.instantiate(module,
    { env: { memory, emscripten_resize_heap: () => 0, dk_now: () => 0, dk_lost() {} } });
  const exports = /** @type {any} */ (instance.exports);
  exports.__stack_pointer.value = stack;
  ready();
  setTimeout(() => { // after the message was sent
    exports.dk_context_work(context, thread);
    end();
  });
}

/** Throws outside of any promise, so that the browser tells the page.
 * @param {unknown} error */
const tellPage = (error) => setTimeout(() => { throw error; });

// In a worker of an Electron page the module exists too, but its parentPort is null.
const { parentPort, workerData } = nodeModule('node:worker_threads') ?? {};
if (parentPort) {
  // Node reports the end itself.
  serve(workerData, () => parentPort.postMessage('ready'), () => {});
} else {
  globalThis.onmessage = ({ data }) => {
    const end = () => {
      globalThis.postMessage('ended');
      globalThis.close();
    };
    serve(data, () => globalThis.postMessage('ready'), end).catch(tellPage);
  };
  globalThis.onmessageerror = () => tellPage(new Error('the worker cannot receive shared memory'));
}
