/** @import { Link } from './link.js' */
import { copyText } from './clipboard.js';
import { byId, setText, showError } from './dom.js';

/** The button that copies a link to what is on screen, and what the page says about links. */
export class LinkPanel {
  #note = byId('link-note', HTMLElement);
  #text = byId('link-text', HTMLElement);

  /**
   * @param {Link} link
   * @param {() => string} describe  returns what the link has, and what it cannot have
   */
  constructor(link, describe) {
    const button = byId('copy-link', HTMLButtonElement);
    button.addEventListener('click', async () => {
      this.#text.hidden = true;
      const refusal = await copyText(button, link.whole, this.#text);
      showError(byId('link-error', HTMLElement), refusal);
      this.say(describe());
    });
  }

  /** Says a sentence about the link. @param {string} sentence  '' to say nothing */
  say(sentence) {
    setText(this.#note, sentence);
    this.#note.hidden = sentence === '';
  }
}
