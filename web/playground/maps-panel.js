/** @import { Tensor } from '../dynakernel/index.js' */
/** @import { Model } from './model.js' */
/** @import { View } from './types.js' */
import { byId, element, setEnabled, setText } from '../shared/dom.js';
import { brief } from '../shared/format.js';
import { mapOptions } from './ranges.js';

/** The number of maps on a page of the grid. */
const PAGE = 24;

/** @typedef {{ low: number, high: number, mean: number }} Figures */
/** @typedef {{ radio: HTMLInputElement, canvas: HTMLCanvasElement, range: HTMLElement }} Cell */

/** Stage 4, upper part: the output maps as a grid of native radio buttons, so that arrow keys move among them. */
export class MapsPanel {
  #grid = byId('maps', HTMLElement);
  #pager = byId('pager', HTMLElement);
  #pageText = byId('page', HTMLElement);
  #previous = byId('previous', HTMLButtonElement);
  #next = byId('next', HTMLButtonElement);
  /** @type {Cell[]} */
  #cells = [];
  #first = 0;
  /** @type {Model | null} */
  #model = null;

  /** @param {(channel: number) => void} onSelect */
  constructor(onSelect) {
    this.onSelect = onSelect;
    this.#grid.addEventListener('change', (event) => {
      if (event.target instanceof HTMLInputElement) onSelect(Number(event.target.value));
    });
    this.#previous.addEventListener('click', () => onSelect(this.#first - PAGE));
    this.#next.addEventListener('click', () => onSelect(this.#first + PAGE));
  }

  /**
   * Shows the page of the grid that holds this channel.
   *
   * @param {Model} model
   * @param {number} channel
   */
  #turnTo(model, channel) {
    const first = Math.floor(channel / PAGE) * PAGE;
    if (model === this.#model && first === this.#first) return;
    this.#model = model;
    this.#first = first;
    const O = model.outChannels;
    const last = Math.min(first + PAGE, O);
    this.#cells = Array.from({ length: last - first }, (_, i) => cell(model, first + i));
    this.#grid.replaceChildren(
      ...this.#cells.map(({ radio, canvas, range }, i) =>
        element(
          'label',
          {},
          radio,
          canvas,
          element(
            'span',
            { class: 'map-name' },
            element('b', {}, String(first + i)),
            ` ${model.channelName(first + i)}`,
          ),
          range,
        ),
      ),
    );
    this.#grid.style.setProperty('--columns', String(columns(last - first)));
    this.#pager.hidden = O <= PAGE;
    setText(this.#pageText, `Maps ${first} to ${last - 1} of ${O}`);
    setEnabled([[this.#previous, first > 0], [this.#next, last < O]]);
  }

  /**
   * Draws the maps of a page of the grid.
   *
   * @param {Model} model
   * @param {Tensor} y  [1, O, Ho, Wo]
   * @param {View} view
   * @returns {{ canvas: HTMLCanvasElement, range: [number, number] }} the canvas and the range of the channel in view
   */
  draw(model, y, view) {
    this.#turnTo(model, view.channel);
    const ranges = this.#cells.map(({ radio, canvas }, i) => {
      const channel = this.#first + i;
      radio.checked = channel === view.channel;
      return y.drawMap(canvas, mapOptions(y, channel, view));
    });
    const shown = view.channel - this.#first;
    return { canvas: this.#cells[shown].canvas, range: ranges[shown] };
  }

  /**
   * Writes the least and the greatest value under each map.
   *
   * @param {Tensor} y
   */
  showRanges(y) {
    this.#cells.forEach(({ range }, i) => {
      const { low, high } = figures(y, this.#first + i);
      setText(range, `${brief(low)} … ${brief(high)}`);
    });
  }
}

/**
 * Returns the elements of one map.
 *
 * @param {Model} model
 * @param {number} channel
 * @returns {Cell}
 */
function cell(model, channel) {
  const name = model.channelName(channel);
  return {
    radio: element('input', {
      type: 'radio',
      name: 'map',
      value: channel,
      class: 'visually-hidden',
      'aria-label': `Channel ${channel}${name ? `, ${name}` : ''}`,
      'aria-describedby': `range-${channel}`,
    }),
    canvas: element('canvas', { 'data-channel': channel, 'aria-hidden': 'true' }),
    range: element('span', { class: 'map-range', id: `range-${channel}` }),
  };
}

/**
 * Returns the number of columns, three or four, that leaves fewer empty places.
 *
 * @param {number} count
 */
const columns = (count) => (count <= 4 ? Math.max(2, count) : count % 4 === 0 || count % 3 !== 0 ? 4 : 3);

/**
 * Returns the least, the greatest and the mean of a map's finite values.
 *
 * @param {Tensor} y
 * @param {number} channel
 * @returns {Figures}
 */
export function figures(y, channel) {
  const size = y.shape[2] * y.shape[3];
  let low = Infinity;
  let high = -Infinity;
  let sum = 0;
  let count = 0;
  const data = y.data;
  for (let i = channel * size; i < (channel + 1) * size; i++) {
    const value = data[i];
    if (value - value !== 0) continue; // NaN or infinite
    if (value < low) low = value;
    if (value > high) high = value;
    sum += value;
    count++;
  }
  return count ? { low, high, mean: sum / count } : { low: NaN, high: NaN, mean: NaN };
}
