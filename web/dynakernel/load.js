/** Getting a runtime: which build, from where, and what can go wrong on the way. */
import { FUNCTIONS, THREAD_FUNCTIONS, checkModule } from './abi.js';
import { integer, oneOf, readOptions } from './check.js';
import { DynakernelError, given, messageOf } from './errors.js';
import { Heap } from './heap.js';
import { className, isBuffer } from './numbers.js';
import { Runtime, heapOf } from './runtime.js';
import {
  MAX_THREADS, ThreadPool, defaultThreads, sharedMemory, threadedImports, whyNoThreads,
} from './threads.js';

/** @typedef {import('./abi.js').Exports} Exports */
/** @typedef {import('./runtime.js').Info} Info */

/**
 * @typedef {object} LoadOptions
 * @property {'auto' | 'baseline' | 'relaxed'} [simd] the build: 'relaxed' uses fused multiply-add,
 *   where the engine has it; 'auto' is the fastest that it can run ('auto')
 * @property {number | 'auto'} [threads] how many threads at most, 1 to 16, the calling one among
 *   them; 'auto' is one for each processor, 4 at most, and in a worker of Firefox one, since there
 *   starting workers can block for ever. More than one needs a page that is cross-origin isolated;
 *   elsewhere there is one, and a warning on the console ('auto')
 * @property {string | URL | Response | BufferSource | WebAssembly.Module} [wasm] instead of the
 *   file that comes with the package
 * @property {AbortSignal} [signal] gives up loading: load() then throws ERR_LOAD, whose cause is
 *   the signal's reason
 */

/** Bundlers find the files by these very expressions. */
const FILES = {
  baseline: () => new URL('../../dist/dynakernel-baseline.wasm', import.meta.url),
  relaxed: () => new URL('../../dist/dynakernel-relaxed.wasm', import.meta.url),
  'baseline-threads': () => new URL('../../dist/dynakernel-baseline-threads.wasm', import.meta.url),
  'relaxed-threads': () => new URL('../../dist/dynakernel-relaxed-threads.wasm', import.meta.url),
};

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
 * @throws {DynakernelError} ERR_LOAD names the file and what is wrong with it; ERR_MEMORY,
 *   ERR_CONFIG
 * @example
 * const dk = await load();
 * console.log(dk.info.simd); // 'relaxed'
 */
export async function load(options) {
  const { simd = 'auto', threads = 'auto', wasm, signal } =
    readOptions(options, 'load', ['simd', 'threads', 'wasm', 'signal']);
  const build = chooseBuild(oneOf(simd, 'load: simd', ['auto', 'baseline', 'relaxed']));
  const { count, reason } = await chooseThreads(threads);
  if (signal !== undefined && typeof signal?.aborted !== 'boolean') {
    throw new DynakernelError('ERR_CONFIG', `load: signal must be an AbortSignal; got ${given(signal)}`);
  }
  const start = (/** @type {unknown} */ source, /** @type {Info['simd'] | null} */ knownSimd,
    /** @type {number} */ most) => {
    const name = sourceName(source);
    return abortable(signal, async () => startRuntime(
      await compile(source, name, signal), name, knownSimd ?? buildOf(name), most));
  };
  if (wasm !== undefined) {
    const runtime = await start(wasm, null, count);
    const asked = typeof threads === 'number' && threads > 1;
    const lacking = heapOf(runtime).shared ? reason : asked && `${sourceName(wasm)} has no threads`;
    if (lacking) warnOfOneThread(lacking);
    return runtime;
  }
  if (reason) warnOfOneThread(reason);
  if (count === 1) return start(FILES[build](), build, 1);
  try {
    return await start(FILES[`${build}-threads`](), build, count);
  } catch (error) {
    if (!(error instanceof NoThreads)) throw error;
    warnOfOneThread(error.reason);
    return start(FILES[build](), build, 1);
  }
}

/** Threads that were to be had, as far as one could tell, did not start. */
class NoThreads extends DynakernelError {
  /** @param {string} reason */
  constructor(reason) {
    super('ERR_LOAD', `a build with threads cannot run here: ${reason}`);
    this.reason = reason;
  }
}

/**
 * @param {WebAssembly.Module} module
 * @param {string} name
 * @param {Info['simd']} simd
 * @param {number} threads
 */
async function startRuntime(module, name, simd, threads) {
  const threaded = WebAssembly.Module.imports(module).some(({ kind }) => kind === 'memory');
  if (!threaded) {
    return new Runtime(new Heap(await instantiate(module, name, {})), { simd, threads: 1 });
  }
  let memory;
  try {
    memory = sharedMemory();
  } catch (error) {
    throw new NoThreads(`shared memory cannot be had (${messageOf(error)})`);
  }
  /** @type {ThreadPool | undefined} */
  let pool;
  const exports = /** @type {import('./abi.js').ThreadedExports} */ (
    await instantiate(module, name, threadedImports(memory, () => pool?.giveUp()), memory));
  exports.__wasm_call_ctors();
  const heap = new Heap(exports);
  pool = new ThreadPool(exports, heap.context, (reason) => heap.loseThreads(reason));
  try {
    await pool.start(threads, module, memory);
  } catch (error) {
    throw new NoThreads(`its workers do not start (${messageOf(error)})`);
  }
  heap.onClose(() => pool?.stop());
  return new Runtime(heap, { simd, threads });
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
 * How many threads to run, and why there are not as many as were asked for, in words.
 *
 * @param {unknown} threads
 * @returns {Promise<{ count: number, reason: string | null }>}
 */
async function chooseThreads(threads) {
  const wanted = threads === 'auto' ? await defaultThreads() : threads;
  if (typeof wanted === 'string') {
    throw new DynakernelError('ERR_CONFIG',
      `load: threads must be 'auto' or a whole number, 1 to ${MAX_THREADS}; got ${given(threads)}`);
  }
  const count = integer(wanted, 'load: threads', 1, MAX_THREADS);
  const reason = count > 1 ? whyNoThreads() : null;
  return { count: reason ? 1 : count, reason };
}

/** @param {string} reason */
function warnOfOneThread(reason) {
  if (warnedOfThreads) return;
  warnedOfThreads = true;
  console.warn(`dynakernel runs on one thread: ${reason}. load({ threads: 1 }) asks for that.`);
}

/**
 * Which of the shipped builds a file is, as far as its name tells.
 *
 * @param {string} name
 * @returns {Info['simd']}
 */
function buildOf(name) {
  const match = /dynakernel-(baseline|relaxed)\b[^/]*$/.exec(name);
  return match ? /** @type {'baseline' | 'relaxed'} */ (match[1]) : 'unknown';
}

/**
 * What error messages call the source.
 *
 * @param {unknown} source
 */
function sourceName(source) {
  if (typeof source === 'string') return source;
  if (className(source) === 'URL') return /** @type {URL} */ (source).href;
  if (className(source) === 'Response') return /** @type {Response} */ (source).url || 'the response';
  return `the given ${className(source)}`;
}

/**
 * @param {unknown} source
 * @param {string} name
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<WebAssembly.Module>}
 */
async function compile(source, name, signal) {
  if (className(source) === 'WebAssembly.Module') return /** @type {WebAssembly.Module} */ (source);
  if (isBuffer(source)) return compileBytes(new Uint8Array(source), name);
  if (ArrayBuffer.isView(source)) { // of any kind: some engines take no DataView
    const { buffer, byteOffset, byteLength } = source;
    return compileBytes(new Uint8Array(/** @type {ArrayBuffer} */ (buffer), byteOffset, byteLength), name);
  }
  if (className(source) === 'Response') {
    return compileResponse(/** @type {Response} */ (source), name);
  }
  if (typeof source !== 'string' && className(source) !== 'URL') {
    throw new DynakernelError('ERR_CONFIG', 'load: wasm must be a URL, a Response, an ArrayBuffer or ' +
      `a WebAssembly.Module; got ${given(source)}`);
  }
  const url = resolve(/** @type {string | URL} */ (source));
  if (isFile(url)) return compileBytes(await readFile(url, name), name);
  const response = await fetch(url, { signal }).catch((error) => {
    throw new DynakernelError('ERR_LOAD', `${name} could not be fetched: ${messageOf(error)}`,
      { cause: error });
  });
  return compileResponse(response, name);
}

/**
 * Compiles while the bytes arrive where the server names their type rightly, which browsers insist
 * on; else once all are there.
 *
 * @param {Response} response
 * @param {string} name
 */
async function compileResponse(response, name) {
  if (!response.ok) {
    throw new DynakernelError('ERR_LOAD',
      `${name} could not be fetched: the server answered ${response.status} ${response.statusText}`);
  }
  const type = response.headers.get('content-type') ?? 'no type';
  try {
    if (type === 'application/wasm') return await WebAssembly.compileStreaming(response);
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (error) {
    throw notWasm(name, ` (it came as ${type})`, error);
  }
}

/**
 * @param {BufferSource} bytes
 * @param {string} name
 */
async function compileBytes(bytes, name) {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw notWasm(name, '', error);
  }
}

/**
 * @param {string} name
 * @param {string} detail
 * @param {unknown} error
 */
const notWasm = (name, detail, error) => new DynakernelError('ERR_LOAD',
  `${name} is not a WebAssembly module that this engine can compile${detail}: ${messageOf(error)}`,
  { cause: error });

/**
 * A URL, relative to the page where there is one. In Node what is no URL is a path.
 *
 * @param {string | URL} source
 * @returns {string | URL}
 */
function resolve(source) {
  try {
    return new URL(source, globalThis.document?.baseURI ?? globalThis.location?.href);
  } catch {
    return source;
  }
}

/** @param {string | URL} url */
const isFile = (url) => globalThis.process?.versions?.node !== undefined &&
  (typeof url === 'string' || url.protocol === 'file:');

/**
 * Node's fetch reads no files. Nor does it pay to read a hundred kilobytes on another thread.
 *
 * @param {string | URL} path
 * @param {string} name
 */
async function readFile(path, name) {
  const module = 'node:fs'; // not a literal in import(), lest bundlers for the web look for it
  try {
    /** @type {typeof import('node:fs')} */
    const fs = process.getBuiltinModule?.(module) ?? // 1 ms faster, from Node 20.16 on
      await import(/* @vite-ignore */ /* webpackIgnore: true */ module);
    return fs.readFileSync(path);
  } catch (error) {
    throw new DynakernelError('ERR_LOAD', `${name} could not be read: ${messageOf(error)}`,
      { cause: error });
  }
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
