/**
 * One thread of a pool (threads.js): an instance of the module on the shared memory, which stays in
 * C until the pool is stopped. Runs as a Web Worker and as one of Node's.
 */

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

if (globalThis.process?.versions?.node !== undefined) {
  const name = 'node:worker_threads'; // not a literal, lest bundlers for the web look for it
  /** @type {typeof import('node:worker_threads')} */
  const { parentPort, workerData } = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
  serve(workerData, () => parentPort?.postMessage('ready'), () => {}); // Node itself tells of the end
} else {
  globalThis.onmessage = ({ data }) => {
    const end = () => {
      globalThis.postMessage('ended');
      globalThis.close();
    };
    serve(data, () => globalThis.postMessage('ready'), end)
      .catch((error) => setTimeout(() => { throw error; })); // only then do browsers tell the page
  };
}
