/** The files of the entry dynakernel/inline: the two builds without threads, as bytes in the script. */
import { inflate } from './inflate.js';
import { patch } from './patch.js';

/** @typedef {import('../files.js').Build} Build */

/**
 * What scripts/bundle.mjs writes here: the baseline build, and the patch that makes the relaxed build
 * from it. Both are deflated, in base64.
 */
const PACKED_BASELINE = /** @type {any} */ (globalThis).DYNAKERNEL_BASELINE;
const PACKED_RELAXED = /** @type {any} */ (globalThis).DYNAKERNEL_RELAXED;

export const whyOneThread = "dynakernel/inline has one thread; the entry 'dynakernel' has more";

/**
 * @param {Build} build without threads
 * @returns {URL | Uint8Array}
 */
export function shippedFile(build) {
  const baseline = inflate(bytesOf(PACKED_BASELINE));
  return build === 'baseline' ? baseline : patch(baseline, inflate(bytesOf(PACKED_RELAXED)));
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
