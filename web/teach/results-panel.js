/** @import { Classroom, Pixels, Progress, Sample, Snapshot } from './types.js' */
import { byId, element, setText } from '../shared/dom.js';
import { number } from '../shared/format.js';
import { drawHeat } from './heat.js';

/**
 * A picture with its caption.
 *
 * @typedef {{ figure: HTMLElement, canvas: HTMLCanvasElement, caption: HTMLElement, label: string }} Frame
 */

/** @typedef {{ picture: Frame, difference: Frame }} Attempt  the prediction of one block */

/**
 * The elements of a sample.
 *
 * @typedef {object} Row
 * @property {Attempt} dynamic
 * @property {Attempt} single
 * @property {{ item: HTMLElement, value: HTMLElement }[]} bars  K
 * @property {HTMLElement} mixed
 */

/** The samples: picture, target, the prediction of each block, and the dynamic block's attention and mixed kernel. */
export class ResultsPanel {
  #list = byId('samples', HTMLElement);
  #channelGroup = byId('channel-group', HTMLElement);
  #channel = byId('channel', HTMLSelectElement);
  /** @type {Row[]} */
  #rows = [];
  /** @type {string[]} */
  #names = [];

  /** @param {(channel: number) => void} onChannel */
  constructor(onChannel) {
    this.#channel.addEventListener('change', () => onChannel(this.#channel.selectedIndex));
  }

  /**
   * Makes the rows of a lesson.
   *
   * @param {Classroom} classroom
   * @param {number} numKernels
   */
  build({ samples, outChannels, channel }, numKernels) {
    this.#names = samples.map(({ name }) => name);
    this.#rows = [];
    this.#list.replaceChildren(...samples.map((sample) => this.#row(sample, numKernels)));
    this.#channelGroup.hidden = outChannels === 3;
    this.#channel.replaceChildren(...Array.from({ length: outChannels }, (_, o) => element('option', {}, String(o))));
    this.#channel.selectedIndex = channel;
  }

  /**
   * Returns the row of a sample.
   *
   * @param {Sample} sample
   * @param {number} numKernels
   */
  #row({ name, effect, input, target }, numKernels) {
    const original = frame(name, name);
    const wanted = frame(`${name}, target`, effect ? `Target: ${effect}` : 'Target');
    paint(original.canvas, input);
    paint(wanted.canvas, target);
    const dynamic = attempt(name, 'dynamic', 'Dynamic');
    const single = attempt(name, 'single', 'One kernel');
    const bars = Array.from({ length: numKernels }, (_, k) => {
      const value = element('span', { class: 'value' });
      const word = element('span', { class: 'visually-hidden' }, 'Kernel ');
      const item = element('li', {}, word, `${k}`, element('i'), value);
      return { item, value };
    });
    const mixed = element('div', { class: 'thumbs' });
    this.#rows.push({ dynamic, single, bars, mixed });
    return element(
      'li',
      { class: 'sample' },
      original.figure,
      wanted.figure,
      dynamic.picture.figure,
      dynamic.difference.figure,
      single.picture.figure,
      single.difference.figure,
      element(
        'div',
        { class: 'mixture' },
        element('p', { class: 'caption' }, 'Attention'),
        element('ol', { class: 'bars', 'aria-label': `Attention to ${name}` }, ...bars.map(({ item }) => item)),
        element('p', { class: 'caption' }, 'Mixed kernel'),
        mixed,
      ),
    );
  }

  /** Shows both blocks' progress. @param {Snapshot} snapshot */
  show({ dynamic, single }) {
    this.#rows.forEach((row, n) => {
      showAttempt(row.dynamic, dynamic, n);
      showAttempt(row.single, single, n);
      const K = row.bars.length;
      row.bars.forEach(({ item, value }, k) => {
        const weight = dynamic.attention[n * K + k];
        item.style.setProperty('--weight', String(weight));
        setText(value, weight.toFixed(2));
      });
      drawHeat(row.mixed, dynamic.mixed, n, `Mixed kernel of ${this.#names[n]}`);
    });
  }
}

/**
 * Returns an empty picture.
 *
 * @param {string} label  for screen readers
 * @param {string} text  the caption
 * @returns {Frame}
 */
function frame(label, text) {
  const canvas = element('canvas', { role: 'img', 'aria-label': label, width: 128, height: 128 });
  const caption = element('figcaption', {}, text);
  return { figure: element('figure', {}, canvas, caption), canvas, caption, label };
}

/**
 * Returns the empty pictures of one block's prediction.
 *
 * @param {string} name
 * @param {'dynamic' | 'single'} kind
 * @param {string} text
 * @returns {Attempt}
 */
function attempt(name, kind, text) {
  const picture = frame(`${name}, by the ${kind === 'dynamic' ? 'dynamic' : 'one-kernel'} block`, text);
  const difference = frame(`${picture.label}, difference from the target`, 'Difference ×2');
  picture.figure.classList.add(kind);
  difference.figure.classList.add('difference');
  picture.caption.append(' ', element('data', { class: 'error-figure' }));
  return { picture, difference };
}

/**
 * Shows one block's prediction for sample n, its error and its difference from the target.
 *
 * @param {Attempt} attempt
 * @param {Progress} progress
 * @param {number} n
 */
function showAttempt({ picture, difference }, { predictions, differences, errors }, n) {
  paint(picture.canvas, predictions[n]);
  paint(difference.canvas, differences[n]);
  const figure = /** @type {HTMLDataElement} */ (picture.caption.lastElementChild);
  figure.value = String(errors[n]);
  setText(figure, number(errors[n]));
  picture.canvas.setAttribute('aria-label', `${picture.label}, mean squared error ${number(errors[n])}`);
}

/**
 * Puts pixels on a canvas.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Pixels} pixels
 */
function paint(canvas, { width, height, data }) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.getContext('2d')?.putImageData(new ImageData(data, width, height), 0, 0);
}
