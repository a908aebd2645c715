import { byId, element, setText } from '../shared/dom.js';
import { weight } from '../shared/format.js';
import { DYNAMIC } from './example.js';

/** @typedef {{ values: HTMLElement[], bars: HTMLElement[] }} Row */

/** Stage 2: the weights of the kernels of each dynamic layer, as bars. */
export class AttentionPanel {
  #list = byId('attention', HTMLOListElement);
  #count = byId('attention-count', HTMLElement);
  #hint = byId('attention-hint', HTMLElement);
  #scroll = byId('attention-scroll', HTMLElement);
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #isBuilt = false;

  /** Forgets the rows of another network. */
  clear() {
    this.#isBuilt = false;
    this.#rows.clear();
    this.#list.replaceChildren();
  }

  /**
   * Shows the weights of a run.
   *
   * @param {{ [layer: string]: Float32Array }} attention [N · K] of each dynamic layer
   * @param {number} N images of the batch; the first one is shown
   * @param {boolean} isExample
   */
  show(attention, N, isExample) {
    const layers = Object.entries(attention);
    if (!this.#isBuilt || layers.length !== this.#rows.size || layers.some(([name]) => !this.#rows.has(name))) {
      this.#build(layers, N, isExample);
    }
    for (const [name, weights] of layers) {
      const { values, bars } = /** @type {Row} */ (this.#rows.get(name));
      values.forEach((value, k) => {
        const text = weight(weights[k]);
        if (value.textContent === text) return;
        setText(value, text);
        bars[k].style.setProperty('--weight', String(Math.min(1, Math.max(0, weights[k]))));
      });
    }
  }

  /**
   * @param {[name: string, weights: Float32Array][]} layers
   * @param {number} N
   * @param {boolean} isExample
   */
  #build(layers, N, isExample) {
    this.clear();
    this.#isBuilt = true;
    const hasLayers = layers.length > 0;
    setText(this.#count, hasLayers ? `${layers.length} dynamic ${layers.length === 1 ? 'layer' : 'layers'}` : '');
    this.#scroll.hidden = !hasLayers;
    byId('pipeline', HTMLElement).classList.toggle('static-network', !hasLayers);
    setText(this.#hint, hasLayers
      ? 'How each dynamic layer weighs its kernels for this picture.'
      : 'This network has no dynamic layers: it applies the same kernels to every picture.');
    for (const [name, weights] of layers) {
      const names = isExample ? DYNAMIC.find((layer) => layer.name === name)?.kernels : undefined;
      this.#list.append(this.#row(name, weights.length / N, names));
    }
  }

  /**
   * @param {string} name
   * @param {number} K
   * @param {string[] | undefined} kernels the kernels' names, if they have any
   */
  #row(name, K, kernels) {
    /** @type {Row} */
    const row = { values: [], bars: [] };
    const cells = Array.from({ length: K }, (_, k) => {
      const bar = element('i', { 'aria-hidden': 'true' });
      const value = element('b', {}, '–');
      row.bars.push(bar);
      row.values.push(value);
      return element('li', {}, bar, value, element('span', {}, kernels?.[k] ?? `kernel ${k}`));
    });
    this.#rows.set(name, row);
    return element('li', {}, element('h3', {}, name), element('ol', { class: 'weights' }, ...cells));
  }
}
