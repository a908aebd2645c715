/** @import { Model } from './model.js' */
/** @import { View } from './types.js' */
import { byId, element, setText } from '../shared/dom.js';

/** Taps of kernels up to this size hold their number. */
const LARGEST_WRITTEN = 5;

/** Stage 2: ODConv's attentions to input channels, output channels and taps. Each number scales what it belongs to. */
export class ScalesPanel {
  #panel = byId('scales', HTMLElement);
  #groups = /** @type {const} */ ({
    channel: byId('scale-channel', HTMLElement),
    filter: byId('scale-filter', HTMLElement),
    spatial: byId('scale-spatial', HTMLElement),
  });
  /** The elements of each attention's numbers. @type {Record<'channel' | 'filter' | 'spatial', HTMLElement[]>} */
  #parts = { channel: [], filter: [], spatial: [] };

  /** Makes the elements of a model. @param {Model} model */
  build(model) {
    const { inChannels, groups, outChannels, kernelSize: R } = model.block.config;
    const has = {
      channel: true,
      filter: !(inChannels === groups && inChannels === outChannels),
      spatial: R > 1,
    };
    this.#panel.hidden = model.kind.id !== 'odconv';
    if (this.#panel.hidden) return;
    const inputs = inChannels === 1 ? ['luma'] : ['red', 'green', 'blue'];
    this.#parts.channel = this.#bars('channel', inputs);
    this.#parts.filter = this.#bars('filter', Array.from({ length: has.filter ? outChannels : 0 }, (_, o) =>
      `${o} ${model.channelName(o)}`.trim()));
    this.#parts.spatial = this.#taps(has.spatial ? R : 0);
    for (const [name, group] of Object.entries(this.#groups))
      /** @type {HTMLElement} */ (group.parentElement).hidden = !has[/** @type {keyof typeof has} */ (name)];
  }

  /**
   * Makes a bar for each name.
   *
   * @param {'channel' | 'filter'} name
   * @param {string[]} labels
   */
  #bars(name, labels) {
    const bars = labels.map((label) =>
      element('li', {}, element('span', {}, label), element('i'), element('span', { class: 'value' })));
    this.#groups[name].replaceChildren(...bars);
    return bars;
  }

  /** Makes a cell for each tap. @param {number} R */
  #taps(R) {
    const cells = Array.from({ length: R * R }, () => element('i'));
    this.#groups.spatial.replaceChildren(...cells);
    this.#groups.spatial.style.setProperty('--side', String(R));
    this.#groups.spatial.classList.toggle('small', R > LARGEST_WRITTEN);
    return cells;
  }

  /**
   * Shows the attentions of a frame.
   *
   * @param {Model} model
   * @param {View} view
   */
  show(model, view) {
    if (this.#panel.hidden) return;
    const { channel, filter, spatial } = model.block.attentions;
    for (const [name, scale] of /** @type {const} */ ([['channel', channel], ['filter', filter], ['spatial', spatial]])) {
      this.#parts[name].forEach((part, i) => {
        const text = (scale?.[i] ?? 1).toFixed(2);
        const number = name === 'spatial' ? part : /** @type {HTMLElement} */ (part.lastElementChild);
        if (number.textContent === text) return;
        setText(number, text);
        part.style.setProperty('--weight', text);
      });
    }
    this.#parts.filter.forEach((part, o) => part.classList.toggle('chosen', o === view.channel));
    const rows = this.#rows(spatial);
    if (rows) this.#groups.spatial.setAttribute('aria-label', `Weight of each tap, row by row: ${rows}`);
  }

  /** Writes the taps as text. @param {Float32Array | null} spatial */
  #rows(spatial) {
    if (!spatial) return '';
    const R = Math.sqrt(spatial.length);
    return Array.from({ length: R }, (_, row) =>
      Array.from(spatial.subarray(row * R, (row + 1) * R), (value) => value.toFixed(2)).join(' ')).join('; ');
  }
}
