/** What an error of load() says to do, for the usual causes. */
import { isCloudflare, isPage, nodeVersion } from './host.js';

const FOR_CLOUDFLARE =
  "On Cloudflare Workers: import wasm from 'dynakernel/wasm/relaxed.wasm'; load({ wasm }).";

/** For a file of the package that is not where the code looks for it. */
export function notDeployed() {
  if (isCloudflare()) return FOR_CLOUDFLARE;
  const start = 'The file comes with the package, but the bundler has not put it there. ' +
    "Import 'dynakernel/inline', which needs no other file, or ";
  const end = ' README.md says more under "Bundlers".';
  if (nodeVersion() !== undefined && !isPage()) {
    return `${start}leave dynakernel out of the bundle (Next.js: serverExternalPackages: ` +
      `['dynakernel']; Vite: ssr.external; esbuild: --external:dynakernel; webpack: externals).${end}`;
  }
  return `${start}set the bundler up: for Vite's development server optimizeDeps: { exclude: ` +
    "['dynakernel'] }; for esbuild, Rollup and Bun copy the package's dist/dynakernel-* beside " +
    `the bundle.${end}`;
}

/** For a bundle that takes the address from its modules. */
export function noAddress() {
  if (isCloudflare()) return FOR_CLOUDFLARE;
  return "Import 'dynakernel/inline', which needs no other file, leave dynakernel out of the bundle, " +
    `or give the module: load({ wasm }). ${FOR_CLOUDFLARE}`;
}

/**
 * For a server that gave no answer.
 *
 * @param {string | URL} url
 */
export function notReached(url) {
  if (isCloudflare()) return FOR_CLOUDFLARE;
  if (typeof url === 'object' && url.protocol === 'file:') {
    return "A page that is opened from disk can fetch no files: serve it, or import 'dynakernel/inline'.";
  }
  return "The network, the other origin's CORS headers or the page's Content-Security-Policy " +
    '(connect-src) may be the cause.';
}

/**
 * For WebAssembly that an engine does not compile, if its words tell why.
 *
 * @param {string} message the engine's
 * @returns {string | null}
 */
export function compilerHint(message) {
  if (/content.security.policy|\bCSP\b|unsafe-eval/i.test(message)) {
    return "The page's Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to its " +
      'script-src.';
  }
  if (isCloudflare() || /disallowed by embedder/i.test(message)) return FOR_CLOUDFLARE;
  return null;
}

/**
 * What bytes that are no WebAssembly seem to be, or null for WebAssembly.
 *
 * @param {Uint8Array} bytes
 * @returns {string | null}
 */
export function whyNotWasm(bytes) {
  const start = String.fromCharCode(...bytes.subarray(0, 64));
  if (start.startsWith('\0asm')) return null;
  if (start === '') return 'it is empty';
  if (/^(\u00ef\u00bb\u00bf)?\s*</.test(start)) {
    return 'it is an HTML page, which servers send for files that they do not have';
  }
  if (start.startsWith('version https://git-lfs')) {
    return "it is Git LFS's pointer to the file; `git lfs pull` fetches the file itself";
  }
  if (start.startsWith('\x1f\x8b')) return 'it is compressed by gzip';
  const [first, expected] = [bytes.subarray(0, 4), Uint8Array.of(0, 0x61, 0x73, 0x6d)]
    .map((some) => Array.from(some, (byte) => byte.toString(16).padStart(2, '0')).join(' '));
  return `it begins with the bytes ${first}, not with ${expected}`;
}
