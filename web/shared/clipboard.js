import { setText } from './dom.js';

/** Milliseconds for which a button says that it copied. */
const CONFIRMATION = 2000;

/** Buttons that say so now. @type {WeakMap<HTMLButtonElement, { label: string, timer: ReturnType<typeof setTimeout> }>} */
const confirmed = new WeakMap();

/**
 * Copies text, and says so on the button for a while. Where the browser refuses, it selects the text on the page for a
 * person to copy.
 *
 * @param {HTMLButtonElement} button
 * @param {string} text
 * @param {HTMLElement} shown  where the text is, or is put then
 * @returns {Promise<string>} why it was refused, as a sentence; '' where it was not
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
