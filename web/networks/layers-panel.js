/** @import { NetworkLayer, ProfiledLayer } from '../dynakernel/index.js' */
import { byId, element, setText } from '../shared/dom.js';
import { time } from '../shared/format.js';

/**
 * What layers do, in the order of the legend. The last kind takes what is left.
 *
 * @type {[name: string, id: string, ops: RegExp][]}
 */
const KINDS = [
  ['dynamic convolutions', 'dynamic', /^dynamicConv2d$/],
  ['convolutions', 'static', /^conv/],
  ['matrix products', 'matrix', /^(linear|gemm|matmul)/i],
  ['copies', 'copy', /^copy$/],
  ['everything else', 'other', /^/],
];

/** With more layers than this, the parts of the bar are too narrow for lines between them. */
const MOST_PARTED = 60;

/** @param {string} op */
const kindOf = (op) => KINDS.findIndex(([, , pattern]) => pattern.test(op));

/**
 * Returns the name under which the network can keep each layer's output: that of the last layer that is computed with it,
 * or an earlier one if several layers have that name. null if the layer has no name of its own.
 *
 * @param {readonly NetworkLayer[]} layers
 * @returns {(string | null)[]}
 */
export function innerNames(layers) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { name, fused } of layers) {
    for (const one of [name, ...fused]) counts.set(one, (counts.get(one) ?? 0) + 1);
  }
  return layers.map(({ name, op, fused }) => {
    if (op === 'copy') return null; // it has the name of the layer that needs it
    return [...fused].reverse().concat(name).find((one) => counts.get(one) === 1) ?? null;
  });
}

/** The list of the layers with their times, and the same as one bar. */
export class LayersPanel {
  #body = byId('layers', HTMLTableSectionElement);
  #strip = byId('strip', HTMLElement);
  #kinds = byId('kinds', HTMLUListElement);
  #hint = byId('layers-hint', HTMLElement);
  /** @type {(NetworkLayer & { ms?: number })[]} */
  #layers = [];
  /** The names of their outputs as inner values. @type {(string | null)[]} */
  #names = [];
  #isByTime = false;
  /** The name that the chosen layer has as an inner value. @type {string | null} */
  chosen = null;

  /**
   * @param {(name: string) => void} onChoose receives the name of an inner value
   * @param {() => void} onMeasure
   */
  constructor(onChoose, onMeasure) {
    byId('order', HTMLFieldSetElement).addEventListener('change', (event) => {
      this.#isByTime = /** @type {HTMLInputElement} */ (event.target).value === 'time';
      this.#draw();
    });
    this.#body.addEventListener('change', (event) => {
      this.chosen = /** @type {HTMLInputElement} */ (event.target).value;
      onChoose(this.chosen);
    });
    byId('measure', HTMLButtonElement).addEventListener('click', onMeasure);
  }

  /**
   * Shows layers; without times, if they are not measured yet.
   *
   * @param {(NetworkLayer | ProfiledLayer)[]} layers
   */
  show(layers) {
    this.#layers = layers;
    this.#names = innerNames(layers);
    this.#draw();
  }

  /** Marks a layer as chosen. @param {string | null} name */
  choose(name) {
    this.chosen = name;
    this.#draw();
  }

  #draw() {
    const layers = this.#layers.map((layer, place) => ({ ...layer, place }));
    const total = layers.reduce((sum, { ms = 0 }) => sum + ms, 0);
    const most = layers.reduce((greatest, { ms = 0 }) => Math.max(greatest, ms), 0);
    if (this.#isByTime) layers.sort((a, b) => (b.ms ?? 0) - (a.ms ?? 0));
    const focused = document.activeElement instanceof HTMLInputElement && this.#body.contains(document.activeElement);
    this.#body.replaceChildren(...layers.map((layer) => this.#row(layer, most)));
    if (focused) /** @type {HTMLInputElement | null} */ (this.#body.querySelector('input:checked'))?.focus();
    this.#drawStrip(total);
    const sum = total > 0 ? `: ${time(total)} in all, if each layer is measured alone` : '';
    setText(this.#hint, `What runs, after folding and fusing${sum}. Choose a layer to see its values.`);
  }

  /**
   * @param {NetworkLayer & { ms?: number, place: number }} layer
   * @param {number} most milliseconds of the slowest layer
   */
  #row(layer, most) {
    const { name, op, output, algorithm, multiplyAdds, fused, ms, place } = layer;
    const value = this.#names[place];
    const radio = element('input', {
      type: 'radio', name: 'layer', value: value ?? '', class: 'visually-hidden', autocomplete: 'off',
      checked: value !== null && value === this.chosen, disabled: value === null,
    });
    const bar = element('i', { class: KINDS[kindOf(op)][1] });
    if (ms !== undefined && most > 0) bar.style.setProperty('--share', String(ms / most));
    return element('tr', { 'data-place': place },
      element('th', { scope: 'row' },
        element('label', {}, radio, element('span', { class: 'layer-name' }, name),
          element('small', {}, op, fused.length > 0 ? ` + ${fused.length} fused` : ''))),
      element('td', {}, output.join(' × ')),
      element('td', {}, algorithm ?? ''),
      element('td', { class: 'number' }, multiplyAdds > 0 ? millions(multiplyAdds) : ''),
      element('td', { class: 'number' }, ms === undefined ? '–' : ms.toFixed(most < 10 ? 3 : 2)),
      element('td', { class: 'share' }, bar));
  }

  /**
   * One bar: a part for each layer, in the order in which they run.
   *
   * @param {number} total milliseconds
   */
  #drawStrip(total) {
    this.#strip.hidden = total === 0;
    this.#kinds.hidden = total === 0;
    if (total === 0) return;
    const sums = KINDS.map(() => 0);
    this.#strip.classList.toggle('parted', this.#layers.length <= MOST_PARTED);
    this.#strip.replaceChildren(...this.#layers.map(({ name, op, ms = 0 }) => {
      const kind = kindOf(op);
      sums[kind] += ms;
      const part = element('i', { class: KINDS[kind][1], title: `${name}: ${time(ms)}` });
      part.style.setProperty('--share', String(ms / total));
      return part;
    }));
    this.#kinds.replaceChildren(...KINDS.flatMap(([title, id], kind) => (sums[kind] === 0 ? [] : [
      element('li', {},
        element('i', { class: id, 'aria-hidden': 'true' }), `${title} ${share(sums[kind] / total)}`),
    ])));
  }
}

/** @param {number} part of 1 */
const share = (part) => (part < 0.01 ? '< 1 %' : `${Math.round(100 * part)} %`);

/** @param {number} count */
export const millions = (count) => (count < 500 ? '< 0.001' : (count / 1e6).toFixed(count < 1e6 ? 3 : count < 1e8 ? 1 : 0));
