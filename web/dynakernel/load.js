/** Getting a runtime: which build, from where, and what can go wrong on the way. */
import { FUNCTIONS } from './abi.js';
import { integer, oneOf, readOptions } from './check.js';
import { compileGiven, compileShipped } from './compile.js';
import { DynakernelError, given, messageOf } from './errors.js';
import { Heap } from './heap.js';
import { Runtime } from './runtime.js';
import { MAX_THREADS, ThreadPool, chooseThreads, sharedMemory, threadedImports } from './threads.js';

/** @import { Platform, WasmModule } from './platform.js' */
/** @typedef {import('./abi.js').Exports} Exports */
/** @typedef {import('./runtime.js').Info} Info */

/**
 * Where a WebAssembly module comes from: an address, what it answered, bytes, or the compiled module.
 *
 * @typedef {string | Platform<'URL'> | Platform<'Response'> | ArrayBuffer | ArrayBufferView
 *   | WasmModule} WasmSource
 */

/** @typedef {string | WasmModule} WasmFile what bundlers make of an import of dynakernel/wasm/... */

/**
 * What the library needs of an AbortSignal.
 *
 * @typedef {object} AbortSignalLike
 * @property {boolean} aborted
 * @property {unknown} [reason]
 * @property {(type: 'abort', listener: () => void, options?: { once?: boolean }) => void}
 *   addEventListener
 * @property {(type: 'abort', listener: () => void) => void} removeEventListener
 */

/**
 * @typedef {object} LoadOptions
 * @property {'auto' | 'baseline' | 'relaxed'} [simd] the build: 'relaxed' uses fused multiply-add,
 *   where the engine has it; 'auto' is the fastest that it can run ('auto')
 * @property {number | 'auto'} [threads] how many threads at most, 1 to 16, the calling one among
 *   them; 'auto' is one for each processor, 4 at most, and in a worker of Firefox one, since there
 *   starting workers can block for ever. More than one needs a page that is cross-origin isolated;
 *   elsewhere there is one, and info.threadsReason says why. If a number is not met, a warning on
 *   the console says so too ('auto')
 * @property {WasmSource} [wasm] instead of the file that comes with the package. In Node, a string
 *   that is no URL is a path
 * @property {AbortSignalLike} [signal] gives up loading: load() then throws ERR_LOAD, whose cause is
 *   the signal's reason
 */

/**
 * A module of one function, which computes on v128 values of zeros, as an engine that validates it
 * can.
 *
 * @param {number[]} code
 */
const canRun = (code) => WebAssembly.validate(new Uint8Array([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // "\0asm", version 1
  1, 5, 1, 0x60, 0, 1, 0x7b, // type: () -> v128
  3, 2, 1, 0, // function 0 has type 0
  10, code.length + 4, 1, code.length + 2, 0, ...code, 0x0b, // its code, with no locals
]));

const ZEROS = [0x41, 0, 0xfd, 0x0f]; // i32.const 0, i8x16.splat
const RELAXED_MADD = [0xfd, 0x85, 0x02]; // f32x4.relaxed_madd

const hasSimd = () => canRun(ZEROS);
const hasRelaxedSimd = () => canRun([...ZEROS, ...ZEROS, ...ZEROS, ...RELAXED_MADD]);

let warnedOfThreads = false;

/**
 * Starts a runtime: fetches, compiles and instantiates the fastest build that this engine can run.
 *
 * @param {LoadOptions} [options]
 * @returns {Promise<Runtime>}
 * @throws {DynakernelError} ERR_LOAD names the file, what is wrong with it, and what to do if a
 *   bundler, a server or a Content-Security-Policy is the cause; ERR_MEMORY; ERR_CONFIG
 * @example
 * const dk = await load();
 * console.log(dk.info.simd); // 'relaxed'
 */
export async function load(options) {
  const { simd = 'auto', threads = 'auto', wasm, signal } =
    readOptions(options, 'load', ['simd', 'threads', 'wasm', 'signal']);
  const choice = oneOf(simd, 'load: simd', ['auto', 'baseline', 'relaxed']);
  const most = checkThreads(threads);
  checkSignal(signal);
  const build = chooseBuild(choice);
  const runtime = await abortable(signal, () => (wasm === undefined
    ? startShipped(build, most, signal)
    : startGiven(wasm, most, signal)));
  const { threadsReason } = runtime.info;
  if (threadsReason && most !== 'auto') warnOfOneThread(threadsReason);
  return runtime;
}

/**
 * @param {Exclude<Info['simd'], 'unknown'>} build
 * @param {number | 'auto'} threads
 * @param {AbortSignal | undefined} signal
 */
async function startShipped(build, threads, signal) {
  let { count, reason } = chooseThreads(threads);
  if (count > 1) {
    try {
      return await startRuntime(await compileShipped(`${build}-threads`, signal), count, null);
    } catch (error) {
      // The build without threads may be there, and needs no workers.
      if (!(error instanceof DynakernelError) || signal?.aborted) throw error;
      [reason] = error instanceof NoThreads ? [error.reason] : error.message.split('\n');
    }
  }
  return startRuntime(await compileShipped(build, signal), 1, reason);
}

/**
 * @param {unknown} wasm
 * @param {number | 'auto'} threads
 * @param {AbortSignal | undefined} signal
 */
async function startGiven(wasm, threads, signal) {
  const compiled = await compileGiven(wasm, signal);
  const { count, reason } = chooseThreads(threads);
  const lacksThreads = count > 1 && !isThreaded(compiled.module);
  return startRuntime(compiled, count, lacksThreads ? `${compiled.name} has no threads` : reason);
}

/** Threads that were to be had, as far as one could tell, did not start. */
class NoThreads extends DynakernelError {
  /**
   * @param {string} reason
   * @param {unknown} cause
   */
  constructor(reason, cause) {
    super('ERR_LOAD', `a build with threads cannot run here: ${reason}`, { cause });
    this.reason = reason;
  }
}

/** @param {WebAssembly.Module} module */
const isThreaded = (module) =>
  WebAssembly.Module.imports(module).some(({ kind }) => kind === 'memory');

/**
 * @param {{ module: WebAssembly.Module, name: string }} compiled
 * @param {number} threads
 * @param {string | null} threadsReason
 */
async function startRuntime({ module, name }, threads, threadsReason) {
  const simd = buildOf(module);
  if (!isThreaded(module)) {
    return new Runtime(new Heap(await instantiate(module, name, {})), { simd, threads: 1, threadsReason });
  }
  let memory;
  try {
    memory = sharedMemory();
  } catch (error) {
    throw new NoThreads(`shared memory cannot be had (${messageOf(error)})`, error);
  }
  const exports = /** @type {import('./abi.js').ThreadedExports} */ (
    await instantiate(module, name, threadedImports(memory), memory));
  exports.__wasm_call_ctors();
  const heap = new Heap(exports);
  const pool = new ThreadPool(exports, heap.context);
  try {
    await pool.start(threads, module, memory);
  } catch (error) {
    throw new NoThreads(`its workers do not start (${messageOf(error)})`, error);
  }
  heap.onClose(() => pool.stop());
  return new Runtime(heap, { simd, threads, threadsReason });
}

/** @param {'auto' | 'baseline' | 'relaxed'} simd */
function chooseBuild(simd) {
  if (typeof WebAssembly !== 'object') {
    throw new DynakernelError('ERR_LOAD', 'this engine has no WebAssembly');
  }
  if (!hasSimd()) {
    throw new DynakernelError('ERR_LOAD',
      'this engine has no WebAssembly SIMD, which every current browser and Node 20 or later has');
  }
  const relaxed = hasRelaxedSimd();
  if (simd === 'relaxed' && !relaxed) {
    throw new DynakernelError('ERR_LOAD', "this engine cannot run the build 'relaxed': it has no " +
      "relaxed SIMD; 'auto' or 'baseline' will work");
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
  console.warn(`dynakernel runs on one thread: ${reason}. load({ threads: 1 }) asks for that.`);
}

/**
 * Which of the shipped builds a module is: build.sh writes that into a section of its own.
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
 * @param {WebAssembly.Memory} [imported] memory that the module does not export
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
  const missing = FUNCTIONS.filter((symbol) => typeof exports[symbol] !== 'function');
  const memory = imported ?? exports.memory;
  if (missing.length > 0 || !(memory instanceof WebAssembly.Memory)) {
    const list = missing.length > 0 ? missing.join(', ') : 'memory';
    throw new DynakernelError('ERR_LOAD',
      `${name} is not this version's dynakernel module: it has no ${list}`);
  }
  if (typeof exports._initialize === 'function') exports._initialize();
  return /** @type {any} */ ({ ...exports, memory });
}

/**
 * Starts a runtime, unless the signal is given first: one that comes too late is disposed of, lest
 * its threads stay.
 *
 * @param {AbortSignal | undefined} signal
 * @param {() => Promise<Runtime>} start
 * @returns {Promise<Runtime>}
 */
function abortable(signal, start) {
  if (!signal) return start();
  return new Promise((settle, refuse) => {
    const abort = () => refuse(
      new DynakernelError('ERR_LOAD', 'loading was aborted', { cause: signal.reason }));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    return start().then((runtime) => (signal.aborted ? runtime.dispose() : settle(runtime)), refuse)
      .finally(() => signal.removeEventListener('abort', abort));
  });
}
