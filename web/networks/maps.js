/** Draws numbers as maps, and writes them as text. */

/** @import { Colormap, Runtime } from '../dynakernel/index.js' */
/** @import { Numbers } from './types.js' */
import { number } from '../shared/format.js';
import { mapSides } from './outputs.js';

/** More maps than this are too small to see. */
const MOST_MAPS = 256;

/** The numbers that are written out. */
const MOST_NUMBERS = 64;

/** Pixels between maps. */
const GAP = 1;

/**
 * Draws all maps of a value as a grid.
 *
 * @param {Runtime} dk
 * @param {HTMLCanvasElement} canvas
 * @param {Numbers} value
 * @param {{ colormap: Colormap, channel?: number | 'all' }} options channel: only this map
 * @returns {string} what is drawn, for a caption
 */
export function drawNumbers(dk, canvas, { shape, data }, { colormap, channel = 'all' }) {
  const [C, H, W] = mapSides(shape);
  const isOne = channel !== 'all';
  const count = isOne ? 1 : Math.min(C, MOST_MAPS);
  const first = isOne ? channel * H * W : 0;
  const tensor = dk.tensor(data.subarray(first, first + count * H * W), [1, count, H, W]);
  // about square on the screen
  const columns = Math.max(1, Math.min(count, Math.round(Math.sqrt(count * H / W))));
  tensor.drawMaps(canvas, { columns, gap: GAP, colormap });
  tensor.dispose();
  const [low, high] = limits(data);
  const maps = count === 1 ? 'One map' : count < C ? `The first ${count} of ${C} maps` : `${C} maps`;
  const ranges = count === 1 ? '' : 'each in its own range; ';
  return `${maps} of ${W} × ${H}, ${ranges}all values from ${number(low)} to ${number(high)}`;
}

/**
 * Writes a value's shape, limits and first numbers.
 *
 * @param {Numbers} value
 */
export function numbersText({ shape, data }) {
  const [low, high] = limits(data);
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const shown = Array.from(data.subarray(0, MOST_NUMBERS), number).join('  ');
  const rest = data.length > MOST_NUMBERS ? `  … and ${data.length - MOST_NUMBERS} more` : '';
  return `[${shape.join(', ')}]\nleast ${number(low)}, mean ${number(mean)}, greatest ${number(high)}\n\n${shown}${rest}`;
}

/**
 * @param {Float32Array} values
 * @returns {[low: number, high: number]}
 */
function limits(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
