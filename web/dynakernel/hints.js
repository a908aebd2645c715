/** Advice in the errors of load(), for the usual causes. */
import { isCloudflare, isPage, nodeVersion } from './host.js';

const FOR_CLOUDFLARE =
  "On Cloudflare Workers: import wasm from 'dynakernel/wasm/relaxed.wasm'; load({ wasm }).";

/** For a file of the package that is missing at its address. */
export function notDeployed() {
  if (isCloudflare()) return FOR_CLOUDFLARE;
  const start = 'The bundler has not put this file of the package there. ' +
    "Import 'dynakernel/inline', which needs no other file, or ";
  const end = ' See "Bundlers" in README.md.';
  if (nodeVersion() !== undefined && !isPage()) {
    return `${start}leave dynakernel out of the bundle (Next.js: serverExternalPackages: ` +
      `['dynakernel']; Vite: ssr.external; esbuild: --external:dynakernel; webpack: externals).${end}`;
  }
  return `${start}configure the bundler: for Vite's development server optimizeDeps: { exclude: ` +
    "['dynakernel'] }; for esbuild, Rollup and Bun copy the package's dist/dynakernel-* beside " +
    `the bundle.${end}`;
}

/** For a bundle whose modules have no address. */
export function noAddress() {
  if (isCloudflare()) return FOR_CLOUDFLARE;
  return "Import 'dynakernel/inline', which needs no other file, leave dynakernel out of the bundle, " +
    `or give the module: load({ wasm }). ${FOR_CLOUDFLARE}`;
}

/**
 * For a fetch that failed.
 *
 * @param {string | URL} url
 */
export function notReached(url) {
  if (isCloudflare()) return FOR_CLOUDFLARE;
  if (typeof url === 'object' && url.protocol === 'file:') {
    return "A page opened from disk cannot fetch files: serve it, or import 'dynakernel/inline'.";
  }
  return "The network, the other origin's CORS headers or the page's Content-Security-Policy " +
    '(connect-src) may be the cause.';
}

/**
 * For WebAssembly that the engine refuses to compile.
 *
 * @param {string} message of the engine
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
 * What the bytes seem to be instead of WebAssembly; null for WebAssembly.
 *
 * @param {Uint8Array} bytes
 * @returns {string | null}
 */
export function whyNotWasm(bytes) {
  const start = String.fromCharCode(...bytes.subarray(0, 64));
  if (start.startsWith('\0asm')) return null;
  if (start === '') return 'it is empty';
  if (/^(\u00ef\u00bb\u00bf)?\s*</.test(start)) {
    return 'it is an HTML page; servers send one if a file is missing';
  }
  if (start.startsWith('version https://git-lfs')) {
    return 'it is a Git LFS pointer; `git lfs pull` fetches the file';
  }
  if (start.startsWith('\x1f\x8b')) return 'it is compressed with gzip';
  const [first, expected] = [bytes.subarray(0, 4), Uint8Array.of(0, 0x61, 0x73, 0x6d)]
    .map((four) => Array.from(four, (byte) => byte.toString(16).padStart(2, '0')).join(' '));
  return `it begins with the bytes ${first}, not with ${expected}`;
}
