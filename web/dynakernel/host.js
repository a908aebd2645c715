/** What the host is: Node, a page, a worker of a page, or something between them. */

/**
 * A module of Node's own, or undefined if the host does not give it. This is no `import()`: bundlers
 * for the web would look for the module, and a page of Electron would fetch it.
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

/** Node's version, in Node and whatever pretends to be Node, or undefined. */
export const nodeVersion = () => globalThis.process?.versions?.node;

/** Whether this is a page or a worker of a page. Electron's pages may have Node's version besides. */
export const isPage = () => typeof document === 'object' || 'importScripts' in globalThis;

/** Whether this is a Node that is too old to hand out its own modules. */
export const isOldNode = () => nodeVersion() !== undefined && !isPage() &&
  typeof globalThis.process.getBuiltinModule !== 'function';

/** Whether this is Cloudflare's runtime, which has neither threads nor files. */
export const isCloudflare = () => globalThis.navigator?.userAgent === 'Cloudflare-Workers';
