/** @import { Tensor } from '../dynakernel/index.js' */
/** @import { Model } from './model.js' */
/** @import { KernelView } from './types.js' */
import { heatCanvases } from '../shared/dom.js';
import { number } from '../shared/format.js';
import { peak } from './model.js';

/** Kernels as heat maps: canvases of R×R pixels that the style sheet enlarges. */

/**
 * True if a kernel can be one picture in signed colour: red, green and blue show the three planes, grey is zero.
 *
 * @param {Model} model
 */
export const hasColour = (model) => model.perGroup === 3;

/**
 * Draws image n of a tensor of kernels into a container. Adds or removes canvases as needed.
 *
 * @param {HTMLElement} container
 * @param {Model} model
 * @param {{ tensor: Tensor, n: number, view: KernelView, channel: number, title: string }} what
 * @returns {number} the scale: the colours range from minus this value to plus this value
 */
export function drawKernel(container, model, { tensor, n, view, channel, title }) {
  const scale = peak(tensor, n);
  const single = view === 'colour' && hasColour(model);
  const names = single ? ['signed colour'] : model.inputNames(channel);
  const canvases = heatCanvases(container, names.length);
  names.forEach((name, c) => {
    tensor.drawMap(canvases[c], {
      batch: n,
      channel: single ? 'rgb' : c,
      colormap: 'coolwarm',
      range: [-scale, scale],
    });
    const label = `${title}, ${name}, from ${number(-scale)} to ${number(scale)}`;
    if (canvases[c].getAttribute('aria-label') !== label) {
      canvases[c].setAttribute('aria-label', label);
      canvases[c].title = label;
    }
  });
  return scale;
}
