/** @import { Classroom, Pixels, Progress, PupilId, Sample, Snapshot } from './types.js' */
/** @import { Pupil } from './pupils.js' */
import { byId, element, setText } from '../shared/dom.js';
import { number } from '../shared/format.js';
import { drawHeat } from './heat.js';
import { pupil } from './pupils.js';

/** With more pupils than this, only the one in focus has its difference shown. */
const MOST_DIFFERENCES = 2;

/**
 * A picture with its caption.
 *
 * @typedef {{ figure: HTMLElement, canvas: HTMLCanvasElement, caption: HTMLElement, label: string }} Frame
 */

/** @typedef {{ picture: Frame, difference: Frame | null }} Attempt  the prediction of one pupil */

/**
 * The elements of a sample.
 *
 * @typedef {object} Row
 * @property {Attempt[]} attempts  one for each pupil
 * @property {{ item: HTMLElement, value: HTMLElement }[]} bars  K
 * @property {HTMLElement} mixed
 */

/** The samples: picture, target, each pupil's prediction, and the attention and mixed kernel of the one in focus. */
export class ResultsPanel {
  #list = byId('samples', HTMLElement);
  #channelGroup = byId('channel-group', HTMLElement);
  #channel = byId('channel', HTMLSelectElement);
  /** @type {Row[]} */
  #rows = [];
  /** @type {string[]} */
  #names = [];
  #focus = byId('focus', HTMLSelectElement);

  /**
   * @param {(channel: number) => void} onChannel
   * @param {(focus: PupilId) => void} onFocus
   */
  constructor(onChannel, onFocus) {
    this.#focus.addEventListener('change', () => onFocus(/** @type {PupilId} */ (this.#focus.value)));
    this.#channel.addEventListener('change', () => onChannel(this.#channel.selectedIndex));
  }

  /** Makes the rows of a lesson. @param {Classroom} classroom */
  build(classroom) {
    const { samples, outChannels, channel, pupils, focus } = classroom;
    this.#names = samples.map(({ name }) => name);
    this.#rows = [];
    this.#list.replaceChildren(...samples.map((sample) => this.#row(sample, classroom)));
    const figures = this.#list.querySelectorAll('.sample:first-child > figure').length;
    this.#list.style.setProperty('--figures', String(figures));
    this.#list.classList.toggle('many', pupils.length > MOST_DIFFERENCES);
    this.#channelGroup.hidden = outChannels === 3;
    this.#channel.replaceChildren(...Array.from({ length: outChannels }, (_, o) => element('option', {}, String(o))));
    this.#channel.selectedIndex = channel;
    this.#focus.replaceChildren(...pupils.map((id) => element('option', { value: id }, pupil(id).title)));
    this.#focus.value = focus;
  }

  /**
   * Returns the row of a sample.
   *
   * @param {Sample} sample
   * @param {Classroom} classroom
   */
  #row({ name, effect, input, target }, { pupils, focus, config: { numKernels } }) {
    const original = frame(name, name);
    const wanted = frame(`${name}, target`, effect ? `Target: ${effect}` : 'Target');
    paint(original.canvas, input);
    paint(wanted.canvas, target);
    const attempts = pupils.map((id) =>
      attempt(name, pupil(id), pupils.length <= MOST_DIFFERENCES || id === focus));
    const bars = Array.from({ length: numKernels }, (_, k) => {
      const value = element('span', { class: 'value' });
      const word = element('span', { class: 'visually-hidden' }, 'Kernel ');
      const item = element('li', {}, word, `${k}`, element('i'), value);
      return { item, value };
    });
    const mixed = element('div', { class: 'thumbs' });
    this.#rows.push({ attempts, bars, mixed });
    return element(
      'li',
      { class: 'sample' },
      original.figure,
      wanted.figure,
      ...attempts.flatMap(({ picture, difference }) => [picture.figure, ...(difference ? [difference.figure] : [])]),
      element(
        'div',
        { class: 'mixture' },
        element('p', { class: 'caption' }, 'Attention'),
        element('ol', { class: 'bars', 'aria-label': `Attention of ${pupil(focus).phrase} to ${name}` }, ...bars.map(({ item }) => item)),
        element('p', { class: 'caption' }, 'Mixed kernel'),
        mixed,
      ),
    );
  }

  /** Shows the pupils' progress. @param {Snapshot} snapshot */
  show({ pupils }) {
    const inFocus = pupils.find(({ id }) => id === this.#focus.value);
    this.#rows.forEach((row, n) => {
      row.attempts.forEach((one, i) => showAttempt(one, pupils[i], n));
      if (!inFocus) return;
      const K = row.bars.length;
      row.bars.forEach(({ item, value }, k) => {
        const weight = inFocus.attention[n * K + k];
        item.style.setProperty('--weight', String(weight));
        setText(value, weight.toFixed(2));
      });
      drawHeat(row.mixed, inFocus.mixed, n, `Mixed kernel of ${this.#names[n]}`);
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
 * Returns the empty pictures of a pupil's prediction.
 *
 * @param {string} name
 * @param {Pupil} pupil
 * @param {boolean} withDifference
 * @returns {Attempt}
 */
function attempt(name, { id, title, phrase }, withDifference) {
  const picture = frame(`${name}, by ${phrase}`, title);
  picture.figure.classList.add(id);
  picture.caption.append(' ', element('data', { class: 'error-figure' }));
  if (!withDifference) return { picture, difference: null };
  const difference = frame(`${picture.label}, difference from the target`, 'Difference ×2');
  difference.figure.classList.add('difference');
  return { picture, difference };
}

/**
 * Shows a pupil's prediction for sample n, its error and its difference from the target.
 *
 * @param {Attempt} attempt
 * @param {Progress} progress
 * @param {number} n
 */
function showAttempt({ picture, difference }, { predictions, differences, errors }, n) {
  paint(picture.canvas, predictions[n]);
  if (difference) paint(difference.canvas, differences[n]);
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
