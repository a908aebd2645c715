/** Rectangles in a picture. */
import { isObject } from './check.js';
import { DynakernelError, given } from './errors.js';

/**
 * A rectangle in a picture, in pixels. It may have fractions, and reach beyond the picture.
 *
 * @typedef {{ x: number, y: number, width: number, height: number }} Box
 */

/** Beyond this place or length, a pixel more or less would be lost in rounding. */
const FARTHEST = 2 ** 30;

/**
 * @param {unknown} value
 * @param {string} what for messages
 * @returns {Box} a copy
 */
export function readBox(value, what) {
  const sides = isObject(value) ? { x: value.x, y: value.y, width: value.width, height: value.height } : null;
  if (sides && Object.values(sides).every((side) => typeof side === 'number' && Math.abs(side) <= FARTHEST)
    && sides.width > 0 && sides.height > 0) return sides;
  const text = sides ? Object.entries(sides).map(([name, side]) => `${name} ${given(side)}`).join(', ') : given(value);
  throw new DynakernelError('ERR_CONFIG',
    `${what} must be { x, y, width, height } in pixels, width and height more than 0, none beyond 2^30; got ${text}`);
}

/**
 * Whole pixels of a picture.
 *
 * @typedef {{ left: number, top: number, width: number, height: number }} Region
 */

/**
 * The pixels of a picture that a box touches. The width and the height are 0 if there are none.
 *
 * @param {Box | undefined} box the whole picture if it is undefined
 * @param {{ width: number, height: number }} size of the picture
 * @returns {Region}
 */
export function regionOf(box, { width, height }) {
  if (!box) return { left: 0, top: 0, width, height };
  const clamp = (/** @type {number} */ place, /** @type {number} */ length) => Math.min(Math.max(place, 0), length);
  const [left, right] = [Math.floor(box.x), Math.ceil(box.x + box.width)].map((place) => clamp(place, width));
  const [top, bottom] = [Math.floor(box.y), Math.ceil(box.y + box.height)].map((place) => clamp(place, height));
  if (left === right || top === bottom) return { left: 0, top: 0, width: 0, height: 0 };
  return { left, top, width: right - left, height: bottom - top };
}
