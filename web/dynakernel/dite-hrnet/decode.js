/** From a person's box to the crop that a network sees, and from heat maps back to places in the picture. */
import { guarded } from '../boundary.js';
import { readBox } from '../box.js';
import { isArray, readList, readOptions, real } from '../check.js';
import { DynakernelError, given } from '../errors.js';
import { shapeText } from '../shape.js';
import { Tensor } from '../tensor.js';

/** @typedef {import('../box.js').Box} Box */

/**
 * A joint: its place in the picture, and the greatest value of its heat map.
 *
 * @typedef {{ x: number, y: number, score: number }} KeyPoint
 */

/** How much larger the crop is than the person's box, in MMPose's training. */
const PADDING = 1.25;

/** How far a joint moves from the greatest value towards the greater neighbour, in pixels of the heat map. */
const STEP = 0.25;

/**
 * The crop that MMPose feeds for a person's box: the box, grown to the aspect of the network's input, times 1.25, about
 * the same centre. It is the option `crop` of fromImage, and the `box` of decodeHeatmaps.
 *
 * @param {Box} box of a person
 * @param {{ width: number, height: number, padding?: number }} options the size of the network's input; padding (1.25)
 * @returns {Box}
 * @throws {DynakernelError} ERR_CONFIG
 * @example
 * const crop = cropBox({ x: 100, y: 50, width: 80, height: 240 }, { width: 192, height: 256 });
 * // { x: 27.5, y: 20, width: 225, height: 300 }
 */
export function cropBox(box, options) {
  return guarded('cropBox', () => {
    const { width: inputWidth, height: inputHeight, padding = PADDING } =
      readOptions(options, 'cropBox', ['width', 'height', 'padding']);
    const [W, H, factor] = Object.entries({ width: inputWidth, height: inputHeight, padding }).map(([name, value]) =>
      real(value, `cropBox: ${name}`, 'more than 0', (number) => number > 0));
    const { x, y, width, height } = readBox(box, 'cropBox: the box');
    const grown = { width: factor * Math.max(width, height * W / H), height: factor * Math.max(height, width * H / W) };
    return { x: x + (width - grown.width) / 2, y: y + (height - grown.height) / 2, ...grown };
  });
}

/**
 * Finds the joints in heat maps, as MMPose 0.x's default post-processing: the place of the greatest value, moved by a
 * quarter of a pixel towards the greater neighbour in x and in y. Of several greatest values the first counts. A heat
 * map without a value above 0 shows no joint: its place is one pixel left of and above the box.
 *
 * @param {Tensor} heatmaps [N, joints, H, W]
 * @param {{ box?: Box | readonly Box[] }} [options] box: what the images show of the picture, which is the `crop` that
 *   was passed to fromImage, and not the person's box inside it; one for all images, or one for each. Without it,
 *   places are in pixels of the heat maps
 * @returns {KeyPoint[][]} the joints of each image
 * @throws {DynakernelError} ERR_SHAPE if heatmaps is not [N, joints, H, W], or there are not N boxes; ERR_CONFIG,
 *   ERR_DISPOSED
 * @example
 * const crop = cropBox(person, { width: 192, height: 256 });
 * const image = dk.fromImage(photo, { crop, width: 192, height: 256, mean, std });
 * const [joints] = decodeHeatmaps(pose.forward(image), { box: crop });
 * const { x, y, score } = joints[0]; // the nose, for COCO
 */
export function decodeHeatmaps(heatmaps, options) {
  return guarded('decodeHeatmaps', () => {
    const { box } = readOptions(options, 'decodeHeatmaps', ['box']);
    if (!isTensor(heatmaps)) {
      throw new DynakernelError('ERR_CONFIG', `decodeHeatmaps: heatmaps must be a tensor; got ${given(heatmaps)}`);
    }
    const { shape } = heatmaps;
    if (shape.length !== 4 || shape.includes(0)) {
      throw new DynakernelError('ERR_SHAPE',
        `decodeHeatmaps: heatmaps must be [N, joints, H, W], not empty; got ${shapeText(shape)}`);
    }
    const [N, joints, H, W] = shape;
    const boxes = readBoxes(box, N, { x: 0, y: 0, width: W, height: H });
    const values = heatmaps.toArray();
    return boxes.map((place, n) => Array.from({ length: joints }, (_, joint) => {
      const first = (n * joints + joint) * H * W;
      return findJoint(values.subarray(first, first + H * W), H, W, place);
    }));
  });
}

/**
 * @param {Float32Array} map [H, W]
 * @param {number} H
 * @param {number} W
 * @param {Box} box
 * @returns {KeyPoint}
 */
function findJoint(map, H, W, box) {
  const peak = firstGreatest(map);
  const score = map[peak];
  let [column, row] = score > 0 ? [peak % W, Math.floor(peak / W)] : [-1, -1];
  // MMPose leaves peaks at the edge where they are, and also those in row and column 1
  if (column > 1 && column < W - 1 && row > 1 && row < H - 1) {
    column += STEP * Math.sign(map[peak + 1] - map[peak - 1]);
    row += STEP * Math.sign(map[peak + W] - map[peak - W]);
  }
  return { x: box.x + column * box.width / W, y: box.y + row * box.height / H, score };
}

/**
 * The index of the greatest value, as NumPy's argmax: the first of several, and the first NaN before all others.
 *
 * @param {Float32Array} values
 */
function firstGreatest(values) {
  let place = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) return i;
    if (values[i] > values[place]) place = i;
  }
  return place;
}

/**
 * @param {unknown} value
 * @returns {value is Tensor}
 */
function isTensor(value) {
  try {
    return value instanceof Tensor;
  } catch {
    return false; // a revoked Proxy
  }
}

/**
 * @param {unknown} value
 * @param {number} count
 * @param {Box} usual the box if none is given
 * @returns {Box[]}
 */
function readBoxes(value, count, usual) {
  if (!isArray(value)) {
    return Array(count).fill(value === undefined ? usual : readBox(value, 'decodeHeatmaps: box'));
  }
  const list = readList(value, () => true, count);
  if (list?.length !== count) {
    throw new DynakernelError('ERR_SHAPE',
      `decodeHeatmaps: box must be one box, or one for each of the ${count} images; got ${given(value)}`);
  }
  return list.map((box, n) => readBox(box, `decodeHeatmaps: box ${n}`));
}
