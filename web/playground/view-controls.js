/** @import { Colormap } from '../dynakernel/index.js' */
/** @import { Model } from './model.js' */
/** @import { KernelView, MapRange, View } from './types.js' */
import { byId, element, showError } from '../shared/dom.js';

/** The choices of the view: channel, view of the kernels, colour map and range. */
export class ViewControls {
  /** @type {View} */
  view = { channel: 0, kernels: 'colour', colormap: 'viridis', range: 'robust' };
  #channel = byId('channel', HTMLSelectElement);
  #kernelView = byId('kernel-view', HTMLFieldSetElement);
  #colormap = byId('colormap', HTMLSelectElement);
  #range = byId('range', HTMLSelectElement);
  #fixed = byId('fixed-range', HTMLElement);
  #low = byId('range-low', HTMLInputElement);
  #high = byId('range-high', HTMLInputElement);
  #error = byId('maps-error', HTMLElement);

  /** @param {() => void} onChange  is called after each change of `view` */
  constructor(onChange) {
    this.onChange = onChange;
    this.#channel.addEventListener('change', () => this.select(Number(this.#channel.value)));
    this.#kernelView.addEventListener('change', (event) => {
      const { value } = /** @type {HTMLInputElement} */ (event.target);
      this.#change({ kernels: /** @type {KernelView} */ (value) });
    });
    this.#colormap.addEventListener('change', () =>
      this.#change({ colormap: /** @type {Colormap} */ (this.#colormap.value) }),
    );
    this.#range.addEventListener('change', () => this.#readRange());
    this.#low.addEventListener('input', () => this.#readRange());
    this.#high.addEventListener('input', () => this.#readRange());
  }

  /**
   * Offers the channels of another block.
   *
   * @param {Model} model
   * @param {boolean} fromStart  true to choose the first channel; else the old choice stays if the block has it
   */
  setModel(model, fromStart) {
    if (fromStart || this.view.channel >= model.outChannels) this.view.channel = 0;
    this.#channel.replaceChildren(
      ...Array.from({ length: model.outChannels }, (_, o) =>
        element('option', { value: o }, `${o} ${model.channelName(o)}`.trim()),
      ),
    );
    this.#channel.value = String(this.view.channel);
    this.#kernelView.disabled = model.perGroup !== 3;
  }

  /** Shows another view, if the block has its channel. @param {View} view */
  set(view) {
    const channel = view.channel < this.#channel.length ? view.channel : 0;
    this.view = { ...view, channel };
    this.#channel.value = String(channel);
    for (const input of this.#kernelView.querySelectorAll('input')) input.checked = input.value === view.kernels;
    this.#colormap.value = view.colormap;
    const isFixed = Array.isArray(view.range);
    this.#range.value = isFixed ? 'fixed' : String(view.range);
    this.#fixed.hidden = !isFixed;
    if (isFixed) [this.#low.value, this.#high.value] = [...view.range].map(String);
    this.onChange();
  }

  /** @param {number} channel */
  select(channel) {
    this.#channel.value = String(channel);
    this.#change({ channel });
  }

  #readRange() {
    const mode = this.#range.value;
    this.#fixed.hidden = mode !== 'fixed';
    showError(this.#error, '');
    if (mode !== 'fixed') return this.#change({ range: /** @type {MapRange} */ (mode) });
    const low = this.#low.valueAsNumber;
    const high = this.#high.valueAsNumber;
    if (low < high) return this.#change({ range: [low, high] });
    showError(
      this.#error,
      'A fixed range needs two numbers, the first below the second. The last valid range is still drawn.',
    );
  }

  /** @param {Partial<View>} change */
  #change(change) {
    Object.assign(this.view, change);
    this.onChange();
  }
}
