/** Hands a state dict over to the playground. The playground may be open in another tab. */

import { bytes as size } from '../shared/format.js';

const KEY = 'dynakernel-handoff';

/**
 * Leaves a state dict for the playground. Throws an error for people if the browser does not keep it.
 *
 * @param {Uint8Array} bytes
 * @param {string} file  the name of the file that it would be
 */
export function leaveState(bytes, file) {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  try {
    localStorage.setItem(KEY, JSON.stringify({ file, base64: btoa(text) }));
  } catch (error) {
    const isTooLarge = error instanceof DOMException && error.name === 'QuotaExceededError';
    const reason = isTooLarge
      ? `the block of ${size(bytes.length)} is more than the browser keeps for this site, so it cannot be handed over`
      : 'the browser keeps nothing for this site, so the block cannot be handed over';
    throw new Error(`${reason}. Save it, and open the file in the playground`, { cause: error });
  }
}

/**
 * Takes the state dict that was left, if the address asks for it with #state.
 *
 * @returns {File | null} null if the address does not ask, or nothing was left
 */
export function takeState() {
  if (location.hash !== '#state') return null;
  try {
    const left = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    localStorage.removeItem(KEY);
    if (!left) return null;
    return new File([Uint8Array.from(atob(left.base64), (letter) => letter.charCodeAt(0))], left.file);
  } catch {
    return null;
  }
}
