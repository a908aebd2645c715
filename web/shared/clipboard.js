import { setText } from './dom.js';

/** A button says for this many milliseconds that it copied. */
const CONFIRMATION = 2000;

/**
 * The buttons that say so now.
 *
 * @type {WeakMap<HTMLButtonElement, { label: string, timer: ReturnType<typeof setTimeout> }>}
 */
const confirmed = new WeakMap();

/**
 * Copies text and says so on the button for a while. If the browser refuses, selects the text on the page. A
 * person can then copy it.
 *
 * @param {HTMLButtonElement} button
 * @param {string} text
 * @param {HTMLElement} shown  the element that shows the text; it receives the text after a refusal
 * @returns {Promise<string>} a sentence that says why the browser refused; '' after success
 */
export async function copyText(button, text, shown) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    setText(shown, text);
    shown.hidden = false;
    getSelection()?.selectAllChildren(shown);
    return 'The browser refused the clipboard; the text is selected, copy it with Ctrl+C or ⌘C.';
  }
  // A second click within the time keeps the button's own label.
  const { label = button.textContent ?? '', timer } = confirmed.get(button) ?? {};
  clearTimeout(timer);
  setText(button, 'Copied');
  const restore = () => {
    setText(button, label);
    confirmed.delete(button);
  };
  confirmed.set(button, { label, timer: setTimeout(restore, CONFIRMATION) });
  return '';
}
