/** A state dict on its way from this page to the playground, which may be opened in another tab. */

import { bytes as size } from '../shared/format.js';

const KEY = 'dynakernel-handoff';

/**
 * Leaves it for the playground. Throws an error for people where the browser does not keep it.
 *
 * @param {Uint8Array} bytes
 * @param {string} file  the name that it would have as a file
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
    throw new Error(`${reason}. Save it, and open the file in the playground`);
  }
}

/**
 * Takes what was left, if the address says so (#state) and it is still there.
 *
 * @returns {File | null}
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
