/** @import { Model } from './model.js' */
/** @import { View } from './types.js' */
import { byId, element, setEnabled, setText } from '../shared/dom.js';
import { weight } from '../shared/format.js';
import { drawKernel, hasColour } from './kernel-art.js';
import { shareOut } from './shares.js';

/** @typedef {{ slider: HTMLInputElement, value: HTMLDataElement, thumbs: HTMLElement }} Row */

/** What decides the weights, by the kind of the attention. */
const HINTS = {
  sigmoid: 'The picture’s mean colour decides each kernel’s weight. Drag a bar to decide yourself.',
  softmax: 'The picture’s mean colour shares out one whole: the weights add up to 1. Drag a bar to decide yourself.',
};

/** Stage 2: the K kernels, each with its weight as a bar that a person can drag. */
export class AttentionPanel {
  #hint = byId('attention-hint', HTMLElement);
  #time = byId('ms-attention', HTMLElement);
  #whole = byId('whole', HTMLElement);
  #parts = byId('whole-parts', HTMLElement);
  #sum = byId('whole-sum', HTMLElement);
  #list = byId('kernels', HTMLOListElement);
  #mode = byId('mode', HTMLElement);
  #automatic = byId('automatic', HTMLButtonElement);
  #legend = byId('kernel-legend', HTMLElement);
  /** @type {Row[]} */
  #rows = [];
  /** @type {Float32Array} */
  #shown = new Float32Array(0);

  /**
   * @param {(weights: Float32Array) => void} onManual  receives all K weights after a person moved one
   * @param {() => void} onAutomatic  is called when the attention is to decide again
   */
  constructor(onManual, onAutomatic) {
    this.onManual = onManual;
    this.#automatic.addEventListener('click', onAutomatic);
  }

  /** Makes the rows of a model. @param {Model} model */
  build(model) {
    this.#rows = [];
    this.#shown = new Float32Array(0);
    this.#list.replaceChildren(...Array.from({ length: model.numKernels }, (_, k) => this.#row(model, k)));
    this.#list.dataset.kernels = String(model.numKernels);
    const { softmax } = model.kind;
    setText(this.#hint, softmax ? HINTS.softmax : HINTS.sigmoid);
    setText(this.#time, model.block.separate ? '–' : 'in step 3');
    this.#whole.hidden = !softmax;
    this.#parts.replaceChildren(...Array.from({ length: softmax ? model.numKernels : 0 }, () => element('i')));
  }

  /**
   * Returns the row of kernel k.
   *
   * @param {Model} model
   * @param {number} k
   */
  #row(model, k) {
    const hint = model.definition.kernelHints?.[k];
    const thumbs = element('div', { class: 'thumbs' });
    const slider = element('input', { type: 'range', id: `weight-${k}`, min: 0, max: 1, step: 0.001, value: 0 });
    const value = element('data', { class: 'weight', value: '0' }, '–');
    const label = element('label', { for: slider.id }, model.kernelName(k));
    if (hint) label.append(' ', element('small', {}, hint));
    slider.addEventListener('input', () => {
      if (this.#shown.length !== model.numKernels) return; // no frame has shown the other weights yet
      this.onManual(model.kind.softmax
        ? shareOut(this.#shown, k, slider.valueAsNumber)
        : this.#shown.map((shown, other) => (other === k ? slider.valueAsNumber : shown)));
    });
    this.#rows.push({ slider, value, thumbs });
    return element(
      'li',
      {},
      thumbs,
      element(
        'div',
        { class: 'weigh' },
        label,
        value,
        element('div', { class: 'bar' }, slider, element('i', { class: 'automatic' })),
      ),
    );
  }

  /**
   * Shows the weights of a frame.
   *
   * @param {Float32Array} weights  [K], the weights that were applied
   * @param {Float32Array} automatic  [K], the weights of the attention
   * @param {boolean} manual  true if the applied weights were set by hand
   */
  show(weights, automatic, manual) {
    this.#shown = weights;
    this.#rows.forEach(({ slider, value }, k) => {
      const text = weight(weights[k]);
      if (value.value !== String(weights[k])) {
        value.value = String(weights[k]);
        setText(value, text);
        const bar = /** @type {HTMLElement} */ (slider.parentElement);
        bar.style.setProperty('--weight', text);
        if (slider.valueAsNumber !== Number(text)) slider.value = text;
      }
      /** @type {HTMLElement} */ (slider.parentElement).style.setProperty('--automatic', weight(automatic[k]));
    });
    [...this.#parts.children].forEach((part, k) => {
      /** @type {HTMLElement} */ (part).style.flexGrow = weight(weights[k]);
    });
    if (!this.#whole.hidden) setText(this.#sum, weight(weights.reduce((sum, value) => sum + value, 0)));
    // The rest changes with the mode only.
    if (this.#automatic.disabled !== manual) return;
    setEnabled([[this.#automatic, manual]], this.#rows[0]?.slider);
    this.#list.dataset.mode = manual ? 'manual' : 'automatic';
    setText(this.#mode, manual ? 'Set by hand' : 'The attention decides');
  }

  /**
   * Draws the K kernels of the output channel in view.
   *
   * @param {Model} model
   * @param {View} view
   */
  drawKernels(model, view) {
    this.#rows.forEach(({ thumbs }, k) =>
      drawKernel(thumbs, model, {
        tensor: model.kernels,
        n: k * model.outChannels + view.channel,
        view: view.kernels,
        channel: view.channel,
        title: model.kernelName(k),
      }),
    );
    const single = view.kernels === 'colour' && hasColour(model);
    this.#list.dataset.view = single ? 'colour' : 'channels';
    setText(
      this.#legend,
      single
        ? 'Grey is 0; brighter colours add that colour, darker ones take it away. Each kernel has its own scale.'
        : `Blue is negative, red positive. ${this.#planes(model, view.channel)} Each kernel has its own scale.`,
    );
  }

  /**
   * Says which input channels the output channel reads.
   *
   * @param {Model} model
   * @param {number} channel
   */
  #planes(model, channel) {
    const names = model.inputNames(channel);
    return names.length > 1 ? `Side by side: ${names.join(', ')}.` : `This map reads ${names[0]} only.`;
  }
}
