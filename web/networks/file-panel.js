/** @import { Shapes } from '../dynakernel/index.js' */
/** @import { OpenInput, Refusal } from './types.js' */
import { byId, element, numberProblem, setText, showError } from '../shared/dom.js';
import { listenForChoice } from '../shared/files.js';

/**
 * @typedef {object} FileEvents
 * @property {(files: File[]) => void} onFiles
 * @property {() => void} onExample
 * @property {() => void} onCancel
 * @property {(shapes: Shapes) => void} onSizes
 */

/** Likely lengths, by the names that exporters give to dimensions. @type {[pattern: RegExp, length: number][]} */
const LIKELY = [[/batch|^n$|^b$|^bs$/i, 1], [/chan|^c$/i, 3], [/height|width|^h$|^w$|size/i, 224]];

/** Lengths by the place of a dimension without a telling name: batch, channels, height, width. */
const BY_PLACE = [1, 3, 224, 224];

/**
 * A likely length of an open dimension.
 *
 * @param {string} name '' if it has none
 * @param {number} place
 */
export function likelyLength(name, place) {
  return LIKELY.find(([pattern]) => pattern.test(name))?.[1] ?? BY_PLACE[place] ?? 16;
}

/** What a person opens: files, sizes that a file leaves open, progress, refusals. */
export class FilePanel {
  #form = byId('sizes', HTMLFormElement);
  #fields = byId('size-fields', HTMLElement);
  #sizesHint = byId('sizes-hint', HTMLElement);
  #use = byId('use-sizes', HTMLButtonElement);
  #leave = byId('leave-sizes', HTMLButtonElement);
  #sizesError = byId('sizes-error', HTMLElement);
  #opening = byId('opening', HTMLElement);
  #progress = byId('progress', HTMLProgressElement);
  #step = byId('step', HTMLElement);
  #refusal = byId('refusal', HTMLElement);
  #example = byId('example', HTMLButtonElement);
  /** @type {OpenInput[]} */
  #open = [];
  /** The field of each open dimension, by its name, or by input and place. @type {Map<string, HTMLInputElement>} */
  #inputs = new Map();

  /** @param {FileEvents} events */
  constructor(events) {
    listenForChoice('network-file', events.onFiles);
    listenForChoice('labels-file', events.onFiles);
    this.#example.addEventListener('click', events.onExample);
    byId('cancel', HTMLButtonElement).addEventListener('click', events.onCancel);
    this.#leave.addEventListener('click', events.onCancel);
    byId('dismiss', HTMLButtonElement).addEventListener('click', () => {
      this.showRefusal(null, true);
      byId('network-file', HTMLInputElement).focus();
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      const problem = [...this.#inputs.values()].map(numberProblem).find(Boolean) ?? '';
      showError(this.#sizesError, problem);
      if (!problem) events.onSizes(this.#shapes());
    });
    // The field's own message would hide what the page says.
    this.#form.noValidate = true;
  }

  /**
   * Shows how far the opening is.
   *
   * @param {string} text
   * @param {number | null} share null if nobody knows
   */
  showProgress(text, share) {
    this.#opening.hidden = false;
    if (share === null) this.#progress.removeAttribute('value');
    else this.#progress.value = share;
    setText(this.#step, text);
  }

  hideProgress() {
    this.#opening.hidden = true;
  }

  /**
   * Offers the sizes that a file leaves open; no form if there are none.
   *
   * @param {OpenInput[]} open
   * @param {Shapes | null} shapes those in use; null to propose likely ones
   * @param {string} problem why the sizes before did not do
   * @param {string} [file] the file's name, if it waits for the sizes
   */
  offerSizes(open, shapes, problem, file) {
    const isSame = JSON.stringify(open) === JSON.stringify(this.#open) && this.#inputs.size > 0;
    if (!isSame) this.#buildFields(open);
    if (shapes) {
      for (const { name, dims } of open) {
        dims.forEach((length, place) => {
          const field = this.#inputs.get(keyOf(name, length, place));
          if (field) field.value = String(shapes[name][place]);
        });
      }
    }
    const isAsking = shapes === null;
    this.#form.hidden = open.length === 0;
    setText(this.#sizesHint, isAsking
      ? `“${file}” leaves sizes of its input open. Choose them to run it; pictures are resized to them.`
      : 'Input size:');
    setText(this.#use, isAsking ? 'Run with these sizes' : 'Use these sizes');
    this.#leave.hidden = !isAsking;
    showError(this.#sizesError, problem);
    if (open.length > 0 && isAsking) this.#form.querySelector('input')?.focus();
  }

  /** Says why the sizes did not do. @param {string} problem */
  showSizesProblem(problem) {
    showError(this.#sizesError, problem);
  }

  /** @param {OpenInput[]} open */
  #buildFields(open) {
    this.#open = open;
    this.#inputs.clear();
    const several = open.length > 1;
    this.#fields.replaceChildren();
    for (const { name, dims } of open) {
      dims.forEach((length, place) => {
        const key = keyOf(name, length, place);
        if (typeof length === 'number' || this.#inputs.has(key)) return; // a name is the same length everywhere
        const value = likelyLength(length, place);
        const input = element('input', {
          type: 'number', min: 1, max: 8192, step: 1, inputmode: 'numeric', value, autocomplete: 'off',
        });
        this.#inputs.set(key, input);
        const ordinary = ['batch', 'channels', 'height', 'width'][place] ?? `dimension ${place}`;
        const label = length || (several ? `${name}, ${ordinary}` : ordinary);
        this.#fields.append(element('label', { class: 'field' }, `${label} `, input));
      });
    }
  }

  /** @returns {Shapes} */
  #shapes() {
    return Object.fromEntries(this.#open.map(({ name, dims }) => [name, dims.map((length, place) =>
      (typeof length === 'number' ? length : this.#inputs.get(keyOf(name, length, place))?.valueAsNumber ?? 1))]));
  }

  /**
   * Shows why a file was refused; null hides that.
   *
   * @param {Refusal | null} refusal
   * @param {boolean} hasOther whether another network is open
   */
  showRefusal(refusal, hasOther) {
    this.#refusal.hidden = refusal === null;
    if (!refusal) return;
    const { title, message, operators, code } = refusal;
    setText(byId('refusal-title', HTMLElement), title);
    setText(byId('refusal-message', HTMLElement), message);
    byId('refusal-operators', HTMLUListElement).replaceChildren(...operators.map(({ operator, why, nodes, advice }) =>
      element('li', {},
        element('p', {},
          element('b', {}, operator), why ? ` ${why}` : '', element('span', { class: 'nodes' }, ` in ${nodes}`)),
        element('p', {}, advice))));
    const line = byId('refusal-code', HTMLPreElement);
    line.hidden = code === '';
    setText(line, code);
    byId('refusal-rest', HTMLElement).hidden = !hasOther;
  }

  /** @param {boolean} isExample whether the example is open */
  showOpened(isExample) {
    this.#example.hidden = isExample;
  }
}

/**
 * @param {string} input
 * @param {number | string} length
 * @param {number} place
 */
const keyOf = (input, length, place) => (length === '' ? `${input} ${place}` : `${length}`);
