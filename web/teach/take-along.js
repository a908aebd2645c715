import { byId, download, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { leaveState } from '../shared/handoff.js';

/**
 * The dynamic block as a file.
 *
 * @typedef {{ bytes: Uint8Array<ArrayBuffer>, step: number }} Taught
 */

/** The ways to take along what was learnt: as a file, or into the playground. */
export class TakeAlong {
  #save = byId('save', HTMLButtonElement);
  #open = byId('open', HTMLButtonElement);
  #error = byId('save-error', HTMLElement);
  /** What was asked for and has not come yet, by number.
   * @type {Map<number, { resolve: (taught: Taught) => void, reject: (error: Error) => void }>} */
  #awaited = new Map();
  #latest = 0;

  /**
   * @param {object} events
   * @param {(id: number) => void} events.onExport  a file is wanted; arrive() or refuse() answers
   * @param {() => string} events.nameLesson  for file names
   */
  constructor({ onExport, nameLesson }) {
    this.onExport = onExport;
    this.nameLesson = nameLesson;
    this.#save.addEventListener('click', () => this.#saveFile());
    this.#open.addEventListener('click', () => this.#openPlayground());
  }

  /** @param {boolean} enabled */
  enable(enabled) {
    this.#save.disabled = this.#open.disabled = !enabled;
  }

  /**
   * @param {number} id
   * @param {Taught} taught
   */
  arrive(id, taught) {
    this.#awaited.get(id)?.resolve(taught);
    this.#awaited.delete(id);
  }

  /**
   * @param {string} reason
   * @param {number[]} [ids]  all that are awaited
   */
  refuse(reason, ids = [...this.#awaited.keys()]) {
    for (const id of ids) {
      this.#awaited.get(id)?.reject(new Error(reason));
      this.#awaited.delete(id);
    }
  }

  /** @returns {Promise<{ bytes: Uint8Array<ArrayBuffer>, file: string }>} */
  async #export() {
    showError(this.#error, '');
    const lesson = this.nameLesson();
    const id = ++this.#latest;
    const { bytes, step } = await new Promise((resolve, reject) => {
      this.#awaited.set(id, { resolve, reject });
      this.onExport(id);
    });
    return { bytes, file: `${lesson}-step-${step}.safetensors` };
  }

  async #saveFile() {
    try {
      const { bytes, file } = await this.#export();
      download(new Blob([bytes]), file);
    } catch (error) {
      this.#showError(error);
    }
  }

  async #openPlayground() {
    // Within the click, or the browser would take it for a pop-up.
    const tab = open('', '_blank');
    try {
      const { bytes, file } = await this.#export();
      if (!tab)
        throw new Error('the browser did not open another tab. Save the block, and open the file in the playground');
      leaveState(bytes, file);
      tab.location.replace(new URL('./#state', location.href).href);
    } catch (error) {
      tab?.close();
      this.#showError(error);
    }
  }

  /** @param {unknown} error */
  #showError(error) {
    showError(this.#error, sentence(error));
  }
}
