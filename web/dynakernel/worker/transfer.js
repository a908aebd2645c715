/** How a caller's arguments cross to the worker: copied, moved, or as a reference. */
import { DynakernelError, given, messageOf } from '../errors.js';
import { className, isBuffer } from '../numbers.js';
import { copied, referring, sent } from './protocol.js';

/** @typedef {import('./protocol.js').CanvasReference} CanvasReference */
/** @typedef {import('./protocol.js').PictureReference} PictureReference */

/** Buffers that the caller gave away.
 * @type {WeakSet<object>} */
const givenAway = new WeakSet();

/** Pictures that are moved. Their memory may be the GPU's. */
const MOVED = ['ImageBitmap', 'VideoFrame'];

/** Pictures that only the page can read. */
const ELEMENTS = ['HTMLCanvasElement', 'HTMLImageElement', 'HTMLVideoElement', 'OffscreenCanvas'];

const CANVASES = ['HTMLCanvasElement', 'OffscreenCanvas'];

/** Other objects that postMessage copies. */
const CLONED = ['WebAssembly.Module', 'Blob', 'File'];

/**
 * Marks a buffer, or the whole buffer of a view, to be moved to the worker by the call that it is passed to,
 * instead of copied. It is empty afterwards.
 *
 * @template {ArrayBuffer | ArrayBufferView} Bytes
 * @param {Bytes} bytes
 * @returns {Bytes} the same
 * @throws {DynakernelError} ERR_CONFIG
 * @example
 * const bytes = await (await fetch('pose.onnx')).arrayBuffer();
 * const net = await dk.onnxNetwork(transfer(bytes));
 */
export function transfer(bytes) {
  if (!ArrayBuffer.isView(bytes) && !isBuffer(bytes)) {
    throw new DynakernelError('ERR_CONFIG', `transfer takes an ArrayBuffer or a typed array; got ${given(bytes)}`);
  }
  givenAway.add(ArrayBuffer.isView(bytes) ? bytes.buffer : bytes);
  return bytes;
}

/** The canvases that a worker draws on. */
export class Canvases {
  /** A canvas that is not sent yet has its surface here.
   * @type {WeakMap<object, CanvasReference>} */
  #references = new WeakMap();
  #last = 0;
  #forgotten;

  /** @param {(canvas: number) => void} release called after the garbage collector has taken a canvas */
  constructor(release) {
    this.#forgotten = new FinalizationRegistry(release);
  }

  /** @param {object} canvas */
  has(canvas) {
    return this.#references.has(canvas);
  }

  /**
   * @param {HTMLCanvasElement | OffscreenCanvas} canvas
   * @returns {CanvasReference}
   */
  reference(canvas) {
    let reference = this.#references.get(canvas);
    if (!reference) {
      reference = { canvas: ++this.#last, surface: surfaceOf(canvas) };
      this.#references.set(canvas, reference);
      this.#forgotten.register(canvas, reference.canvas);
    }
    return reference;
  }
}

/** @param {HTMLCanvasElement | OffscreenCanvas} canvas */
function surfaceOf(canvas) {
  if (className(canvas) === 'OffscreenCanvas') return /** @type {OffscreenCanvas} */ (canvas);
  try {
    return /** @type {HTMLCanvasElement} */ (canvas).transferControlToOffscreen();
  } catch (error) {
    throw new DynakernelError('ERR_IMAGE', 'a worker can only draw on a canvas that has no context yet and that no ' +
      `other worker draws on: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Arguments that can be sent once `waits` are over.
 *
 * @typedef {object} Parcel
 * @property {unknown[]} args
 * @property {Set<Transferable>} moved
 * @property {Promise<void>[]} waits
 * @property {CanvasReference[]} firsts canvases that have never been sent
 */

/**
 * @param {unknown[]} args
 * @param {string} call the method's name
 * @param {(value: object) => number | undefined} numberOf the number of an object in the worker. It throws for an object
 *   of another worker
 * @param {Canvases} canvases
 * @returns {Parcel}
 */
export function pack(args, call, numberOf, canvases) {
  /** @type {Parcel} */
  const parcel = { args: [], moved: new Set(), waits: [], firsts: [] };
  parcel.args = sent(args, (value) => packObject(value, call, numberOf, canvases, parcel));
  return parcel;
}

/**
 * @param {any} value neither a primitive, nor an array, nor a plain object
 * @param {string} call
 * @param {(value: object) => number | undefined} numberOf
 * @param {Canvases} canvases
 * @param {Parcel} parcel
 * @returns {unknown}
 */
function packObject(value, call, numberOf, canvases, parcel) {
  if (typeof value !== 'object') throw cannotCross(value, call);
  const object = numberOf(value);
  if (object !== undefined) return referring({ object });
  if (ArrayBuffer.isView(value) || isBuffer(value)) return packBytes(value, parcel);

  const kind = className(value);
  if (kind === 'ImageData') {
    const { data, width, height, colorSpace, pixelFormat = 'rgba-unorm8' } = value;
    return { data: packBytes(data, parcel), width, height, colorSpace, pixelFormat };
  }
  if (kind === 'URL') return value.href;
  if (CLONED.includes(kind)) return value;
  if (MOVED.includes(kind)) {
    parcel.moved.add(value);
    return referring({ picture: value });
  }
  // a canvas is drawn on, except by fromImage
  if (CANVASES.includes(kind) && (call !== 'fromImage' || canvases.has(value))) {
    const reference = canvases.reference(value);
    if (reference.surface) {
      parcel.moved.add(reference.surface);
      parcel.firsts.push(reference);
    }
    return referring(reference);
  }
  if (ELEMENTS.includes(kind)) return packElement(value, parcel);
  throw cannotCross(value, call);
}

/**
 * @param {any} bytes a view or a buffer
 * @param {Parcel} parcel
 */
function packBytes(bytes, { moved }) {
  const isView = ArrayBuffer.isView(bytes);
  const buffer = isView ? bytes.buffer : bytes;
  if (givenAway.has(buffer)) {
    moved.add(/** @type {ArrayBuffer} */ (buffer));
    return bytes;
  }
  const copy = copied(isView ? bytes : new Uint8Array(bytes));
  moved.add(copy.buffer);
  return isView ? copy : copy.buffer;
}

/**
 * Reads what an element shows now. Browsers do that beside the page's thread.
 *
 * @param {ImageBitmapSource} element
 * @param {Parcel} parcel
 */
function packElement(element, { moved, waits }) {
  /** @type {PictureReference} */
  const reference = { picture: null };
  const reading = createImageBitmap(element).then((bitmap) => {
    reference.picture = bitmap;
    moved.add(bitmap);
  }, (error) => {
    throw new DynakernelError('ERR_IMAGE', `${given(element)} cannot be read: ${messageOf(error)}`, { cause: error });
  });
  waits.push(reading);
  return referring(reference);
}

/**
 * @param {unknown} value
 * @param {string} call
 */
function cannotCross(value, call) {
  const kind = className(value);
  const way = typeof value === 'function'
    ? "functions stay on their side. Write a worker of your own with serve() of 'dynakernel/serve', and call it there"
    : kind === 'Promise' ? 'await it first'
    : kind === 'Tensor' ? 'it belongs to a runtime of this thread. Send its numbers: dk.tensor(x.toArray(), x.shape)'
      : 'what can cross are plain objects, arrays, typed arrays, ImageData, ImageBitmap, VideoFrame, canvases, img and ' +
        "video elements, and the worker's own objects";
  return new DynakernelError('ERR_CONFIG', `${call}: ${given(value)} cannot be sent to a worker: ${way}`);
}
