/** Whatever shows a picture, as rows of RGBA, 8 bits a channel, not premultiplied. */
import { DynakernelError, given, messageOf } from './errors.js';
import { className } from './numbers.js';

/** @import { Platform } from './platform.js' */

/**
 * A picture as bytes: an ImageData, or any object like one.
 *
 * @typedef {object} PixelData
 * @property {Uint8Array | Uint8ClampedArray} data RGBA, row by row
 * @property {number} width
 * @property {number} height
 */

/**
 * An HTMLCanvasElement, an OffscreenCanvas, or a canvas of a package for Node.
 *
 * @typedef {object} ReadableCanvas
 * @property {number} width
 * @property {number} height
 * @property {(kind: '2d') => object | null} getContext
 */

/**
 * A picture of a browser, or a canvas of a package for Node.
 *
 * @typedef {PixelData | ReadableCanvas | Platform<'HTMLImageElement'> | Platform<'ImageBitmap'>
 *   | Platform<'HTMLVideoElement'> | Platform<'VideoFrame'>} ImageSource
 */

/**
 * A source that is open for reading from top to bottom, in bands of bandRows rows.
 *
 * @typedef {object} Pixels
 * @property {number} width
 * @property {number} height
 * @property {number} bandRows a multiple of sliceRows(width), so that all sources are converted in
 *   the same slices and to the same bits; or the whole height
 * @property {(top: number, rows: number) => Uint8Array | Uint8ClampedArray} read
 * @property {(pixels: Uint8Array | Uint8ClampedArray) => void} [discard] to be called with what
 *   read() gave once it is of no more use
 */

/** Pixels of a canvas that are drawn or read at a time: 16 MB, and small enough for every phone's
 * canvas. */
const BAND = 2 ** 22;

/** Pixels of any picture that are converted at a time, and read at a time from a canvas in main
 * memory: 256 kB, few enough to stay in the cache, and for allocators to keep the memory at hand. */
const SLICE = 2 ** 16;

/** Opens sources; keeps one canvas, on which it draws those that cannot be read themselves. */
export class PixelReader {
  /** @type {OffscreenCanvas | HTMLCanvasElement | null} */
  #canvas = null;
  /** @type {MessagePort | null} */
  #nowhere = null;

  /**
   * @param {unknown} source
   * @returns {Pixels}
   */
  open(source) {
    if (typeof source !== 'object' || source === null) {
      const hint = typeof source === 'string' ? '; load it into an Image first, and await decode()' : '';
      throw unreadable(`a picture must be an object such as a canvas; got ${given(source)}${hint}`);
    }
    if ('data' in source && !('getContext' in source)) {
      return openData(/** @type {PixelData} */ (source));
    }
    if ('getContext' in source && typeof source.getContext === 'function') {
      return this.#openCanvas(/** @type {HTMLCanvasElement} */ (source));
    }
    return this.#openDrawable(/** @type {CanvasImageSource} */ (source));
  }

  /** Lets go of the canvas. */
  close() {
    this.#canvas = null;
  }

  /**
   * Read itself where it is a 2d canvas, drawn where it is of another kind.
   *
   * @param {HTMLCanvasElement | OffscreenCanvas} canvas
   * @returns {Pixels}
   */
  #openCanvas(canvas) {
    const { width, height } = canvas;
    if (!(width > 0 && height > 0)) {
      throw unreadable(`the canvas is empty: ${width}x${height} pixels`);
    }
    let context;
    try {
      context = /** @type {CanvasRenderingContext2D | null} */ (canvas.getContext('2d'));
    } catch {
      context = null; // its control was transferred, but it can be drawn
    }
    if (!context) return this.#openDrawable(canvas, { width, height });
    // A canvas of the graphics processor's is read at once: there each call waits for what is drawn.
    const inMemory = context.getContextAttributes?.()?.willReadFrequently === true;
    return {
      width, height,
      bandRows: inMemory ? sliceRows(width) : bandRows(width),
      read: (top, rows) => readCanvas(context, top, width, rows),
      discard: (pixels) => this.#discard(pixels),
    };
  }

  /**
   * @param {CanvasImageSource} source
   * @param {{ width: number, height: number }} [size]
   * @returns {Pixels}
   */
  #openDrawable(source, { width, height } = naturalSize(source)) {
    const drawnRows = bandRows(width);
    const read = (/** @type {number} */ top, /** @type {number} */ rows) => {
      const context = this.#contextOf(width, Math.min(height, drawnRows));
      try {
        if (top % drawnRows === 0) {
          const count = Math.min(height - top, drawnRows);
          context.globalCompositeOperation = 'copy'; // what was drawn before does not shine through
          context.drawImage(source, 0, top, width, count, 0, 0, width, count);
        }
        return readCanvas(context, top % drawnRows, width, rows);
      } catch (error) {
        this.#canvas = null; // one that was tainted stays so
        if (error instanceof DynakernelError) throw error;
        throw unreadable(`${given(source)} cannot be drawn: ${messageOf(error)}`, error);
      }
    };
    const discard = (/** @type {Uint8Array | Uint8ClampedArray} */ pixels) => this.#discard(pixels);
    return { width, height, bandRows: sliceRows(width), read, discard };
  }

  /**
   * Frees the memory of pixels that were read, for the next read to take: until garbage is collected,
   * every frame would need new memory, which costs more than reading. A message to nobody is dropped,
   * with all that is transferred with it.
   *
   * @param {Uint8Array | Uint8ClampedArray} pixels
   */
  #discard(pixels) {
    if (typeof ImageData !== 'function') return; // no browser's pixels: a package may share them
    this.#nowhere ??= portToNowhere();
    try {
      this.#nowhere.postMessage(null, [/** @type {ArrayBuffer} */ (pixels.buffer)]);
    } catch {
      // what cannot be transferred becomes garbage
    }
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  #contextOf(width, height) {
    this.#canvas ??= newCanvas(width, height);
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const context = /** @type {CanvasRenderingContext2D | null} */ (
      this.#canvas.getContext('2d', { willReadFrequently: true }));
    if (context) return context;
    this.#canvas = null;
    throw unreadable(`there is no canvas of ${width}x${height} pixels to read the picture with`);
  }
}

/**
 * @param {string} message
 * @param {unknown} [cause]
 */
const unreadable = (message, cause) => new DynakernelError('ERR_IMAGE', message, { cause });

/**
 * Rows of a slice.
 *
 * @param {number} width
 */
export const sliceRows = (width) => Math.max(1, Math.floor(SLICE / width));

/** @param {number} width */
const bandRows = (width) => sliceRows(width) * Math.max(1, Math.floor(BAND / (width * sliceRows(width))));

function portToNowhere() {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  return port1;
}

/**
 * @param {PixelData} source
 * @returns {Pixels}
 */
function openData({ data, width, height }) {
  for (const [name, length] of Object.entries({ width, height })) {
    if (!Number.isSafeInteger(length) || length < 1) {
      throw unreadable(`the picture's ${name} must be a whole number, 1 or more; got ${given(length)}`);
    }
  }
  const kind = className(data);
  if (kind !== 'Uint8Array' && kind !== 'Uint8ClampedArray') {
    throw unreadable("the picture's data must be a Uint8Array or Uint8ClampedArray of RGBA; " +
      `got ${given(data)}`);
  }
  if (data.length !== width * height * 4) {
    throw unreadable(`a picture of ${width}x${height} has ${width * height * 4} bytes of RGBA; ` +
      `got ${data.length}`);
  }
  const read = (/** @type {number} */ top, /** @type {number} */ rows) =>
    data.subarray(top * width * 4, (top + rows) * width * 4);
  return { width, height, bandRows: height, read };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} top
 * @param {number} width
 * @param {number} rows
 */
function readCanvas(context, top, width, rows) {
  try {
    const { data, colorSpace = 'srgb' } = context.getImageData(0, top, width, rows);
    if (colorSpace === 'srgb') return data;
    return context.getImageData(0, top, width, rows, { colorSpace: 'srgb' }).data;
  } catch (error) {
    const isForeign = error instanceof Error && error.name === 'SecurityError';
    throw unreadable(isForeign
      ? 'the picture comes from another origin, whose pixels a page may not read; ask for it with ' +
        "crossOrigin = 'anonymous', which its server must allow"
      : `the canvas cannot be read: ${messageOf(error)}`, error);
  }
}

/**
 * The size of a picture that is ready to be drawn.
 *
 * @param {any} source
 */
function naturalSize(source) {
  const [width, height] = [
    [source.naturalWidth, source.naturalHeight], // img
    [source.videoWidth, source.videoHeight], // video
    [source.displayWidth, source.displayHeight], // VideoFrame
    [source.width, source.height], // ImageBitmap
  ].find(([length]) => length !== undefined) ?? [];
  if (typeof width !== 'number' || typeof height !== 'number') {
    const hint = className(source) === 'Blob' || className(source) === 'File'
      ? '; await createImageBitmap() of it first' : '';
    throw unreadable('a picture must be an ImageData or an object like one, a canvas, an img, a ' +
      `video, an ImageBitmap or a VideoFrame; got ${given(source)}${hint}`);
  }
  if (width > 0 && height > 0) return { width, height };
  throw unreadable(`${given(source)} has no pixels yet, or no longer: it is ${width}x${height}. ` +
    'Wait for img.decode() or for the first frame of a video; an ImageBitmap or VideoFrame must ' +
    'not be closed');
}

/**
 * @param {number} width
 * @param {number} height
 */
function newCanvas(width, height) {
  if (typeof OffscreenCanvas === 'function') return new OffscreenCanvas(width, height);
  if (typeof document === 'object') return document.createElement('canvas');
  throw unreadable('there is no canvas here to draw the picture on; draw it on one of your own and ' +
    'pass that');
}
