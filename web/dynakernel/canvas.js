/** Canvases to draw on, and putting pixels there. */
import { DynakernelError, given, messageOf } from './errors.js';

/** @typedef {import('./heap.js').Heap} Heap */

/**
 * RGBA, 8 bits a channel.
 *
 * @typedef {object} Picture
 * @property {Uint8ClampedArray<ArrayBuffer>} data
 * @property {number} width
 * @property {number} height
 * @property {'srgb'} colorSpace
 */

/**
 * What the pictures are put on: the part of a 2d context that is used here.
 *
 * @typedef {object} DrawableContext
 * @property {(width: number, height: number, settings?: any) => any} createImageData
 * @property {(picture: any, x: number, y: number) => void} putImageData
 */

/**
 * An HTMLCanvasElement, an OffscreenCanvas, or a canvas of a package for Node.
 *
 * @typedef {object} DrawableCanvas
 * @property {number} width
 * @property {number} height
 * @property {(kind: '2d') => object | null} getContext
 */

/** The longest side that canvases of all engines have. */
export const MAX_SIDE = 32767;

/** The picture that was last put on a context, to be filled again.
 * @type {WeakMap<object, Picture>} */
const pictures = new WeakMap();

/**
 * The canvas's context, once the canvas has the size.
 *
 * @param {DrawableCanvas} canvas
 * @param {number} width
 * @param {number} height
 * @returns {DrawableContext}
 */
export function contextOf(canvas, width, height) {
  if (typeof canvas?.getContext !== 'function') {
    throw new DynakernelError('ERR_IMAGE', `a canvas to draw on is needed; got ${given(canvas)}`);
  }
  if (width > MAX_SIDE || height > MAX_SIDE) {
    throw new DynakernelError('ERR_IMAGE',
      `a picture of ${width}x${height} is too large for a canvas: at most ${MAX_SIDE} on each side`);
  }
  const context = tried(() => {
    const made = /** @type {DrawableContext | null} */ (canvas.getContext('2d'));
    // Only where it differs, since setting a size clears the canvas and allocates anew.
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    return made;
  });
  if (!context) {
    throw new DynakernelError('ERR_IMAGE',
      'the canvas cannot be drawn on: it has a context of another kind than 2d');
  }
  return context;
}

/**
 * Puts rows of pixels on a canvas, from its left edge on.
 *
 * @param {DrawableContext} context
 * @param {Heap} heap
 * @param {number} rgba where they lie in the heap
 * @param {number} width
 * @param {number} top
 * @param {number} rows
 */
export function putRows(context, heap, rgba, width, top, rows) {
  const length = rows * width * 4;
  tried(() => {
    if (typeof ImageData !== 'function' || heap.shared) {
      const picture = pictureFor(context, width, rows);
      picture.data.set(heap.bytes(rgba, length));
      context.putImageData(picture, 0, top);
    } else { // a picture that shows the heap itself saves a copy
      context.putImageData(new ImageData(heap.clampedBytes(rgba, length), width), 0, top);
    }
  });
}

/**
 * @param {DrawableContext} context
 * @param {number} width
 * @param {number} height
 * @returns {Picture}
 */
function pictureFor(context, width, height) {
  const former = pictures.get(context);
  if (former?.width === width && former.height === height) return former;
  const usual = context.createImageData(width, height); // in the canvas's colour space
  const picture = (usual.colorSpace ?? 'srgb') === 'srgb' ? usual
    : context.createImageData(width, height, { colorSpace: 'srgb' });
  pictures.set(context, picture);
  return picture;
}

/**
 * Runs what the platform may refuse.
 *
 * @template Result
 * @param {() => Result} work
 * @returns {Result}
 */
function tried(work) {
  try {
    return work();
  } catch (error) {
    throw new DynakernelError('ERR_IMAGE', `the canvas cannot be drawn on: ${messageOf(error)}`,
      { cause: error });
  }
}
