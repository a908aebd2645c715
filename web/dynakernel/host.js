/** Tells hosts apart: Node, a page, a page's worker, Electron, Cloudflare. */

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
