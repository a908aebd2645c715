/**
 * The files of the entry dynakernel/inline, which takes this module in place of ../files.js: the two
 * builds without threads, as bytes in the script itself.
 */
import { inflate } from './inflate.js';
import { patch } from './patch.js';

/** @typedef {import('../files.js').Build} Build */

/**
 * What scripts/bundle.mjs writes here: the baseline build and the patch that makes the relaxed build
 * from it, deflated, in base64.
 *
 * @type {{ baseline: string, relaxed: string }}
 */
const packed = /** @type {any} */ (globalThis).DYNAKERNEL_PACKED;

export const whyOneThread = "dynakernel/inline has one thread; the entry 'dynakernel' has more";

/**
 * @param {Build} build without threads
 * @returns {URL | Uint8Array}
 */
export function shippedFile(build) {
  const baseline = inflate(bytesOf(packed.baseline));
  return build === 'baseline' ? baseline : patch(baseline, inflate(bytesOf(packed.relaxed)));
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
