/** From a picture to the inputs of a network. */

/** @import { Runtime, Shapes, Tensor } from '../dynakernel/index.js' */
/** @import { Normalisation, Source } from '../shared/types.js' */
/** @import { Numbers } from './types.js' */
import { changesPixels, imageOptions } from '../shared/normalisation.js';
import { Random } from '../shared/random.js';

/**
 * How a picture gets the network's aspect: its middle is cut out, it is padded with black, or it is stretched.
 *
 * @typedef {'cut' | 'pad' | 'stretch'} Fit
 */

/** @typedef {{ x: number, y: number, width: number, height: number }} Box */

/**
 * Returns the name of the input that is a picture: the first of [N, 3, H, W] or [N, 1, H, W], null if there is none.
 *
 * @param {Shapes} inputs
 */
export function pictureInput(inputs) {
  const found = Object.entries(inputs).find(([, shape]) =>
    shape.length === 4 && (shape[1] === 3 || shape[1] === 1) && shape[2] > 1 && shape[3] > 1);
  return found ? found[0] : null;
}

/**
 * Returns the part of a picture that the network sees; with `pad`, it reaches beyond the picture.
 *
 * @param {{ width: number, height: number }} picture
 * @param {{ width: number, height: number }} size of the network's input
 * @param {Fit} fit
 * @returns {Box}
 */
export function visiblePart(picture, size, fit) {
  if (fit === 'stretch') return { x: 0, y: 0, width: picture.width, height: picture.height };
  const scales = [picture.width / size.width, picture.height / size.height];
  const scale = fit === 'cut' ? Math.min(...scales) : Math.max(...scales);
  const [width, height] = [size.width * scale, size.height * scale];
  return { x: (picture.width - width) / 2, y: (picture.height - height) / 2, width, height };
}

/** Reads pictures for networks. It keeps a canvas for the part that the network sees. */
export class InputReader {
  #canvas = document.createElement('canvas');

  /** @param {Runtime} dk */
  constructor(dk) {
    this.dk = dk;
  }

  /**
   * Makes the inputs of a run: the picture for the input that is one, and seeded random numbers for all others.
   *
   * @param {Shapes} inputs
   * @param {string | null} name of the input that is a picture
   * @param {Source | null} source null if no input is a picture
   * @param {{ fit: Fit, normalisation: Normalisation }} options
   * @returns {{ inputs: { [name: string]: Numbers }, picture: Tensor | null }} picture: what the network sees, before
   *   the normalisation; the caller disposes of it
   */
  read(inputs, name, source, { fit, normalisation }) {
    /** @type {{ [name: string]: Numbers }} */
    const made = {};
    /** @type {Tensor | null} */
    let picture = null;
    for (const [input, shape] of Object.entries(inputs)) {
      if (input !== name) {
        made[input] = { shape, data: randomNumbers(shape) };
        continue;
      }
      if (!source) throw new Error('there is no picture to read');
      const [N, channels, height, width] = shape;
      const part = this.#cut(source, { height, width }, fit);
      const size = { width, height, channels };
      picture = this.dk.fromImage(part, size);
      const x = changesPixels(normalisation)
        ? this.dk.fromImage(part, { ...size, ...imageOptions(normalisation, channels) })
        : picture;
      made[input] = { shape, data: repeated(x.toArray(), N) };
      if (x !== picture) x.dispose();
    }
    return { inputs: made, picture };
  }

  /**
   * Draws the part of a picture that the network sees on a canvas, in the picture's own pixels.
   *
   * @param {Source} source
   * @param {{ width: number, height: number }} size
   * @param {Fit} fit
   */
  #cut({ image }, size, fit) {
    const isVideo = image instanceof HTMLVideoElement;
    const [width, height] = isVideo ? [image.videoWidth, image.videoHeight] : [image.width, image.height];
    const part = visiblePart({ width, height }, size, fit);
    if (part.width === width && part.height === height) return image;
    const canvas = this.#canvas;
    canvas.width = Math.max(1, Math.round(part.width));
    canvas.height = Math.max(1, Math.round(part.height));
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error(`this browser has no canvas of ${canvas.width} × ${canvas.height} pixels`);
    context.fillRect(0, 0, canvas.width, canvas.height);
    const [left, top] = [-Math.round(part.x), -Math.round(part.y)];
    if (isVideo) context.drawImage(image, left, top);
    else context.putImageData(image, left, top);
    return canvas;
  }
}

/** @param {readonly number[]} shape */
function randomNumbers(shape) {
  const random = new Random(1);
  const size = shape.reduce((product, length) => product * length, 1);
  return Float32Array.from({ length: size }, () => random.next());
}

/**
 * The same picture for the whole batch.
 *
 * @param {Float32Array} numbers
 * @param {number} count
 */
function repeated(numbers, count) {
  if (count === 1) return numbers;
  const all = new Float32Array(numbers.length * count);
  for (let n = 0; n < count; n++) all.set(numbers, n * numbers.length);
  return all;
}
