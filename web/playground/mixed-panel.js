/** @import { Plan } from '../dynakernel/index.js' */
/** @import { Model } from './model.js' */
/** @import { View } from './types.js' */
import { byId, element, setText } from '../shared/dom.js';
import { bytes, entry, number } from '../shared/format.js';
import { drawKernel } from './kernel-art.js';

/** Titles; an algorithm without one is shown by its name.
 * @type {Record<string, string>} */
const ALGORITHMS = {
  reference: 'reference',
  direct: 'direct',
  pointwise: 'pointwise',
  im2col: 'im2col',
  depthwise: 'depthwise',
  winograd: 'Winograd F(4×4)',
  polyphase: 'Winograd F(4×4), stride 2',
  toomcook: 'Toom-Cook',
  toomcook_depthwise: 'Toom-Cook, depthwise',
  karatsuba: 'Karatsuba',
};

/** Algorithms whose tiles are rows high and one column wide. */
const COLUMN_TILES = ['toomcook', 'toomcook_depthwise', 'karatsuba'];

/** How the mixed kernel comes about. */
const HINTS = {
  sum: 'The kernels times their weights, added up: what slides over the picture.',
  scaled: 'The kernels times their weights, added up, then scaled by input channel, output channel and tap: what ' +
    'slides over the picture.',
};

/** Stage 3: the mixed kernel that the frame applied, and the algorithm that computed the convolution. */
export class MixedPanel {
  #hint = byId('mixed-hint', HTMLElement);
  #mixed = byId('mixed', HTMLElement);
  #caption = byId('mixed-caption', HTMLElement);
  #numbers = byId('numbers', HTMLDetailsElement);
  #body = byId('numbers-body', HTMLElement);
  #algorithm = byId('plan-algorithm', HTMLElement);
  #tile = byId('plan-tile', HTMLElement);
  #workspace = byId('plan-workspace', HTMLElement);
  /** @type {HTMLTableCellElement[]} */
  #cells = [];
  #layout = '';
  #kernelSize = 0;
  /** @type {() => void} */
  #redraw = () => {};

  constructor() {
    this.#numbers.addEventListener('toggle', () => this.#redraw());
  }

  /** Prepares for another model. @param {Model} model */
  setModel(model) {
    this.#redraw = () => {}; // the old model's numbers are gone
    // The table of a large kernel is closed at first. A person's choice lasts while kernels keep their size.
    if (this.#kernelSize !== model.kernelSize) this.#numbers.open = model.kernelSize <= 4;
    this.#kernelSize = model.kernelSize;
    setText(this.#hint, model.kind.id === 'odconv' ? HINTS.scaled : HINTS.sum);
  }

  /**
   * Draws the mixed kernel, and fills its table if that is open.
   *
   * @param {Model} model
   * @param {View} view
   */
  draw(model, view) {
    const scale = drawKernel(this.#mixed, model, {
      tensor: model.mixed,
      n: view.channel,
      view: view.kernels,
      channel: view.channel,
      title: 'Mixed kernel',
    });
    const bias = model.mixedBias?.[view.channel];
    setText(this.#caption, `Scale ±${number(scale)}${bias === undefined ? '' : ` · bias ${number(bias)}`}`);
    this.#redraw = () => {
      if (this.#numbers.open) this.#fillTables(model, view.channel);
    };
    this.#redraw();
  }

  /**
   * Writes the kernel's numbers into tables, a table per plane.
   *
   * @param {Model} model
   * @param {number} channel
   */
  #fillTables(model, channel) {
    const R = model.kernelSize;
    const names = model.inputNames(channel);
    const layout = `${names.join()} ${R}`;
    if (layout !== this.#layout) {
      this.#layout = layout;
      this.#cells = [];
      this.#body.replaceChildren(...names.map((name) => this.#table(name, R)));
    }
    const size = names.length * R * R;
    model.mixed.data
      .subarray(channel * size, (channel + 1) * size)
      .forEach((value, i) => setText(this.#cells[i], entry(value)));
  }

  /**
   * Returns an empty table of R × R cells.
   *
   * @param {string} name
   * @param {number} R
   */
  #table(name, R) {
    const rows = Array.from({ length: R }, () => {
      const cells = Array.from({ length: R }, () => element('td'));
      this.#cells.push(...cells);
      return element('tr', {}, ...cells);
    });
    return element(
      'table',
      { class: R > 4 ? 'wide' : null },
      element('caption', {}, name),
      element('tbody', {}, ...rows),
    );
  }

  /** Shows how the convolution was computed. @param {Plan | null} plan */
  showPlan(plan) {
    if (!plan) return;
    setText(this.#algorithm, ALGORITHMS[plan.algorithm] ?? plan.algorithm);
    this.#algorithm.dataset.algorithm = plan.algorithm;
    setText(this.#tile, plan.tile > 1 ? `${plan.tile} × ${COLUMN_TILES.includes(plan.algorithm) ? 1 : plan.tile}` : 'none');
    setText(this.#workspace, bytes(plan.workspaceBytes));
  }
}
