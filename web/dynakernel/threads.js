/**
 * A runtime's pool of threads: shared memory, and workers that wait in C for their part of the work
 * (src/base/parallel.c).
 */
import { DynakernelError, messageOf } from './errors.js';
import { isCloudflare, isOldNode, isPage, nodeModule, nodeVersion, nodeWorker } from './host.js';

/** @typedef {import('./abi.js').ThreadedExports} ThreadedExports */
/** @typedef {import('./start.js').Files} Files */

/**
 * The message that starts a worker.
 *
 * @typedef {object} WorkerTask
 * @property {WebAssembly.Module} module
 * @property {WebAssembly.Memory} memory
 * @property {number} context
 * @property {number} thread 1, 2, ...
 * @property {number} stack the upper end of its stack, which grows downwards
 */

/**
 * A Web Worker or a Worker of Node.
 *
 * @typedef {object} AnyWorker
 * @property {() => unknown} terminate
 * @property {() => void} [unref]
 * @property {(event: string, listener: (value: any) => void) => void} [on]
 * @property {(event: string, listener: (value: any) => void) => void} [addEventListener]
 */

const PAGE = 65536;

/** build.sh declares the same memory. An engine may be given less than its maximum, but not more. */
const INITIAL_PAGES = 4;
const MAXIMUM_PAGES = [16384, 8192, 4096]; // 1 GiB, or less if a phone refuses that

const STACK_BYTES = 65536;

/** The same number as in src/base/parallel.h. */
export const MAX_THREADS = 16;

/** More threads gain little on a layer and slow the rest of the page. */
const MOST_BY_DEFAULT = 4;

const READY_WITHIN_MS = 5000;

/** The possible causes if a browser refuses a script, because browsers do not name the cause. */
const WORKER_NOT_LOADED = 'dynakernel-worker.js could not be loaded: deploy it with the code, allow ' +
  'it in worker-src of a Content-Security-Policy, and serve it with Cross-Origin-Embedder-Policy';

/** Whether threads are Web Workers, as on isolated pages, which an Electron page can be too. */
const hasWebThreads = () => globalThis.crossOriginIsolated && typeof Worker === 'function';

/**
 * The reason if this host has no threads, or null.
 *
 * @param {Files} files
 * @returns {string | null}
 */
function whyNoThreads({ whyOneThread }) {
  if (whyOneThread) return whyOneThread;
  if (isCloudflare()) return 'Cloudflare Workers have no threads';
  if (isOldNode()) return `threads need Node 20.16 or newer; this is ${nodeVersion()}`;
  const shares = typeof SharedArrayBuffer === 'function';
  if (shares && (hasWebThreads() || nodeWorker())) return null;
  if (shares && globalThis.crossOriginIsolated) return 'there are no workers here';
  return 'the page is not cross-origin isolated: it must be served with the headers ' +
    'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';
}

/**
 * Whether starting a worker may block this worker for ever. In a worker of Firefox 153, `new Worker`
 * sometimes does not return, whatever the script (in about 1 of 200 pages that do nothing else).
 */
const workersMayBlock = () => 'importScripts' in globalThis &&
  /\bFirefox\//.test(globalThis.navigator?.userAgent ?? '');

/** The number of processors that the host reports, or 1. */
const processors = () => (isPage() ? undefined : nodeModule('node:os')?.availableParallelism?.()) ??
  globalThis.navigator?.hardwareConcurrency ?? 1;

/**
 * The number of threads to run, and the reason if it is one although more were asked for.
 *
 * @param {Files} files
 * @param {number | 'auto'} threads
 * @returns {{ count: number, reason: string | null }}
 */
export function chooseThreads(files, threads) {
  if (threads === 1) return { count: 1, reason: null };
  const reason = whyNoThreads(files);
  if (reason) return { count: 1, reason };
  if (threads !== 'auto') return { count: threads, reason: null };
  if (workersMayBlock()) {
    return { count: 1, reason: 'starting workers in a worker of Firefox can block for ever' };
  }
  const count = Math.min(processors(), MOST_BY_DEFAULT);
  return { count, reason: count === 1 ? 'there is one processor' : null };
}

/**
 * @returns {WebAssembly.Memory}
 * @throws {RangeError} if the engine refuses even the smallest memory
 */
export function sharedMemory() {
  let refusal;
  for (const maximum of MAXIMUM_PAGES) {
    try {
      return new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum, shared: true });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/**
 * The imports of a threaded module. The C allocator asks for more memory by the new total size.
 * src/base/parallel.c explains the other imports.
 *
 * @param {WebAssembly.Memory} memory
 * @param {() => void} lost throws because a worker did not finish its task in time
 */
export const threadedImports = (memory, lost) => ({
  env: {
    memory,
    dk_now: () => performance.now(),
    dk_lost: lost,
    emscripten_resize_heap(/** @type {number} */ bytes) {
      try {
        memory.grow(Math.ceil(((bytes >>> 0) - memory.buffer.byteLength) / PAGE));
        return 1;
      } catch {
        return 0;
      }
    },
  },
});

export class ThreadPool {
  /** @type {AnyWorker[]} */
  #workers = [];
  #exports;
  #context;
  #files;
  #onLoss;
  #stopped = false;

  /**
   * @param {ThreadedExports} exports
   * @param {number} context
   * @param {Files} files
   * @param {(reason: string) => void} onLoss runs if workers stop while they are needed
   */
  constructor(exports, context, files, onLoss) {
    this.#exports = exports;
    this.#context = context;
    this.#files = files;
    this.#onLoss = onLoss;
  }

  /**
   * Starts count - 1 workers beside the calling thread, and waits until they are ready.
   *
   * @param {number} count
   * @param {WebAssembly.Module} module
   * @param {WebAssembly.Memory} memory
   */
  async start(count, module, memory) {
    const stacks = this.#exports.dk_alloc((count - 1) * STACK_BYTES);
    if (!stacks) throw new RangeError('no memory for their stacks');
    const starting = [];
    for (let thread = 1; thread < count; thread++) {
      const stack = stacks + thread * STACK_BYTES;
      starting.push(startWorker(this.#files, { module, memory, context: this.#context, thread, stack },
        (worker) => this.#workers.push(worker)));
    }
    try {
      await Promise.all(starting);
    } catch (error) {
      this.stop();
      throw error;
    }
    for (const worker of this.#workers) {
      worker.unref?.(); // workers do not keep a Node process alive
      this.#watch(worker);
    }
    this.#exports.dk_context_set_threads(this.#context, count);
  }

  /**
   * Ends a call that waits for a lost worker. C has sent the other workers out of the call before.
   *
   * @returns {never}
   */
  giveUp() {
    this.#onLoss('a worker thread did not finish its part of a call in time');
    throw new DynakernelError('ERR_LOAD', 'a worker thread did not finish its part of this call within ' +
      '5 seconds (more for much work): it has ended or is paused. The results of this call are ' +
      'undefined. Calls that compute are refused until the worker has left this call; then the ' +
      'runtime computes on one thread. load() starts another runtime');
  }

  /**
   * Makes the context compute on the calling thread if a worker ends or fails by itself.
   *
   * @param {AnyWorker} worker
   */
  #watch(worker) {
    const ended = (/** @type {string} */ how) => {
      this.#workers = this.#workers.filter((other) => other !== worker);
      if (this.#stopped) return;
      this.#onLoss(`a worker thread ${how}`);
      this.#exports.dk_context_stop(this.#context); // the others leave C, and each reports it
      if (this.#workers.length > 0) this.#exports.dk_context_set_threads(this.#context, 1);
      else this.#exports.dk_context_ended(this.#context);
    };
    if (worker.on) {
      // Node reports first the error, then the worker's end.
      let failure = '';
      worker.on('error', (error) => { failure = ` (${messageOf(error)})`; });
      worker.on('exit', () => ended(`has ended${failure}`));
    } else {
      worker.addEventListener?.('error', (event) => {
        event.preventDefault?.();
        ended(`has failed (${event.message})`);
      });
      worker.addEventListener?.('message', () => ended('has ended'));
    }
  }

  /** Ends the workers. The context computes no more. */
  stop() {
    this.#stopped = true;
    this.#exports.dk_context_stop(this.#context);
    for (const worker of this.#workers) worker.terminate();
    this.#workers = [];
  }
}

/**
 * @param {Files} files
 * @param {WorkerTask} task
 * @param {(worker: AnyWorker) => void} onMade
 * @returns {Promise<void>} fulfilled when the worker is ready
 */
async function startWorker({ startWebWorker, workerAddress }, task, onMade) {
  if (hasWebThreads()) {
    const worker = startWebWorker();
    onMade(worker);
    worker.postMessage(task);
    await firstMessage((ready) => { worker.onmessage = ready; }, (failed) => {
      worker.onerror = (event) => failed(new Error(event.message || WORKER_NOT_LOADED));
    });
  } else {
    /** @type {typeof import('node:worker_threads').Worker} */
    const NodeWorker = nodeWorker();
    // Without the process's options, because some, such as --eval, do not suit a worker's file.
    const worker = new NodeWorker(workerAddress(), { workerData: task, execArgv: [] });
    onMade(worker);
    await firstMessage((ready) => worker.once('message', ready), (failed) => {
      worker.once('error', failed);
      worker.once('exit', () => failed(new Error('a worker ended before it was ready')));
    });
  }
}

/**
 * @param {(ready: () => void) => void} onReady
 * @param {(failed: (error: Error) => void) => void} onError
 * @returns {Promise<void>}
 */
function firstMessage(onReady, onError) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`a worker was not ready within ${READY_WITHIN_MS} ms`)), READY_WITHIN_MS);
    onReady(() => { clearTimeout(timer); resolve(); });
    onError((error) => { clearTimeout(timer); reject(error); });
  });
}
