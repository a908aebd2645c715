/**
 * The addresses of the package's files. The build (scripts/bundle.mjs) puts all files into one folder
 * and changes the addresses. The entry dynakernel/inline uses inline/files.js instead.
 */
import { folderLeftBehind, isPage, startWebWorkerAt } from './host.js';

/** @typedef {'baseline' | 'relaxed' | 'baseline-threads' | 'relaxed-threads'} Build */

/** The reason if this entry never starts threads, or null. */
export const whyOneThread = /** @type {string | null} */ (null);

/** Bundlers recognise exactly these expressions. */
const ADDRESSES = {
  baseline: () => new URL('../../dist/dynakernel-baseline.wasm', import.meta.url),
  relaxed: () => new URL('../../dist/dynakernel-relaxed.wasm', import.meta.url),
  'baseline-threads': () => new URL('../../dist/dynakernel-baseline-threads.wasm', import.meta.url),
  'relaxed-threads': () => new URL('../../dist/dynakernel-relaxed-threads.wasm', import.meta.url),
};

const folder = () => folderLeftBehind(import.meta.url);

/**
 * @param {Build} build
 * @returns {URL | Uint8Array} the file's address, or its bytes
 * @throws {TypeError} if the bundle gives this module no address
 */
export function shippedFile(build) {
  const moved = folder();
  if (moved) return new URL(`dynakernel-${build}.wasm`, moved);
  const address = ADDRESSES[build]();
  if (address.protocol !== '' || isPage()) return address;
  // For code on a server, webpack in Next.js gives the browser's address: a path without an origin.
  return new URL('../../dist/' + `dynakernel-${build}.wasm`, String(import.meta.url));
}

/** The address of worker.js, in a form that no bundler recognises. */
export const workerAddress = () => new URL('worker.js', folder() ?? String(import.meta.url));

/**
 * Starts worker.js as a Web Worker.
 *
 * @returns {Worker}
 * @throws {DOMException} if the page may not start it
 */
export const startWebWorker = () => startWebWorkerAt(workerAddress(), folder() !== null,
  // Bundlers recognise exactly this expression.
  () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }));
