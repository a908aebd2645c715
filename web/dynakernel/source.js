/** Whatever shows a picture, as rows of RGBA, 8 bits a channel, not premultiplied, in sRGB. */
import { canvasDraws, isOrdinarySize, newCanvas } from './canvas.js';
import { DynakernelError, given, messageOf } from './errors.js';
import { className } from './numbers.js';
import { rowsOf } from './pixels.js';

/** @import { Platform } from './platform.js' */

/**
 * A picture as bytes: an ImageData, or any object like one.
 *
 * @typedef {object} PixelData
 * @property {Uint8Array | Uint8ClampedArray} data RGBA, row by row; also a Float16Array, if pixelFormat
 *   says so. Its memory may be shared
 * @property {number} width
 * @property {number} height
 * @property {string} [colorSpace] 'srgb', 'srgb-linear', 'display-p3' or 'display-p3-linear'; all are
 *   converted to sRGB ('srgb')
 * @property {string} [pixelFormat] 'rgba-unorm8', or 'rgba-float16' with values from 0 to 1
 *   ('rgba-unorm8')
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
 * @typedef {PixelData | ReadableCanvas | Platform<'ImageData'> | Platform<'HTMLImageElement'> | Platform<'ImageBitmap'>
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
 * @property {(top: number, rows: number) => Uint8Array} read may run code of the caller's
 * @property {() => void} [discard] to be called once what read() gave last is of no more use
 */

/** Reads rows of a context.
 * @typedef {Required<Pick<Pixels, 'read' | 'discard'>>} ContextReader */

/** Pixels of a canvas that are drawn or read at a time: 16 MB, and small enough for every phone's
 * canvas. */
const BAND = 2 ** 22;

/** Pixels of any picture that are converted at a time, and read at a time from a canvas in main
 * memory: 256 kB, few enough to stay in the cache, and for allocators to keep the memory at hand. */
const SLICE = 2 ** 16;

/** The longest side that C counts to. */
const MAX_LENGTH = 2 ** 31 - 1;

/** The browser's getImageData(), as it was when this module was loaded. A page may put another function
 * in its place, which may give the same pixels again. */
const NATIVE_READS = ['CanvasRenderingContext2D', 'OffscreenCanvasRenderingContext2D']
  .map((name) => /** @type {any} */ (globalThis)[name]?.prototype?.getImageData)
  .filter((method) => isNative(method, 'getImageData'));

/** Opens sources; keeps one canvas, on which it draws those that cannot be read themselves. */
export class PixelReader {
  /** @type {OffscreenCanvas | HTMLCanvasElement | null} */
  #canvas = null;
  /** @type {MessagePort | null} */
  #nowhere = null;

  /**
   * @param {unknown} source
   * @param {number} maxPixels
   * @returns {Pixels}
   */
  open(source, maxPixels) {
    const pixels = readable(() => this.#open(source, maxPixels));
    return { ...pixels, read: (top, rows) => readable(() => pixels.read(top, rows)) };
  }

  /** Lets go of the canvas. */
  close() {
    this.#canvas = null;
  }

  /**
   * @param {unknown} source
   * @param {number} maxPixels
   * @returns {Pixels}
   */
  #open(source, maxPixels) {
    if (typeof source !== 'object' || source === null) {
      const hint = typeof source === 'string' ? '; load it into an Image first, and await decode()' : '';
      throw unreadable(`a picture must be an object such as a canvas; got ${given(source)}${hint}`);
    }
    if ('data' in source && !('getContext' in source)) {
      return openData(/** @type {PixelData} */ (source), maxPixels);
    }
    if ('getContext' in source && typeof source.getContext === 'function') {
      return this.#openCanvas(/** @type {HTMLCanvasElement} */ (source), maxPixels);
    }
    return this.#openDrawable(/** @type {CanvasImageSource} */ (source), drawnSize(source), maxPixels);
  }

  /**
   * Reads a 2d canvas itself, and draws one of another kind.
   *
   * @param {HTMLCanvasElement | OffscreenCanvas} canvas
   * @param {number} maxPixels
   * @returns {Pixels}
   */
  #openCanvas(canvas, maxPixels) {
    const size = { width: canvas.width, height: canvas.height };
    const { width, height } = size;
    if (width === 0 || height === 0) throw unreadable(`the canvas is empty: ${width}x${height} pixels`);
    checkSize(size, 'the canvas', maxPixels);
    let context;
    try {
      context = /** @type {CanvasRenderingContext2D | null} */ (canvas.getContext('2d'));
    } catch {
      context = null; // its control was transferred, but it can be drawn
    }
    if (!context) return this.#openDrawable(canvas, size, maxPixels);
    if (context.isContextLost?.() === true) {
      throw unreadable(`the canvas of ${width}x${height} pixels has lost its context: the browser has ` +
        'no memory for it, or draws none of this size');
    }
    // A canvas of the graphics processor's is read at once: there each call waits for what is drawn.
    const inMemory = context.getContextAttributes?.()?.willReadFrequently === true;
    const reading = this.#reader(context, width);
    return {
      ...reading, width, height,
      bandRows: inMemory ? sliceRows(width) : bandRows(width),
      read: (top, rows) => {
        const pixels = reading.read(top, rows);
        // A canvas that is larger than the browser can draw reads as zeros, without an error.
        const isSuspect = top === 0 && !isOrdinarySize(width, height);
        if (isSuspect && pixels.every((value) => value === 0) && !canvasDraws(width, height)) {
          throw unreadable(`a canvas of ${width}x${height} pixels is larger than this browser can draw`);
        }
        return pixels;
      },
    };
  }

  /**
   * @param {CanvasImageSource} source
   * @param {{ width: number, height: number }} size
   * @param {number} maxPixels
   * @returns {Pixels}
   */
  #openDrawable(source, size, maxPixels) {
    const { width, height } = size;
    checkSize(size, given(source), maxPixels);
    // A video may show its next frame at the next draw, so that one draw takes it whole.
    const isVideo = className(source) === 'HTMLVideoElement';
    const drawnRows = isVideo ? height : bandRows(width);
    /** @type {ContextReader | undefined} */
    let reading;
    const read = (/** @type {number} */ top, /** @type {number} */ rows) => {
      try {
        if (reading === undefined || top % drawnRows === 0) {
          const context = this.#contextOf(width, Math.min(height, drawnRows));
          context.globalCompositeOperation = 'copy'; // what was drawn before does not shine through
          // There is no source rectangle: it would count the pixels of the file, which for an img of
          // another density are not those of its size. Firefox draws no SVG without a size by it.
          context.drawImage(source, 0, 0 - top, width, height);
          reading = this.#reader(context, width);
        }
        return reading.read(top % drawnRows, rows);
      } catch (error) {
        this.#canvas = null; // one that was tainted stays so
        if (error instanceof DynakernelError) throw error;
        throw unreadable(`${given(source)} cannot be drawn: ${messageOf(error)}`, error);
      }
    };
    return { width, height, bandRows: sliceRows(width), read, discard: () => reading?.discard() };
  }

  /**
   * Reads rows of a context.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {number} width
   * @returns {ContextReader}
   */
  #reader(context, width) {
    /** @type {ArrayBuffer | null} */
    let fresh = null;
    return {
      read: (/** @type {number} */ top, /** @type {number} */ rows) => {
        const isOurs = NATIVE_READS.includes(context.getImageData);
        const picture = readContext(context, top, width, rows);
        const { rows: give, converts } = rowsOf(picture, width, rows);
        const pixels = give(0, rows);
        fresh = isOurs && !converts ? /** @type {ArrayBuffer} */ (pixels.buffer) : null;
        return pixels;
      },
      discard: () => {
        if (fresh) this.#discard(fresh);
        fresh = null;
      },
    };
  }

  /**
   * Frees the memory of pixels that the browser made for us, for the next read to take: until garbage
   * is collected, every frame would need new memory, which costs more than reading. A message to nobody
   * is dropped, with all that is transferred with it.
   *
   * @param {ArrayBuffer} buffer
   */
  #discard(buffer) {
    if (typeof MessageChannel !== 'function') return;
    try {
      this.#nowhere ??= portToNowhere();
      this.#nowhere.postMessage(null, [buffer]);
    } catch {
      // what cannot be transferred becomes garbage
    }
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  #contextOf(width, height) {
    if (!canvasDraws(width, height)) {
      throw unreadable(`no canvas of ${width}x${height} pixels can be had, which the picture must be ` +
        'drawn on to be read; make it smaller first, as createImageBitmap() does with resizeWidth');
    }
    this.#canvas ??= newCanvas(width, height);
    if (!this.#canvas) {
      throw unreadable('there is no canvas here to draw the picture on; draw it on one of your own and ' +
        'pass that');
    }
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
 * Runs what the platform or a caller's object may refuse.
 *
 * @template Result
 * @param {() => Result} work
 * @returns {Result}
 */
function readable(work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof DynakernelError) throw error;
    throw unreadable(`the picture cannot be read: ${messageOf(error)}`, error);
  }
}

/**
 * Whether a function is the platform's. It has no source; a bound function has none either, and no name.
 *
 * @param {unknown} method
 * @param {string} name
 */
function isNative(method, name) {
  if (typeof method !== 'function' || typeof ImageData !== 'function') return false;
  const source = Function.prototype.toString.call(method);
  return source.replace(/\s+/g, ' ') === `function ${name}() { [native code] }`;
}

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
 * @param {{ width: unknown, height: unknown }} size
 * @param {string} what
 * @param {number} maxPixels
 */
function checkSize({ width, height }, what, maxPixels) {
  for (const [name, length] of Object.entries({ width, height })) {
    if (typeof length !== 'number' || !Number.isInteger(length) || length < 1 || length > MAX_LENGTH) {
      throw unreadable(`${what}: ${name} must be a whole number of pixels, 1 or more; ` +
        `got ${given(length)}`);
    }
  }
  const count = Number(width) * Number(height);
  if (count > maxPixels) {
    throw unreadable(`${what} has ${width}x${height} = ${count} pixels; fromImage reads at most ` +
      `${maxPixels}, unless its option maxPixels says more`);
  }
}

/**
 * @param {PixelData} source
 * @param {number} maxPixels
 * @returns {Pixels}
 */
function openData({ data, width, height, colorSpace, pixelFormat }, maxPixels) {
  checkSize({ width, height }, 'the picture', maxPixels);
  const { rows, converts } = rowsOf({ data, colorSpace, pixelFormat }, width, height);
  return { width, height, bandRows: converts ? sliceRows(width) : height, read: rows };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} top
 * @param {number} width
 * @param {number} rows
 * @returns {ImageData}
 */
function readContext(context, top, width, rows) {
  try {
    const picture = context.getImageData(0, top, width, rows);
    if ((picture?.colorSpace ?? 'srgb') === 'srgb') return picture;
    return context.getImageData(0, top, width, rows, { colorSpace: 'srgb' });
  } catch (error) {
    if (error instanceof DynakernelError) throw error;
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
 * @returns {{ width: number, height: number }}
 */
function drawnSize(source) {
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
  // Browsers draw nothing of an img that is loading or a video before its first frame, without an error.
  const isEarly = source.complete === false || source.readyState < 2;
  if (width !== 0 && height !== 0 && !isEarly) return { width, height };
  throw unreadable(`${given(source)} has no pixels yet, or no longer: it is ${width}x${height}. ` +
    'Wait for img.decode() or for the first frame of a video; an SVG needs a width and height of a ' +
    'pixel or more; an ImageBitmap or VideoFrame must not be closed');
}
