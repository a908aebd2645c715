/**
 * The addresses of the package's files. The build (scripts/bundle.mjs) puts all files into one folder
 * and changes the addresses. The entry dynakernel/inline uses inline/files.js instead.
 */
import { isPage } from './host.js';

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

/**
 * The folder of the files if a development server has moved this module away from them. Vite up to
 * version 7 moves it to node_modules/.vite/deps/.
 *
 * @returns {string | null}
 */
function folderLeftBehind() {
  const moved = /^(.*\/node_modules\/)\.(?!.*\/node_modules\/)/.exec(String(import.meta.url));
  return moved && `${moved[1]}dynakernel/dist/`;
}

/**
 * @param {Build} build
 * @returns {URL | Uint8Array} the file's address, or its bytes
 * @throws {TypeError} if the bundle gives this module no address
 */
export function shippedFile(build) {
  const folder = folderLeftBehind();
  if (folder) return new URL(`dynakernel-${build}.wasm`, folder);
  const address = ADDRESSES[build]();
  if (address.protocol !== '' || isPage()) return address;
  // For code on a server, webpack in Next.js gives the browser's address: a path without an origin.
  return new URL('../../dist/' + `dynakernel-${build}.wasm`, String(import.meta.url));
}

/** The address of worker.js, in a form that no bundler recognises. */
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
  // Bundlers recognise exactly this expression.
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
}

/**
 * Starts a worker from another origin, such as a CDN. A page must not start a foreign script as a
 * worker, but a script of its own may import it.
 *
 * @param {URL} address
 */
function startImporter(address) {
  const code = `import ${JSON.stringify(address.href)};`;
  const importer = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  const worker = startWorkerAt(importer);
  setTimeout(() => URL.revokeObjectURL(importer), 60_000); // the worker has read it by then
  return worker;
}

/**
 * Starts a worker without `new Worker`, because bundlers would look for its file.
 *
 * @param {string | URL} address
 * @returns {Worker}
 */
const startWorkerAt = (address) => Reflect.construct(Worker, [address, { type: 'module' }]);
