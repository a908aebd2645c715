/** Tells hosts apart (Node, a page, a page's worker, Electron, Cloudflare), and starts workers in them. */

/**
 * One of Node's modules, or undefined if the host does not have it. This is not an `import()`, because
 * bundlers for the web would look for the module, and an Electron page would fetch it.
 *
 * @param {string} name such as 'node:fs'
 * @returns {any}
 */
export function nodeModule(name) {
  try {
    return globalThis.process?.getBuiltinModule?.(name);
  } catch {
    return undefined;
  }
}

/** Node's version, also in hosts that imitate Node; undefined otherwise. */
export const nodeVersion = () => globalThis.process?.versions?.node;

/** Whether this is a page or a page's worker. Electron's pages may also have Node's version. */
export const isPage = () => typeof document === 'object' || 'importScripts' in globalThis;

/** Whether this is Node before 20.16, which has no process.getBuiltinModule. */
export const isOldNode = () => nodeVersion() !== undefined && !isPage() &&
  typeof globalThis.process.getBuiltinModule !== 'function';

/** Whether this is Cloudflare Workers, which has no threads and no files. */
export const isCloudflare = () => globalThis.navigator?.userAgent === 'Cloudflare-Workers';

/** Node's Worker, in Node and in hosts that imitate Node. */
export const nodeWorker = () => (nodeVersion() === undefined || isCloudflare()
  ? undefined
  : nodeModule('node:worker_threads')?.Worker);

/**
 * The folder of the package's files if a development server has moved a module away from them. Vite up to
 * version 7 moves it to node_modules/.vite/deps/.
 *
 * @param {string | URL} module the address of the module
 * @returns {string | null}
 */
export function folderLeftBehind(module) {
  const moved = /^(.*\/node_modules\/)\.(?!.*\/node_modules\/)/.exec(String(module));
  return moved && `${moved[1]}dynakernel/dist/`;
}

/**
 * Starts a Web Worker. `start` contains the expression that bundlers recognise, and is
 * called if the file has the page's origin.
 *
 * @param {URL} address of the worker's file, in a form that no bundler recognises
 * @param {boolean} moved whether a development server has moved the calling module
 * @param {() => Worker} start
 * @returns {Worker}
 * @throws {DOMException} if the page may not start it
 */
export function startWebWorkerAt(address, moved, start) {
  if (moved) return startWorkerAt(address);
  const isForeign = /^https?:$/.test(address.protocol) && address.origin !== location.origin;
  return isForeign ? startImporter(address) : start();
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
