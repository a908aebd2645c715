/** load() of the entry dynakernel. */
import * as files from './files.js';
import { loadWith } from './start.js';

/** @import { Platform, WasmModule } from './platform.js' */
/** @typedef {import('./runtime.js').Runtime} Runtime */

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
 * Starts a runtime: fetches, compiles and instantiates the fastest build that this engine can run.
 *
 * @param {LoadOptions} [options]
 * @returns {Promise<Runtime>}
 * @throws {import('./errors.js').DynakernelError} ERR_LOAD names the file, what is wrong with it, and
 *   what to do if a bundler, a server or a Content-Security-Policy is the cause; ERR_MEMORY; ERR_CONFIG
 * @example
 * const dk = await load();
 * console.log(dk.info.simd); // 'relaxed'
 */
export async function load(options) {
  return loadWith(files, options);
}
