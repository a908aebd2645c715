/** The files of the entry dynakernel/inline: two builds without threads, as bytes in the script. */
import { unpackLzma } from './lzma.js';

/** @typedef {import('../files.js').Build} Build */

/**
 * scripts/bundle.mjs replaces these names: by one LZMA stream in base64 with the baseline build and then
 * the relaxed one, and by the size of each build. The builds are alike: the second adds only a tenth.
 */
const PACKED = /** @type {any} */ (globalThis).DYNAKERNEL_PACKED;
const BASELINE_BYTES = /** @type {any} */ (globalThis).DYNAKERNEL_BASELINE_BYTES;
const RELAXED_BYTES = /** @type {any} */ (globalThis).DYNAKERNEL_RELAXED_BYTES;

export const whyOneThread = "dynakernel/inline has one thread; the entry 'dynakernel' has more";

/**
 * @param {Build} build without threads
 * @returns {URL | Uint8Array}
 */
export function shippedFile(build) {
  const packed = bytesOf(PACKED);
  if (build === 'baseline') return unpackLzma(packed, BASELINE_BYTES);
  return unpackLzma(packed, BASELINE_BYTES + RELAXED_BYTES).subarray(BASELINE_BYTES);
}

/** @returns {never} */
export function workerAddress() {
  throw new Error(whyOneThread);
}

/** @returns {never} */
export function startWebWorker() {
  throw new Error(whyOneThread);
}

/** @param {string} base64 */
const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
