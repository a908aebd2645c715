/** Checks canvases and puts pixels on them. */
import { DynakernelError, given, messageOf } from './errors.js';

/** @typedef {import('./heap.js').Heap} Heap */

/**
 * A picture of RGBA, 8 bits per channel.
 *
 * @typedef {object} Picture
 * @property {Uint8ClampedArray<ArrayBuffer>} data
 * @property {number} width
 * @property {number} height
 * @property {'srgb'} colorSpace
 */

/**
 * The members of a 2d context that the library uses.
 *
 * @typedef {object} DrawableContext
 * @property {(width: number, height: number, settings?: any) => any} createImageData
 * @property {(picture: any, x: number, y: number, ...dirty: number[]) => void} putImageData
 * @property {() => boolean} [isContextLost]
 */

/**
 * An HTMLCanvasElement, an OffscreenCanvas, or a canvas of a Node package.
 *
 * @typedef {object} DrawableCanvas
 * @property {number} width
 * @property {number} height
 * @property {(kind: '2d') => object | null} getContext
 */

/** The longest side of a canvas in every engine. */
export const MAX_SIDE = 32767;

/** Every engine draws this area, which is the limit of older iPhones, and this side. */
const SAFE_AREA = 2 ** 24;
const SAFE_SIDE = 2 ** 14;

/** Larger sizes that this browser draws, as a test has shown.
 * @type {Set<string>} */
const drawn = new Set();

/** The latest context of each canvas.
 * @type {WeakMap<object, DrawableContext>} */
const contexts = new WeakMap();

/** The last picture of each context, which the next frame reuses.
 * @type {WeakMap<object, Picture>} */
const lastPictures = new WeakMap();

/**
 * A new canvas, or null if the platform has none.
 *
 * @param {number} width
 * @param {number} height
 * @returns {OffscreenCanvas | HTMLCanvasElement | null}
 */
export function newCanvas(width, height) {
  if (typeof OffscreenCanvas === 'function') return new OffscreenCanvas(width, height);
  if (typeof document !== 'object') return null;
  return Object.assign(document.createElement('canvas'), { width, height });
}

/**
 * @param {number} width
 * @param {number} height
 */
export const isOrdinarySize = (width, height) =>
  width <= SAFE_SIDE && height <= SAFE_SIDE && width * height <= SAFE_AREA;

/**
 * Whether the browser draws on a canvas of this size. A canvas beyond its limits or its memory stays
 * blank, without an error. The limits differ between browsers, so a large size is tried once on a new
 * canvas.
 *
 * @param {number} width
 * @param {number} height
 */
export function canvasDraws(width, height) {
  const size = `${width}x${height}`;
  if (isOrdinarySize(width, height) || drawn.has(size)) return true;
  const draws = tryToDraw(width, height);
  if (draws) drawn.add(size);
  return draws;
}

/**
 * @param {number} width
 * @param {number} height
 */
function tryToDraw(width, height) {
  let canvas;
  try {
    canvas = newCanvas(width, height);
    const context = /** @type {CanvasRenderingContext2D | null} */ (canvas?.getContext('2d') ?? null);
    // If not even a small canvas draws, as in Node, the size is not refused.
    if (!context) return !newCanvas(1, 1)?.getContext('2d');
    context.fillRect(width - 1, height - 1, 1, 1);
    return context.getImageData(width - 1, height - 1, 1, 1).data[3] > 0;
  } catch {
    return false;
  } finally {
    if (canvas) canvas.width = canvas.height = 0; // frees the memory at once
  }
}

/**
 * Refuses a value that is not a canvas, and a size that is too large. Does not touch the canvas.
 *
 * @param {DrawableCanvas} canvas
 * @param {number} width
 * @param {number} height
 */
export function checkCanvas(canvas, width, height) {
  attempt(() => {
    if (typeof canvas?.getContext !== 'function') {
      throw new DynakernelError('ERR_IMAGE', `expected a canvas; got ${given(canvas)}`);
    }
  });
  if (width > MAX_SIDE || height > MAX_SIDE) {
    throw new DynakernelError('ERR_IMAGE',
      `a picture of ${width}x${height} is too large for a canvas: a side has at most ${MAX_SIDE} pixels`);
  }
  if (!attempt(() => canvasDraws(width, height))) {
    throw new DynakernelError('ERR_IMAGE',
      `a picture of ${width}x${height} is too large for this browser: the canvas would stay blank`);
  }
}

/**
 * The canvas's context.
 *
 * @param {DrawableCanvas} canvas
 * @returns {DrawableContext}
 */
export function contextOf(canvas) {
  const context = attempt(() => getContext(canvas));
  if (!context) {
    throw new DynakernelError('ERR_IMAGE',
      'the canvas cannot be drawn on: it has a context of another kind than 2d');
  }
  if (attempt(() => context.isContextLost?.() === true)) {
    throw new DynakernelError('ERR_IMAGE', 'the canvas cannot be drawn on: its context is lost');
  }
  return context;
}

/**
 * In a worker, Firefox 153 returns the context of a page's canvas once, and throws the next time.
 *
 * @param {DrawableCanvas} canvas
 */
function getContext(canvas) {
  try {
    const context = /** @type {DrawableContext | null} */ (canvas.getContext('2d'));
    if (context) contexts.set(canvas, context);
    return context;
  } catch (error) {
    const former = contexts.get(canvas);
    if (former) return former;
    throw error;
  }
}

/**
 * @param {DrawableCanvas} canvas
 * @param {number} width
 * @param {number} height
 */
export const hasSize = (canvas, width, height) =>
  attempt(() => canvas.width === width && canvas.height === height);

/**
 * Resizes a canvas and draws on it. If that fails, the canvas gets its former size back.
 *
 * @param {DrawableCanvas} canvas
 * @param {number} width
 * @param {number} height
 * @param {() => void} draw
 */
export function drawAtSize(canvas, width, height, draw) {
  const former = attempt(() => ({ width: canvas.width, height: canvas.height }));
  try {
    attempt(() => resize(canvas, width, height));
    if (!hasSize(canvas, width, height)) {
      throw new DynakernelError('ERR_IMAGE', `the canvas cannot be drawn on: it does not take the size ` +
        `${width}x${height}; it is ${canvas.width}x${canvas.height}`);
    }
    draw();
  } catch (error) {
    try {
      resize(canvas, former.width, former.height);
    } catch {
      // the first error matters more
    }
    throw error;
  }
}

/**
 * @param {{ width: number, height: number }} canvas
 * @param {number} width
 * @param {number} height
 */
export function resize(canvas, width, height) {
  // Setting a size, even the same one, clears the canvas and allocates its memory again.
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/**
 * Puts rows of pixels on a canvas, at its left edge.
 *
 * @param {DrawableContext} context
 * @param {Heap} heap
 * @param {() => number} colours writes the pixels and returns their pointer. It runs after all code
 *   of the canvas that could move or free that memory
 * @param {number} width
 * @param {number} top
 * @param {number} rows
 */
export function putRows(context, heap, colours, width, top, rows) {
  attempt(() => context.putImageData(pictureOf(context, heap, colours, width, rows), 0, top));
}

/**
 * Puts such rows with an empty rectangle, which draws no pixel. A context that refuses the rows throws
 * here, before a new size clears its canvas.
 *
 * @param {DrawableContext} context
 * @param {Heap} heap
 * @param {() => number} colours
 * @param {number} width
 * @param {number} rows
 */
export function rehearse(context, heap, colours, width, rows) {
  attempt(() => context.putImageData(pictureOf(context, heap, colours, width, rows), 0, 0, 0, 0, 0, 0));
}

/**
 * @param {DrawableContext} context
 * @param {Heap} heap
 * @param {() => number} colours
 * @param {number} width
 * @param {number} rows
 */
function pictureOf(context, heap, colours, width, rows) {
  const length = rows * width * 4;
  if (typeof ImageData === 'function' && !heap.shared) {
    return new ImageData(heap.clampedBytes(colours(), length), width); // shows the heap itself: no copy
  }
  const picture = pictureFor(context, width, rows);
  const { data } = picture;
  data.set(heap.bytes(colours(), length));
  return picture;
}

/**
 * @param {DrawableContext} context
 * @param {number} width
 * @param {number} height
 * @returns {Picture}
 */
function pictureFor(context, width, height) {
  const former = lastPictures.get(context);
  if (former?.width === width && former.height === height) return former;
  const made = context.createImageData(width, height); // in the canvas's colour space
  const picture = (made.colorSpace ?? 'srgb') === 'srgb' ? made
    : context.createImageData(width, height, { colorSpace: 'srgb' });
  lastPictures.set(context, picture);
  return picture;
}

/**
 * Runs work of the platform or of a caller's object, and turns its errors into ERR_IMAGE.
 *
 * @template Result
 * @param {() => Result} work
 * @param {string} [failure] the message before the error's own words
 * @returns {Result}
 */
export function attempt(work, failure = 'the canvas cannot be drawn on') {
  try {
    return work();
  } catch (error) {
    if (error instanceof DynakernelError) throw error;
    throw new DynakernelError('ERR_IMAGE', `${failure}: ${messageOf(error)}`, { cause: error });
  }
}
