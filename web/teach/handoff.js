/** A state dict on its way from this page to the playground, which may be opened in another tab. */

const KEY = 'dynakernel-handoff';

/**
 * Leaves it for the playground.
 *
 * @param {Uint8Array} bytes
 * @param {string} file  the name that it would have as a file
 * @returns {boolean} false where the browser keeps nothing for this site
 */
export function leaveState(bytes, file) {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  try {
    localStorage.setItem(KEY, JSON.stringify({ file, base64: btoa(text) }));
    return true;
  } catch {
    return false;
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
