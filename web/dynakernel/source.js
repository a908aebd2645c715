/** Reads pictures of all kinds as rows of sRGB pixels: RGBA, 8 bits per channel, not premultiplied. */
import { regionOf } from './box.js';
import { attempt, canvasDraws, isOrdinarySize, newCanvas, resize } from './canvas.js';
import { DynakernelError, given, messageOf } from './errors.js';
import { className } from './numbers.js';
import { rowsOf, unreadable } from './pixels.js';

/** @import { Platform } from './platform.js' */

/** @typedef {import('./box.js').Box} Box */
/** @typedef {import('./box.js').Region} Region */

/**
 * A picture as bytes: an ImageData, or an object with the same fields.
 *
 * @typedef {object} PixelData
 * @property {Uint8Array | Uint8ClampedArray} data RGBA, row by row, or a Float16Array if pixelFormat is
 *   'rgba-float16'. The memory may be shared
 * @property {number} width
 * @property {number} height
 * @property {string} [colorSpace] 'srgb', 'srgb-linear', 'display-p3' or 'display-p3-linear'; all are
 *   converted to sRGB ('srgb')
 * @property {string} [pixelFormat] 'rgba-unorm8', or 'rgba-float16' with values from 0 to 1
 *   ('rgba-unorm8')
 */

/**
 * An HTMLCanvasElement, an OffscreenCanvas, or a canvas of a Node package.
 *
 * @typedef {object} ReadableCanvas
 * @property {number} width
 * @property {number} height
 * @property {(kind: '2d') => object | null} getContext
 */

/**
 * A picture of a browser, or a canvas of a Node package.
 *
 * @typedef {PixelData | ReadableCanvas | Platform<'ImageData'> | Platform<'HTMLImageElement'> | Platform<'ImageBitmap'>
 *   | Platform<'HTMLVideoElement'> | Platform<'VideoFrame'>} ImageSource
 */

/**
 * An open source, or a region of it, which is read from top to bottom in bands of bandRows rows.
 *
 * @typedef {object} Pixels
 * @property {Region} region
 * @property {number} bandRows a multiple of sliceRows(width), or the whole height: then all sources
 *   are converted in the same slices, to the same bits
 * @property {(top: number, rows: number) => Uint8Array} read may run code of the caller
 * @property {() => void} [discard] frees the pixels that read() returned last
 */

/** Reads rows of a context.
 * @typedef {Required<Pick<Pixels, 'read' | 'discard'>>} ContextReader */

/** The most pixels of a canvas that are drawn or read at once: 16 MB, which every phone's canvas has. */
const BAND = 2 ** 22;

/** The most pixels that are converted at once, or read at once from a canvas in main memory: 256 kB. They
 * stay in the cache, and allocators reuse blocks of this size. */
const SLICE = 2 ** 16;

/** The longest side, since C counts in 32 bits. */
const MAX_LENGTH = 2 ** 31 - 1;

const UNREADABLE = 'the picture cannot be read';

/** The browser's getImageData() when this module was loaded. A page may replace it with a function that
 * returns the same pixels twice, which must not be freed. */
const NATIVE_READS = ['CanvasRenderingContext2D', 'OffscreenCanvasRenderingContext2D']
  .map((name) => /** @type {any} */ (globalThis)[name]?.prototype?.getImageData)
  .filter((method) => isNative(method, 'getImageData'));

/** Opens sources. It keeps one canvas, and draws sources on it that have no pixels to read. */
export class PixelReader {
  /** @type {OffscreenCanvas | HTMLCanvasElement | null} */
  #canvas = null;
  /** @type {MessagePort | null} */
  #closedPort = null;

  /**
   * @param {unknown} source
   * @param {number} maxPixels
   * @param {Box} [crop] only the pixels that it touches are read
   * @returns {Pixels}
   */
  open(source, maxPixels, crop) {
    const pixels = attempt(() => this.#open(source, maxPixels, crop), UNREADABLE);
    return { ...pixels, read: (top, rows) => attempt(() => pixels.read(top, rows), UNREADABLE) };
  }

  /** Releases the canvas. */
  close() {
    this.#canvas = null;
  }

  /**
   * @param {unknown} source
   * @param {number} maxPixels
   * @param {Box | undefined} crop
   * @returns {Pixels}
   */
  #open(source, maxPixels, crop) {
    // the fields decide how a source is read: bytes, a canvas, or anything that can be drawn
    if (typeof source !== 'object' || source === null) {
      const hint = typeof source === 'string' ? '; load it into an Image and await decode()' : '';
      throw unreadable(`expected a picture, such as a canvas; got ${given(source)}${hint}`);
    }
    if ('data' in source && !('getContext' in source)) {
      return openData(/** @type {PixelData} */ (source), maxPixels, crop);
    }
    if ('getContext' in source && typeof source.getContext === 'function') {
      return this.#openCanvas(/** @type {HTMLCanvasElement} */ (source), maxPixels, crop);
    }
    return this.#openDrawable(/** @type {CanvasImageSource} */ (source), drawnSize(source), maxPixels, crop);
  }

  /**
   * Reads a 2d canvas directly. Draws a canvas with another context, such as webgl.
   *
   * @param {HTMLCanvasElement | OffscreenCanvas} canvas
   * @param {number} maxPixels
   * @param {Box | undefined} crop
   * @returns {Pixels}
   */
  #openCanvas(canvas, maxPixels, crop) {
    const size = { width: canvas.width, height: canvas.height };
    const { width, height } = size;
    if (width === 0 || height === 0) throw unreadable(`the canvas is empty: ${width}x${height} pixels`);
    const region = readRegion(size, 'the canvas', maxPixels, crop);
    let context;
    try {
      context = /** @type {CanvasRenderingContext2D | null} */ (canvas.getContext('2d'));
    } catch {
      context = null; // a canvas whose control was transferred can still be drawn
    }
    if (!context) return this.#openDrawable(canvas, size, maxPixels, crop);
    if (context.isContextLost?.() === true) {
      throw unreadable(`the canvas of ${width}x${height} pixels has lost its context: the browser ` +
        'has no memory for this size, or does not draw it');
    }
    // A canvas on the GPU is read in few large bands, because each read waits for the GPU.
    const inMemory = context.getContextAttributes?.()?.willReadFrequently === true;
    const reading = this.#reader(context, region);
    return {
      ...reading, region,
      bandRows: inMemory ? sliceRows(region.width) : bandRows(region.width),
      read: (top, rows) => {
        const pixels = reading.read(top, rows);
        // A canvas that is too large for the browser reads as zeros, without an error.
        const isSuspect = top === 0 && !isOrdinarySize(width, height);
        if (isSuspect && pixels.every((value) => value === 0) && !canvasDraws(width, height)) {
          throw unreadable(`a canvas of ${width}x${height} pixels is too large for this browser`);
        }
        return pixels;
      },
    };
  }

  /**
   * @param {CanvasImageSource} source
   * @param {{ width: number, height: number }} size
   * @param {number} maxPixels
   * @param {Box | undefined} crop
   * @returns {Pixels}
   */
  #openDrawable(source, size, maxPixels, crop) {
    const region = readRegion(size, given(source), maxPixels, crop);
    const { width, height } = region;
    // A video is drawn once and whole, because the next draw may show the next frame.
    const isVideo = className(source) === 'HTMLVideoElement';
    const drawnRows = isVideo ? height : bandRows(width);
    /** @type {ContextReader | undefined} */
    let reading;
    const read = (/** @type {number} */ top, /** @type {number} */ rows) => {
      try {
        if (reading === undefined || top % drawnRows === 0) {
          const context = this.#contextOf(width, Math.min(height, drawnRows));
          context.globalCompositeOperation = 'copy'; // replaces the former pixels, even with transparent ones
          // No source rectangle: it counts the file's pixels, which differ from the size of an img with
          // another density. With one, Firefox draws no SVG that has no size. What lies beyond the canvas is
          // not drawn.
          context.drawImage(source, 0 - region.left, 0 - region.top - top, size.width, size.height);
          reading = this.#reader(context, { left: 0, top: 0, width, height });
        }
        return reading.read(top % drawnRows, rows);
      } catch (error) {
        this.#canvas = null; // a tainted canvas stays tainted
        if (error instanceof DynakernelError) throw error;
        throw unreadable(`${given(source)} cannot be drawn: ${messageOf(error)}`, error);
      }
    };
    return { region, bandRows: sliceRows(width), read, discard: () => reading?.discard() };
  }

  /**
   * Reads rows of a region of a context.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {Region} region
   * @returns {ContextReader}
   */
  #reader(context, region) {
    /** @type {ArrayBuffer | null} */
    let freeable = null;
    return {
      read: (/** @type {number} */ top, /** @type {number} */ rows) => {
        const usesNative = NATIVE_READS.includes(context.getImageData);
        const picture = readContext(context, { ...region, top: region.top + top, height: rows });
        const { rows: rowsAt, copies } = rowsOf(picture, region.width, rows);
        const pixels = rowsAt(0, rows);
        freeable = usesNative && !copies ? /** @type {ArrayBuffer} */ (pixels.buffer) : null;
        return pixels;
      },
      discard: () => {
        if (freeable) this.#discard(freeable);
        freeable = null;
      },
    };
  }

  /**
   * Frees the memory of pixels that the browser made, for the next read. Otherwise every frame needs new
   * memory until the next garbage collection, which costs more than reading. The port is closed at its
   * other end, and drops each message with its transferred buffers.
   *
   * @param {ArrayBuffer} buffer
   */
  #discard(buffer) {
    if (typeof MessageChannel !== 'function') return;
    try {
      this.#closedPort ??= portWithClosedEnd();
      this.#closedPort.postMessage(null, [buffer]);
    } catch {
      // the garbage collector frees a buffer that cannot be transferred
    }
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  #contextOf(width, height) {
    if (!canvasDraws(width, height)) {
      throw unreadable(`reading the picture needs a canvas of ${width}x${height} pixels, which this ` +
        'browser does not draw; make it smaller first: createImageBitmap(image, { resizeWidth })');
    }
    this.#canvas ??= newCanvas(width, height);
    if (!this.#canvas) {
      throw unreadable('this platform has no canvas to draw the picture on; pass a canvas instead');
    }
    resize(this.#canvas, width, height);
    const context = /** @type {CanvasRenderingContext2D | null} */ (
      this.#canvas.getContext('2d', { willReadFrequently: true }));
    if (context) return context;
    this.#canvas = null;
    throw unreadable(`the browser gives no 2d context of ${width}x${height} pixels to read the picture`);
  }
}

/**
 * Whether a function is the platform's: it shows no source, but its name. A bound function has no name.
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
 * The rows of a slice.
 *
 * @param {number} width
 */
export const sliceRows = (width) => Math.max(1, Math.floor(SLICE / Math.max(1, width)));

/** @param {number} width */
const bandRows = (width) => sliceRows(width) * Math.max(1, Math.floor(BAND / (Math.max(1, width) * sliceRows(width))));

function portWithClosedEnd() {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  return port1;
}

/**
 * The region of a picture that a crop needs.
 *
 * @param {{ width: unknown, height: unknown }} size
 * @param {string} what
 * @param {number} maxPixels
 * @param {Box | undefined} crop
 * @returns {Region}
 */
function readRegion({ width, height }, what, maxPixels, crop) {
  for (const [name, length] of Object.entries({ width, height })) {
    if (typeof length !== 'number' || !Number.isInteger(length) || length < 1 || length > MAX_LENGTH) {
      throw unreadable(`${what}: ${name} must be a whole number of pixels, 1 or more; ` +
        `got ${given(length)}`);
    }
  }
  const region = regionOf(crop, { width: Number(width), height: Number(height) });
  const count = region.width * region.height;
  if (count > maxPixels) {
    throw unreadable(`${crop ? `the crop of ${what}` : what} has ${region.width}x${region.height} = ${count} pixels; ` +
      `fromImage reads at most ${maxPixels} (option maxPixels)`);
  }
  return region;
}

/**
 * @param {PixelData} source
 * @param {number} maxPixels
 * @param {Box | undefined} crop
 * @returns {Pixels}
 */
function openData({ data, width, height, colorSpace, pixelFormat }, maxPixels, crop) {
  const region = readRegion({ width, height }, 'the picture', maxPixels, crop);
  const { rows, copies } = rowsOf({ data, colorSpace, pixelFormat }, width, height, region);
  return { region, bandRows: copies ? sliceRows(region.width) : region.height, read: rows };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Region} region
 * @returns {ImageData}
 */
function readContext(context, { left, top, width, height }) {
  try {
    const picture = context.getImageData(left, top, width, height);
    if ((picture?.colorSpace ?? 'srgb') === 'srgb') return picture;
    return context.getImageData(left, top, width, height, { colorSpace: 'srgb' });
  } catch (error) {
    if (error instanceof DynakernelError) throw error;
    const isForeign = error instanceof Error && error.name === 'SecurityError';
    throw unreadable(isForeign
      ? 'the picture comes from another origin, and the page may not read its pixels; set ' +
        "crossOrigin = 'anonymous' if its server allows that"
      : `the canvas cannot be read: ${messageOf(error)}`, error);
  }
}

/**
 * The size of a picture that can be drawn now.
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
      ? '; pass await createImageBitmap(blob)' : '';
    throw unreadable('expected an ImageData or an object like one, a canvas, an img, a video, an ' +
      `ImageBitmap or a VideoFrame; got ${given(source)}${hint}`);
  }
  // Browsers draw nothing, without an error, if an img is loading or a video has no frame yet.
  const isEarly = source.complete === false || source.readyState < 2;
  if (width !== 0 && height !== 0 && !isEarly) return { width, height };
  throw unreadable(`${given(source)} has no pixels yet, or is closed: it is ${width}x${height}. Wait for ` +
    'img.decode() or for the first frame of a video; an SVG needs a width and height of a pixel or more');
}
