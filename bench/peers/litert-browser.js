/** Loads LiteRT.js in a page or in a module worker, which has no importScripts. */

/** The module and what it imports in one file: install.mjs makes it. */
const bundle = new URL('../../dist/bench/litert.js', import.meta.url).href;

/** @type {Promise<{ core: any, version: string, simd: string }> | undefined} */
let loaded;

/**
 * Returns the module with its WebAssembly, which can be loaded only once.
 *
 * @param {string} packages where the packages are
 */
export const loadLiteRt = (packages) => (loaded ??= load(`${packages}@litertjs/core/`));

/** @param {string} folder */
async function load(folder) {
  const core = await import(bundle);
  const simd = await core.supportsFeature('relaxedSimd') ? 'relaxed' : 'baseline';
  const scope = /** @type {any} */ (globalThis);
  if (typeof scope.importScripts === 'function') {
    scope.importScripts = (/** @type {string} */ address) => { scope.ModuleFactory = runScript(address); };
  }
  scope.Module = {
    locateFile: (/** @type {string} */ file) => `${folder}wasm/${file}`, print() {}, printErr() {}, // it logs each model
  };
  await core.loadLiteRt(`${folder}wasm/`);
  const { version } = await (await fetch(`${folder}package.json`)).json();
  return { core, version, simd };
}

/** Runs the script that defines ModuleFactory, and returns that. @param {string} address */
function runScript(address) {
  const request = new XMLHttpRequest();
  request.open('GET', address, false); // as importScripts, which waits
  request.send();
  if (request.status !== 200) throw new Error(`the server returned ${request.status} for ${address}`);
  // oxlint-disable-next-line no-new-func -- this is what importScripts would do
  return new Function(`${request.responseText}\nreturn ModuleFactory;`)();
}
