/** @import { Tensor } from '../dynakernel/index.js' */
/** @import { Model } from './model.js' */
/** @import { KernelView } from './types.js' */
import { heatCanvases } from '../shared/dom.js';
import { number } from '../shared/format.js';
import { peak } from './model.js';

/** Kernels as heat maps: a canvas of R×R pixels each, enlarged by the style sheet. */

/**
 * Whether a kernel can be one picture in signed colour: red, green and blue carry the three planes, grey is zero.
 *
 * @param {Model} model
 */
export const hasColour = (model) => model.perGroup === 3;

/**
 * Draws image n of a kernel tensor into a container, which is given as many canvases as it takes.
 *
 * @param {HTMLElement} container
 * @param {Model} model
 * @param {{ tensor: Tensor, n: number, view: KernelView, channel: number, title: string }} what
 * @returns {number} the scale: white (or full colour) is plus this value, black (or the opposite) minus it
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
