/** @import { Kernels } from './types.js' */
import { heatCanvases } from '../shared/dom.js';

/** Kernels as heat maps: a canvas of R×R pixels for each output channel. The style sheet enlarges it. */

const OUTPUTS = ['red', 'green', 'blue'];

/**
 * Draws kernel n into a container. Kernels over red, green and blue are pictures in signed colour; others show their
 * first plane. Grey is 0.
 *
 * @param {HTMLElement} container
 * @param {Kernels} kernels
 * @param {number} n
 * @param {string} title
 */
export function drawHeat(container, kernels, n, title) {
  const { outputs, planes, size, values } = kernels;
  const area = size * size;
  const depth = planes * area;
  const entries = values.subarray(n * outputs * depth, (n + 1) * outputs * depth);
  const scale = entries.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  heatCanvases(container, outputs).forEach((canvas, o) => {
    const label = outputs === 3 ? `${title}, for ${OUTPUTS[o]}` : title;
    if (canvas.title !== label) {
      canvas.title = label;
      canvas.setAttribute('aria-label', label);
    }
    if (canvas.width !== size) canvas.width = canvas.height = size;
    const pixels = new ImageData(size, size);
    for (let i = 0; i < area; i++) {
      for (let c = 0; c < 3; c++) {
        const value = entries[o * depth + (planes === 3 ? c : 0) * area + i];
        pixels.data[i * 4 + c] = 127.5 * (1 + value / scale);
      }
      pixels.data[i * 4 + 3] = 255;
    }
    canvas.getContext('2d')?.putImageData(pixels, 0, 0);
  });
}
