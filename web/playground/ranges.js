/** @import { Tensor } from '../dynakernel/index.js' */
/** @import { View } from './types.js' */

/** The number of values, spread evenly over the map, that decide a range without outliers. */
const SAMPLES = 2000;

/** The share of values that are left out at each end. */
const TAIL = 0.01;

/**
 * Returns the options of drawMap for a channel.
 *
 * @param {Tensor} y  [1, O, Ho, Wo]
 * @param {number} channel
 * @param {View} view
 */
export function mapOptions(y, channel, { colormap, range }) {
  return { channel, colormap, range: range === 'robust' ? robustRange(y, channel, colormap === 'coolwarm') : range };
}

/**
 * Returns the range of the middle 98 % of a map's values. With all values, a few strong edges would leave the rest
 * grey.
 *
 * @param {Tensor} y
 * @param {number} channel
 * @param {boolean} symmetric  true for a range that is symmetric around 0
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
