/** Draws heat maps and joints over the picture. */

/** @import { Runtime, Tensor } from '../dynakernel/index.js' */
/** @import { KeyPoint, Numbers } from './types.js' */
import { element } from '../shared/dom.js';
import { strongest } from './outputs.js';

/** Joints with a lower score are not drawn. */
export const LEAST_SCORE = 0.3;

/** The names of COCO's joints, and the pairs of joints that bones join. */
export const COCO = {
  names: [
    'nose', 'left eye', 'right eye', 'left ear', 'right ear', 'left shoulder', 'right shoulder', 'left elbow',
    'right elbow', 'left wrist', 'right wrist', 'left hip', 'right hip', 'left knee', 'right knee', 'left ankle',
    'right ankle',
  ],
  bones: [
    [15, 13], [13, 11], [16, 14], [14, 12], [11, 12], [5, 11], [6, 12], [5, 6], [5, 7], [6, 8], [7, 9], [8, 10], [1, 2],
    [0, 1], [0, 2], [1, 3], [2, 4], [3, 5], [4, 6],
  ],
};

/** The same for MPII. */
export const MPII = {
  names: [
    'right ankle', 'right knee', 'right hip', 'left hip', 'left knee', 'left ankle', 'pelvis', 'thorax', 'upper neck',
    'head top', 'right wrist', 'right elbow', 'right shoulder', 'left shoulder', 'left elbow', 'left wrist',
  ],
  bones: [
    [0, 1], [1, 2], [2, 6], [6, 3], [3, 4], [4, 5], [6, 7], [7, 8], [8, 9], [8, 12], [12, 11], [11, 10], [8, 13],
    [13, 14], [14, 15],
  ],
};

/** The skeleton with this number of joints. @param {number} count */
export const skeletonOf = (count) => [COCO, MPII].find(({ names }) => names.length === count) ?? null;

/** Draws on one canvas; it keeps another for the heat map. */
export class Overlay {
  #heat = element('canvas');

  /** @param {Runtime} dk */
  constructor(dk) {
    this.dk = dk;
  }

  /**
   * Draws the picture, and a heat map over it: the stronger, the less one sees through it.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {Tensor} picture [1, C, H, W], 0 to 1
   * @param {Numbers} output [1, maps, h, w]
   * @param {number | 'all'} channel 'all' shows the strongest of all maps
   * @returns {[low: number, high: number]} the values at the ends of the colours
   */
  draw(canvas, picture, output, channel) {
    const [, C, H, W] = picture.shape;
    picture.drawMap(canvas, { channel: C === 3 ? 'rgb' : 0, colormap: 'gray', range: [0, 1] });
    const [h, w] = output.shape.slice(2);
    const values = channel === 'all' ? strongest(output) : output.data.slice(channel * h * w, (channel + 1) * h * w);
    const range = rangeOf(values);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    // a dark picture lets the colours stand out
    context.fillStyle = 'rgb(0 0 0 / 35%)';
    context.fillRect(0, 0, W, H);
    this.#drawHeat(values, h, w, range);
    context.imageSmoothingEnabled = true;
    context.drawImage(this.#heat, 0, 0, W, H);
    return range;
  }

  /**
   * @param {Float32Array} values
   * @param {number} height
   * @param {number} width
   * @param {[number, number]} range
   */
  #drawHeat(values, height, width, range) {
    const map = this.dk.tensor(values, [1, 1, height, width]);
    const { data } = map.toImageData({ colormap: 'turbo', range });
    map.dispose();
    const pixels = new ImageData(new Uint8ClampedArray(data), width, height);
    const [low, high] = range;
    values.forEach((value, i) => {
      const strength = high > low ? (value - low) / (high - low) : 0;
      pixels.data[4 * i + 3] = 230 * Math.min(1, Math.max(0, 1.4 * strength - 0.1));
    });
    this.#heat.width = width;
    this.#heat.height = height;
    this.#heat.getContext('2d')?.putImageData(pixels, 0, 0);
  }

  /**
   * Draws the joints whose score is high enough, and the bones between them.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {KeyPoint[]} joints
   */
  drawJoints(canvas, joints) {
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const size = Math.max(canvas.width, canvas.height) / 100;
    const isSure = (/** @type {number} */ i) => joints[i].score >= LEAST_SCORE;
    context.lineWidth = size * 0.7;
    context.strokeStyle = '#fff';
    for (const [from, to] of skeletonOf(joints.length)?.bones ?? []) {
      if (!isSure(from) || !isSure(to)) continue;
      context.beginPath();
      context.moveTo(joints[from].x, joints[from].y);
      context.lineTo(joints[to].x, joints[to].y);
      context.stroke();
    }
    context.fillStyle = '#e4572e';
    context.lineWidth = size / 2;
    joints.forEach(({ x, y }, i) => {
      if (!isSure(i)) return;
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    });
  }
}

/**
 * From 0, or the least value if it is above 0 by far, to the greatest.
 *
 * @param {Float32Array} values
 * @returns {[number, number]}
 */
function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  return high > 0 && low < high / 2 ? [Math.max(0, low), high] : [low, high];
}
