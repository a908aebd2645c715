/** @import { Tensor } from '../dynakernel/index.js' */
/** @import { View } from './types.js' */

/** Values that are looked at for a range without outliers, spread evenly over the map. */
const SAMPLES = 2000;

/** The share of values left out at each end. */
const TAIL = 0.01;

/**
 * What the library is asked to draw of a channel.
 *
 * @param {Tensor} y  [1, O, Ho, Wo]
 * @param {number} channel
 * @param {View} view
 */
export function mapOptions(y, channel, { colormap, range }) {
  return { channel, colormap, range: range === 'robust' ? robustRange(y, channel, colormap === 'coolwarm') : range };
}

/**
 * The middle 98 % of a map's values: a few strong edges would otherwise leave the rest grey.
 *
 * @param {Tensor} y
 * @param {number} channel
 * @param {boolean} symmetric  to lie evenly around 0
 * @returns {'auto' | [number, number]}
 */
function robustRange(y, channel, symmetric) {
  const size = y.shape[2] * y.shape[3];
  const step = Math.max(1, Math.floor(size / SAMPLES));
  const map = y.data.subarray(channel * size, (channel + 1) * size);
  const samples = new Float32Array(Math.ceil(size / step));
  for (let i = 0; i < samples.length; i++) samples[i] = map[i * step];
  const sorted = samples.filter(Number.isFinite).sort();
  const tail = Math.floor(sorted.length * TAIL);
  const low = sorted[tail];
  const high = sorted[sorted.length - 1 - tail];
  if (!(low < high)) return 'auto';
  const widest = Math.max(Math.abs(low), Math.abs(high));
  return symmetric ? [-widest, widest] : [low, high];
}
