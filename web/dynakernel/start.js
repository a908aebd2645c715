/** Starts a runtime: chooses the build and the number of threads, and reports what fails. */
import { FUNCTIONS, THREAD_FUNCTIONS, checkModule } from './abi.js';
import { guardedAsync } from './boundary.js';
import { integer, oneOf, readOptions } from './check.js';
import { compileGiven, compileShipped } from './compile.js';
import { DynakernelError, given, messageOf } from './errors.js';
import { Heap } from './heap.js';
import { hasRelaxedSimd, hasSimd } from './probes.js';
import { Runtime } from './runtime.js';
import { MAX_THREADS, ThreadPool, chooseThreads, sharedMemory, threadedImports } from './threads.js';

/** @typedef {import('./abi.js').Exports} Exports */
/** @typedef {import('./files.js').Build} Build */
/** @typedef {import('./load.js').LoadOptions} LoadOptions */
/** @typedef {import('./runtime.js').Info} Info */

/**
 * The files of an entry: files.js or inline/files.js.
 *
 * @typedef {object} Files
 * @property {string | null} whyOneThread the reason if the entry never starts threads
 * @property {(build: Build) => URL | Uint8Array} shippedFile the address of a build, or its bytes
 * @property {() => URL} workerAddress the worker's address in Node
 * @property {() => Worker} startWebWorker
 */

/**
 * What an entry hands over: its files, and networks and training, or null.
 *
 * @typedef {{ files: Files, features: import('./runtime.js').Features | null }} Entry
 */

let warnedOfThreads = false;

/**
 * load() with the files and the features of an entry.
 *
 * @param {Files} files
 * @param {Entry['features']} features
 * @param {LoadOptions} [options]
 * @returns {Promise<Runtime>}
 */
export async function loadWith(files, features, options) {
  return guardedAsync('load', () => start({ files, features }, options));
}

/**
 * @param {Entry} entry
 * @param {LoadOptions | undefined} options
 */
async function start(entry, options) {
  const { simd = 'auto', threads = 'auto', wasm, signal } =
    readOptions(options, 'load', ['simd', 'threads', 'wasm', 'signal']);
  // check the options
  const choice = oneOf(simd, 'load: simd', ['auto', 'baseline', 'relaxed']);
  const maxThreads = checkThreads(threads);
  checkSignal(signal);

  const build = chooseBuild(choice);
  const runtime = await abortable(signal, () => (wasm === undefined
    ? startShipped(entry, build, maxThreads, signal)
    : startGiven(entry, wasm, maxThreads, signal)));

  // warn only if the caller asked for a number of threads
  const { threadsReason } = runtime.info;
  if (threadsReason && maxThreads !== 'auto') warnOfOneThread(threadsReason);
  return runtime;
}

/**
 * @param {Entry} entry
 * @param {Exclude<Info['simd'], 'unknown'>} build
 * @param {number | 'auto'} threads
 * @param {AbortSignal | undefined} signal
 */
async function startShipped(entry, build, threads, signal) {
  const { files } = entry;
  let { count, reason } = chooseThreads(files, threads);
  if (count > 1) {
    try {
      return await startRuntime(entry, await compileShipped(files, `${build}-threads`, signal), count, null);
    } catch (error) {
      // The build without threads needs no workers, and its file may be there.
      if (!(error instanceof DynakernelError) || signal?.aborted) throw error;
      [reason] = error instanceof NoThreads ? [error.reason] : error.message.split('\n');
    }
  }
  return startRuntime(entry, await compileShipped(files, build, signal), 1, reason);
}

/**
 * @param {Entry} entry
 * @param {unknown} wasm
 * @param {number | 'auto'} threads
 * @param {AbortSignal | undefined} signal
 */
async function startGiven(entry, wasm, threads, signal) {
  const compiled = await compileGiven(wasm, signal);
  const { count, reason } = chooseThreads(entry.files, threads);
  const lacksThreads = count > 1 && !isThreaded(compiled.module);
  return startRuntime(entry, compiled, count, lacksThreads ? `${compiled.name} has no threads` : reason);
}

/** The host seemed to have threads, but they did not start. */
class NoThreads extends DynakernelError {
  /**
   * @param {string} reason
   * @param {unknown} cause
   */
  constructor(reason, cause) {
    super('ERR_LOAD', `threads do not start here: ${reason}`, { cause });
    this.reason = reason;
  }
}

/** @param {WebAssembly.Module} module */
const isThreaded = (module) =>
  WebAssembly.Module.imports(module).some(({ kind }) => kind === 'memory');

/**
 * @param {Entry} entry
 * @param {{ module: WebAssembly.Module, name: string }} compiled
 * @param {number} threads
 * @param {string | null} threadsReason
 */
async function startRuntime({ files, features }, { module, name }, threads, threadsReason) {
  // a module without threads exports its memory
  const simd = buildOf(module);
  if (!isThreaded(module)) {
    return new Runtime(new Heap(await instantiate(module, name, {})), { simd, threads: 1, threadsReason }, features);
  }
  // a module with threads imports memory, which its workers share
  let memory;
  try {
    memory = sharedMemory();
  } catch (error) {
    throw new NoThreads(`the engine refuses shared memory (${messageOf(error)})`, error);
  }
  // its imports name the pool, which needs its exports
  /** @type {ThreadPool | undefined} */
  let pool;
  const exports = /** @type {import('./abi.js').ThreadedExports} */ (
    await instantiate(module, name, threadedImports(memory, () => pool?.giveUp()), memory));
  // initialise the memory once, before the workers see it
  exports.__wasm_call_ctors();
  const heap = new Heap(exports);
  pool = new ThreadPool(exports, heap.context, files, (reason) => heap.loseThreads(reason));
  try {
    await pool.start(threads, module, memory);
  } catch (error) {
    throw new NoThreads(`its workers do not start (${messageOf(error)})`, error);
  }
  heap.onClose(() => pool?.stop());
  return new Runtime(heap, { simd, threads, threadsReason }, features);
}

/** @param {'auto' | 'baseline' | 'relaxed'} simd */
function chooseBuild(simd) {
  if (typeof WebAssembly !== 'object') {
    throw new DynakernelError('ERR_LOAD', 'this engine has no WebAssembly');
  }
  if (!hasSimd()) {
    throw new DynakernelError('ERR_LOAD',
      'this engine has no WebAssembly SIMD; current browsers and Node 20 have it');
  }
  const relaxed = hasRelaxedSimd();
  if (simd === 'relaxed' && !relaxed) {
    throw new DynakernelError('ERR_LOAD',
      "this engine cannot run the build 'relaxed': it has no relaxed SIMD; use 'auto' or 'baseline'");
  }
  if (simd === 'auto') return relaxed ? 'relaxed' : 'baseline';
  return simd;
}

/**
 * @param {unknown} threads
 * @returns {number | 'auto'}
 */
function checkThreads(threads) {
  if (threads === 'auto') return threads;
  if (typeof threads === 'string') {
    throw new DynakernelError('ERR_CONFIG',
      `load: threads must be 'auto' or a whole number, 1 to ${MAX_THREADS}; got ${given(threads)}`);
  }
  return integer(threads, 'load: threads', 1, MAX_THREADS);
}

/** @param {any} signal */
function checkSignal(signal) {
  const isSignal = typeof signal?.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' && typeof signal.removeEventListener === 'function';
  if (signal !== undefined && !isSignal) {
    throw new DynakernelError('ERR_CONFIG', `load: signal must be an AbortSignal; got ${given(signal)}`);
  }
}

/** @param {string} reason */
function warnOfOneThread(reason) {
  if (warnedOfThreads) return;
  warnedOfThreads = true;
  console.warn(`dynakernel runs on one thread: ${reason}. load({ threads: 1 }) avoids this warning.`);
}

/**
 * The name of a module's build, which build.sh writes into a custom section.
 *
 * @param {WebAssembly.Module} module
 * @returns {Info['simd']}
 */
function buildOf(module) {
  const [section] = WebAssembly.Module.customSections(module, 'dynakernel');
  const name = section && String.fromCharCode(...new Uint8Array(section));
  return name === 'baseline' || name === 'relaxed' ? name : 'unknown';
}

/**
 * @param {WebAssembly.Module} module
 * @param {string} name
 * @param {WebAssembly.Imports} imports
 * @param {WebAssembly.Memory} [imported] the memory, if the module does not export one
 * @returns {Promise<Exports>}
 */
async function instantiate(module, name, imports, imported) {
  let exports;
  try {
    ({ exports } = await WebAssembly.instantiate(module, imports));
  } catch (error) {
    const isMemory = error instanceof RangeError || /out of memory/i.test(messageOf(error));
    throw new DynakernelError(isMemory ? 'ERR_MEMORY' : 'ERR_LOAD',
      `${name} could not be started: ${messageOf(error)}`, { cause: error });
  }
  checkModule(exports, imported ? [...FUNCTIONS, ...THREAD_FUNCTIONS] : FUNCTIONS, name);
  const memory = imported ?? exports.memory;
  if (!(memory instanceof WebAssembly.Memory)) {
    throw new DynakernelError('ERR_LOAD',
      `${name} is not this version's dynakernel module: it has no memory`);
  }
  if (typeof exports._initialize === 'function') exports._initialize();
  return /** @type {any} */ ({ ...exports, memory });
}

/**
 * Starts a runtime, unless the signal aborts first. A runtime that comes too late is disposed of, which
 * ends its threads.
 *
 * @param {AbortSignal | undefined} signal
 * @param {() => Promise<Runtime>} begin
 * @returns {Promise<Runtime>}
 */
function abortable(signal, begin) {
  if (!signal) return begin();
  return new Promise((settle, refuse) => {
    const abort = () => refuse(
      new DynakernelError('ERR_LOAD', 'loading was aborted', { cause: signal.reason }));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    return begin().then((runtime) => (signal.aborted ? runtime.dispose() : settle(runtime)), refuse)
      .finally(() => signal.removeEventListener('abort', abort));
  });
}
