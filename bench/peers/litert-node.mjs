// Loads LiteRT.js in Node. It expects a browser's worker, so it gets the two names of one that it uses.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';

const require = createRequire(import.meta.url);

/** A name that TypeScript does not follow: the package's types change those of Float32Array for the whole program. */
const PACKAGE = /** @type {string} */ ('@litertjs/core');

/** @type {Promise<{ core: any, version: string, simd: string }> | undefined} */
let loaded;

/** Returns the module with its WebAssembly, which can be loaded only once. */
export const loadLiteRt = () => (loaded ??= load());

async function load() {
  const core = await import(PACKAGE);
  const folder = fileURLToPath(new URL('../node_modules/@litertjs/core/', import.meta.url));
  const simd = await core.supportsFeature('relaxedSimd') ? 'relaxed' : 'baseline';
  const scope = /** @type {any} */ (globalThis);
  const shims = {
    self: globalThis, importScripts: (path) => { scope.ModuleFactory = runScript(path); },
    Module: { print: () => {}, printErr: () => {} }, // it logs each model
  };
  const before = Object.keys(shims).map((name) => ({ name, descriptor: Object.getOwnPropertyDescriptor(globalThis, name) }));
  const { warn } = console;
  Object.assign(scope, shims);
  console.warn = () => {}; // that Node has no WebGPU
  try {
    await core.loadLiteRt(`${folder}wasm`);
  } finally {
    console.warn = warn;
    for (const { name, descriptor } of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete scope[name];
    }
  }
  return { core, version: JSON.parse(readFileSync(`${folder}package.json`, 'utf8')).version, simd };
}

/** Runs the script that defines ModuleFactory, and returns that. @param {string} path */
function runScript(path) {
  const code = `${readFileSync(path, 'utf8')}\nreturn ModuleFactory;`;
  return compileFunction(code, ['require', '__dirname', '__filename'], { filename: path })(require, dirname(path), path);
}
