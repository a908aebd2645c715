/** What an output of a network shows: heat maps, classes, a picture, maps or numbers. */

/** @import { Numbers } from './types.js' */

/** @typedef {'heatmaps' | 'classes' | 'image' | 'maps' | 'numbers'} View */

/** The views by name, as a person reads them. @type {Record<View, string>} */
export const VIEW_NAMES = {
  heatmaps: 'heat maps over the picture', classes: 'classes', image: 'picture', maps: 'maps', numbers: 'numbers',
};

/** With more maps than this, they are features rather than heat maps of something. */
const MOST_HEATMAPS = 64;

/**
 * Returns the views that fit an output, the likeliest first.
 *
 * @param {readonly number[]} shape of the output
 * @param {readonly number[] | null} picture the shape of the input that is a picture, if there is one
 * @returns {View[]}
 */
export function viewsOf(shape, picture) {
  /** @type {View[]} */
  const views = [];
  const [C, H, W] = mapSides(shape);
  if (shape.length === 4 && picture) {
    const [, , height, width] = picture;
    const isMultiple = H % height === 0 && W % width === 0 && H / height === W / width;
    if (C === 3 && isMultiple) views.push('image');
    if (C <= MOST_HEATMAPS && H > 1 && W > 1 && (H < height || W < width) && H <= height && W <= width) {
      views.push('heatmaps');
    }
  }
  if (classCount(shape) > 1) views.push('classes');
  if (shape.length >= 2 && H > 1 && W > 1) views.push('maps');
  if (shape.length === 4 && C === 3 && H > 1 && W > 1 && !views.includes('image')) views.push('image');
  return [...views, 'numbers'];
}

/**
 * Returns the channels and the sides of a value as maps. What comes before counts as channels.
 *
 * @param {readonly number[]} shape
 * @returns {[channels: number, height: number, width: number]}
 */
export function mapSides(shape) {
  const [H = 1, W = 1] = shape.length > 1 ? shape.slice(-2) : [1, shape[0]];
  const before = shape.slice(shape.length === 4 ? 1 : 0, -2); // only the first image of a batch is shown
  return [before.reduce((product, length) => product * length, 1), H, W];
}

/**
 * Returns the number of classes of a [1, n] or [1, n, 1, 1], 0 for other shapes.
 *
 * @param {readonly number[]} shape
 */
export function classCount(shape) {
  const isPixel = shape.length === 4 && shape[2] === 1 && shape[3] === 1;
  return shape.length === 2 || isPixel ? shape[1] : 0;
}

/**
 * Returns probabilities: the scores themselves if they are that already, or else their softmax.
 *
 * @param {Float32Array} scores
 * @returns {{ values: Float32Array, isSoftmax: boolean }} isSoftmax: true if they were logits
 */
export function probabilities(scores) {
  const sum = scores.reduce((total, value) => total + value, 0);
  if (scores.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-3) return { values: scores, isSoftmax: false };
  const largest = scores.reduce((most, value) => Math.max(most, value), -Infinity);
  const powers = scores.map((value) => Math.exp(value - largest));
  const total = powers.reduce((all, value) => all + value, 0);
  return { values: powers.map((value) => value / total), isSoftmax: true };
}

/**
 * Returns the indices of the greatest values, the greatest first.
 *
 * @param {Float32Array} values
 * @param {number} count
 */
export function greatest(values, count) {
  return Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b).slice(0, count);
}

/**
 * Returns the range of a picture's values: 0 to 255, −1 to 1, or 0 to 1.
 *
 * @param {Float32Array} values
 * @returns {[low: number, high: number]}
 */
export function pictureRange(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (high > 4) return [0, 255];
  return low < -0.2 ? [-1, 1] : [0, 1];
}

/**
 * Returns the greatest value of each pixel over all maps.
 *
 * @param {Numbers} output [1, C, H, W]
 * @returns {Float32Array} [H, W]
 */
export function strongest({ shape: [, C, H, W], data }) {
  const pixels = H * W;
  const most = data.slice(0, pixels);
  for (let c = 1; c < C; c++) {
    for (let i = 0; i < pixels; i++) most[i] = Math.max(most[i], data[c * pixels + i]);
  }
  return most;
}

/**
 * Reads a list of labels: a line each, or a JSON array or object of them.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function readLabels(text) {
  const trimmed = text.trim();
  if (/^[[{]/.test(trimmed)) {
    try {
      const list = Object.values(JSON.parse(trimmed));
      // { "0": ["n01440764", "tench"] } is how ImageNet's lists are
      return list.map((label) => String(Array.isArray(label) ? label[label.length - 1] : label));
    } catch {
      // not JSON: lines
    }
  }
  // "n01440764 tench, Tinca tinca" is a line of ImageNet's synset lists
  return trimmed.split(/\r?\n/).map((line) => line.trim().replace(/^n\d{8} /, ''));
}
