/** load() of the entry dynakernel. */
import * as features from './features.js';
import * as files from './files.js';
import { loadWith } from './start.js';

/** @import { Platform, WasmModule } from './platform.js' */
/** @typedef {import('./runtime.js').Runtime} Runtime */

/**
 * The source of a WebAssembly module: its address, a Response, its bytes or the compiled module.
 *
 * @typedef {string | Platform<'URL'> | Platform<'Response'> | ArrayBuffer | ArrayBufferView
 *   | WasmModule} WasmSource
 */

/** @typedef {string | WasmModule} WasmFile the value of an import of dynakernel/wasm/... in a bundle */

/**
 * The members of an AbortSignal that the library uses.
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
 * @property {'auto' | 'baseline' | 'relaxed'} [simd] the build. 'relaxed' uses fused multiply-add
 *   if the engine has it; 'auto' is the fastest build that the engine can run ('auto')
 * @property {number | 'auto'} [threads] the largest number of threads, 1 to 16, including the
 *   calling thread. 'auto' is one for each processor, at most 4. In a Firefox worker 'auto' is 1,
 *   because starting workers can block there for ever. Threads need a cross-origin isolated page;
 *   otherwise there is one thread, and info.threadsReason says why. If a number was asked for, a
 *   warning on the console says so too ('auto')
 * @property {WasmSource} [wasm] replaces the package's own file. In Node, a string that is not a URL
 *   is a path
 * @property {AbortSignalLike} [signal] stops loading: load() then throws ERR_LOAD, and its cause is
 *   the signal's reason
 */

/**
 * Starts a runtime: fetches, compiles and instantiates the fastest build that this engine can run.
 *
 * @param {LoadOptions} [options]
 * @returns {Promise<Runtime>}
 * @throws {import('./errors.js').DynakernelError} ERR_LOAD names the file and the fault. It also says
 *   what to do if a bundler, a server or a Content-Security-Policy is the cause. ERR_MEMORY; ERR_CONFIG
 * @example
 * const dk = await load();
 * console.log(dk.info.simd); // 'relaxed'
 */
export async function load(options) {
  return loadWith(files, features, options);
}
