/**
 * The files that come with the package, by their addresses. The build (scripts/bundle.mjs) puts all
 * into one folder and changes the addresses accordingly. The entry dynakernel/inline has
 * inline/files.js instead.
 */
import { isPage } from './host.js';

/** @typedef {'baseline' | 'relaxed' | 'baseline-threads' | 'relaxed-threads'} Build */

/** Why this entry never starts threads, in words, or null. */
export const whyOneThread = /** @type {string | null} */ (null);

/** Bundlers find the files by these very expressions. */
const ADDRESSES = {
  baseline: () => new URL('../../dist/dynakernel-baseline.wasm', import.meta.url),
  relaxed: () => new URL('../../dist/dynakernel-relaxed.wasm', import.meta.url),
  'baseline-threads': () => new URL('../../dist/dynakernel-baseline-threads.wasm', import.meta.url),
  'relaxed-threads': () => new URL('../../dist/dynakernel-relaxed-threads.wasm', import.meta.url),
};

/**
 * The folder of the files if a development server has moved this module without them, as Vite up to
 * version 7 does: to node_modules/.vite/deps/.
 *
 * @returns {string | null}
 */
function folderLeftBehind() {
  const moved = /^(.*\/node_modules\/)\.(?!.*\/node_modules\/)/.exec(String(import.meta.url));
  return moved && `${moved[1]}dynakernel/dist/`;
}

/**
 * @param {Build} build
 * @returns {URL | Uint8Array} where the file is, or its bytes
 * @throws {TypeError} if the bundle gives this module no address
 */
export function shippedFile(build) {
  const folder = folderLeftBehind();
  if (folder) return new URL(`dynakernel-${build}.wasm`, folder);
  const address = ADDRESSES[build]();
  if (address.protocol !== '' || isPage()) return address;
  // webpack in Next.js gives code on a server the browser's address, a path without an origin.
  return new URL('../../dist/' + `dynakernel-${build}.wasm`, String(import.meta.url));
}

/** The address of worker.js, as no bundler sees it. */
export const workerAddress = () =>
  new URL('worker.js', folderLeftBehind() ?? String(import.meta.url));

/**
 * Starts worker.js as a Web Worker.
 *
 * @returns {Worker}
 * @throws {DOMException} if the page may not start it
 */
export function startWebWorker() {
  const address = workerAddress();
  if (folderLeftBehind()) return startWorkerAt(address);
  const isForeign = /^https?:$/.test(address.protocol) && address.origin !== location.origin;
  if (isForeign) return startImporter(address);
  // Bundlers find the worker by this very expression.
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
}

/**
 * Starts a script of another origin, a CDN's for example. No page may start such a script as a
 * worker, but a module of the page's own may import it.
 *
 * @param {URL} address
 */
function startImporter(address) {
  const code = `import ${JSON.stringify(address.href)};`;
  const own = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  const worker = startWorkerAt(own);
  setTimeout(() => URL.revokeObjectURL(own), 60_000); // once the worker has read it
  return worker;
}

/**
 * Not `new Worker`, since bundlers would ask which file that is.
 *
 * @param {string | URL} address
 * @returns {Worker}
 */
const startWorkerAt = (address) => Reflect.construct(Worker, [address, { type: 'module' }]);
