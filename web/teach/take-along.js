/** @import { Classroom, Snapshot } from './types.js' */
import { copyText } from '../shared/clipboard.js';
import { blockLines, forwardLines, object } from '../shared/code.js';
import { byId, download, setText, showError } from '../shared/dom.js';
import { sentence } from '../shared/errors.js';
import { leaveState } from '../shared/handoff.js';
import { imageOptions } from '../shared/normalisation.js';
import { NORMALISATION } from './gallery.js';
import { pupil } from './pupils.js';

/**
 * The block in focus as a .safetensors file, and the step after which it was saved.
 *
 * @typedef {{ bytes: Uint8Array<ArrayBuffer>, step: number }} Taught
 */

/** Saves the trained block as a file, or opens it in the playground. */
export class TakeAlong {
  #save = byId('save', HTMLButtonElement);
  #open = byId('open', HTMLButtonElement);
  #error = byId('save-error', HTMLElement);
  /** The exports that have not arrived yet, by number.
   * @type {Map<number, { resolve: (taught: Taught) => void, reject: (error: Error) => void }>} */
  #awaited = new Map();
  #latest = 0;
  #shape = byId('block-shape', HTMLElement);
  #code = byId('snippet', HTMLElement);
  #copy = byId('copy', HTMLButtonElement);
  /** @type {Classroom | null} */
  #classroom = null;

  /**
   * @param {object} events
   * @param {(id: number) => void} events.onExport  asks for the block; arrive() or refuse() ends the request
   * @param {() => string} events.nameLesson  returns the start of the file name
   */
  constructor({ onExport, nameLesson }) {
    this.onExport = onExport;
    this.nameLesson = nameLesson;
    this.#save.addEventListener('click', () => this.#saveFile());
    this.#open.addEventListener('click', () => this.#openPlayground());
    this.#copy.addEventListener('click', async () =>
      showError(this.#error, await copyText(this.#copy, this.#code.textContent ?? '', this.#code)));
  }

  /** Describes the block in focus. @param {Classroom} classroom */
  describe(classroom) {
    this.#classroom = classroom;
    const { focus, config: { inChannels, outChannels, numKernels, kernelSize } } = classroom;
    setText(this.#shape, `${pupil(focus).title}: ${inChannels} → ${outChannels} channels, ${numKernels} ` +
      `${numKernels === 1 ? 'kernel' : 'kernels'} of ${kernelSize}×${kernelSize}; pixels from −1 to 1.`);
  }

  /** Shows the code that loads the block's file. @param {Snapshot} snapshot */
  show({ step, pupils }) {
    if (!this.#classroom) return;
    const { kind, focus } = this.#classroom;
    const temperature = pupils.find(({ id }) => id === focus)?.temperature ?? undefined;
    const config = { ...this.#classroom.config, temperature };
    setText(this.#code, [
      "import { load } from 'dynakernel';",
      '',
      'const dk = await load();',
      ...blockLines(kind, config, fileName(this.#stem, step), 'Save .safetensors'),
      '',
      `const x = dk.fromImage(image, ${object(imageOptions(NORMALISATION, config.inChannels))});`,
      ...forwardLines(kind),
    ].join('\n'));
  }

  /** The start of the file's name: the lesson, and the block if it is not Dite-HRNet's. */
  get #stem() {
    const { focus = 'dynamic' } = this.#classroom ?? {};
    return `${this.nameLesson()}${focus === 'dynamic' ? '' : `-${focus}`}`;
  }

  /** @param {boolean} enabled */
  enable(enabled) {
    this.#save.disabled = this.#open.disabled = !enabled;
  }

  /**
   * Hands over the block of an export.
   *
   * @param {number} id
   * @param {Taught} taught
   */
  arrive(id, taught) {
    this.#awaited.get(id)?.resolve(taught);
    this.#awaited.delete(id);
  }

  /**
   * Refuses exports.
   *
   * @param {string} reason
   * @param {number[]} [ids]  all that have not arrived, by default
   */
  refuse(reason, ids = [...this.#awaited.keys()]) {
    for (const id of ids) {
      this.#awaited.get(id)?.reject(new Error(reason));
      this.#awaited.delete(id);
    }
  }

  /** Asks for the block. @returns {Promise<{ bytes: Uint8Array<ArrayBuffer>, file: string }>} */
  async #export() {
    showError(this.#error, '');
    const name = this.#stem; // a person may look at another block before this one arrives
    const id = ++this.#latest;
    const { bytes, step } = await new Promise((resolve, reject) => {
      this.#awaited.set(id, { resolve, reject });
      this.onExport(id);
    });
    return { bytes, file: fileName(name, step) };
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
    // The tab must open within the click, or the browser blocks it as a pop-up.
    const tab = open('', '_blank');
    try {
      const { bytes, file } = await this.#export();
      if (!tab)
        throw new Error('the browser did not open another tab. Save the block, and open the file in the playground');
      leaveState(bytes, file);
      tab.location.replace(new URL('./playground.html#state', location.href).href);
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

/**
 * @param {string} name
 * @param {number} step
 */
const fileName = (name, step) => `${name}-step-${step}.safetensors`;
