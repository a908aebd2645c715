/** loadInWorker(): starts a runtime in a worker. */
import { guardedAsync } from '../boundary.js';
import { isObject, readOptions } from '../check.js';
import { DynakernelError, given, messageOf } from '../errors.js';
import { isPage, nodeWorker } from '../host.js';
import { className } from '../numbers.js';
import { Connection } from './connection.js';
import { startWebWorker, workerAddress } from './files.js';
import { transfer } from './transfer.js';

/** @typedef {import('../load.js').LoadOptions} LoadOptions */
/** @typedef {import('./connection.js').AnyWorker} AnyWorker */
/** @typedef {import('./types.js').ReadyMade} ReadyMade */
/** @typedef {import('./serve.js').WorkerFunctions} WorkerFunctions */

/**
 * The members of a Web Worker or of Node's Worker that the library uses.
 *
 * @typedef {object} WorkerLike
 * @property {(message: unknown, transfer: never[]) => void} postMessage
 * @property {() => unknown} terminate
 */

/**
 * The options of load(), and a worker.
 *
 * @typedef {LoadOptions & { worker?: WorkerLike }} WorkerOptions worker: one of your own that calls serve() of
 *   'dynakernel/serve'. It is left running by dispose(). By default the package's worker is started
 */

/** The possible causes if a browser refuses the worker, because browsers do not name the cause. */
const NOT_LOADED = 'the worker dynakernel-runtime.js could not be loaded. esbuild, Rollup and Bun do not bundle it: ' +
  "write a worker of your own with serve() of 'dynakernel/serve', and pass it: loadInWorker({ worker }). A " +
  'Content-Security-Policy must allow it in worker-src, and an isolated page must get it with ' +
  'Cross-Origin-Embedder-Policy';

const OWN_NOT_LOADED = 'the given worker could not be loaded';

/**
 * Starts a runtime in a worker. It has the methods and properties of the runtime that load() returns, as promises, and so
 * have its tensors, modules, networks and optimizers. The page's thread only sends messages.
 *
 * Calls run in the order in which they were made, so only the last of several needs an `await`. What crosses:
 *
 * - objects of the worker, as references: pass them to other calls, dispose of them
 * - ImageBitmap and VideoFrame are moved: they are closed afterwards. Elements such as a video are photographed
 * - a canvas to draw on is handed to the worker by the first call that draws on it, and can then be passed again
 * - typed arrays and ImageData are copied, unless transfer() marks them. `data` and other results are copies
 * - functions do not cross. dk.network() needs a worker of your own, with serve() of 'dynakernel/serve'
 *
 * `dk.dispose()` ends the worker. If a worker ends by itself, pending calls fail with ERR_LOAD, and later ones with
 * ERR_DISPOSED.
 *
 * @template {WorkerFunctions} [Functions=ReadyMade] in TypeScript, the functions that a worker of your own serves
 * @param {WorkerOptions} [options]
 * @returns {Promise<import('./types.js').RemoteRuntime<Functions>>}
 * @throws {DynakernelError} ERR_LOAD if the worker does not start, and as load(); ERR_CONFIG, ERR_MEMORY
 * @example
 * const dk = await loadInWorker();
 * const block = await dk.dynamicKernelAggregation({ inChannels: 3, outChannels: 8, kernelSize: 3, padding: 1 });
 * await block.loadStateDict(transfer(bytes));
 * const x = await dk.zeros([1, 3, 240, 320]), y = await dk.zeros([1, 8, 240, 320]);
 * for await (const frame of frames(video)) {
 *   await Promise.all([ // three messages, one wait
 *     dk.fromImage(frame, { out: x }), block.forward(x, { out: y }), y.drawMap(canvas, { channel: 2 }),
 *   ]);
 * }
 */
export async function loadInWorker(options) {
  return guardedAsync('loadInWorker', async () => {
    const { worker: own, simd, threads, wasm, signal } =
      readOptions(options, 'loadInWorker', ['worker', 'simd', 'threads', 'wasm', 'signal']);
    if (own !== undefined && (!isObject(own) || typeof own.postMessage !== 'function')) {
      throw new DynakernelError('ERR_CONFIG', `loadInWorker: worker must be a Worker; got ${given(own)}`);
    }
    const source = await wasmSource(wasm);
    if (signal?.aborted) throw abortion(signal);

    const worker = /** @type {AnyWorker} */ (own ?? startWorker());
    const connection = new Connection(worker);
    const abort = () => connection.end(abortion(signal));
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await connection.open(own ? OWN_NOT_LOADED : NOT_LOADED);
      const dk = await connection.request(null, 'call', 'load', [{ simd, threads, wasm: source }]);
      return disposing(dk, connection, own ? () => {} : () => worker.terminate());
    } catch (error) {
      connection.close();
      if (!own) worker.terminate();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  });
}

/** @returns {AnyWorker} */
function startWorker() {
  const Node = isPage() ? undefined : nodeWorker();
  try {
    // without the process's options, because some, such as --eval, do not suit a worker's file
    return Node ? new Node(workerAddress(), { execArgv: [] }) : startWebWorker();
  } catch (error) {
    throw new DynakernelError('ERR_LOAD', `${NOT_LOADED}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Makes dispose() of a runtime end its worker too.
 *
 * @param {any} dk
 * @param {Connection} connection
 * @param {() => void} terminate
 */
function disposing(dk, connection, terminate) {
  const { dispose } = dk;
  Object.defineProperty(dk, 'dispose', {
    value: async () => {
      await dispose.call(dk);
      connection.close();
      terminate();
    },
  });
  return dk;
}

/**
 * The option `wasm` in a form that crosses, with an absolute address: the worker's own address is another.
 *
 * @param {any} wasm
 */
async function wasmSource(wasm) {
  if (className(wasm) === 'Response') return transfer(await wasm.arrayBuffer());
  return typeof wasm === 'string' && isPage() ? new URL(wasm, globalThis.document?.baseURI ?? location.href).href : wasm;
}

/** @param {AbortSignal} signal */
const abortion = (signal) => new DynakernelError('ERR_LOAD', 'loading was aborted', { cause: signal.reason });
