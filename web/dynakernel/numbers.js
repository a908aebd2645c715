/** Numbers of every kind that callers bring, as float32. */
import { DynakernelError, given } from './errors.js';
import { decodeFloats, isSmallFloat } from './float-formats.js';
import { shapeText, sizeOf } from './shape.js';

/** @import { Platform } from './platform.js' */

/**
 * Every kind of typed array that the project's libraries declare.
 *
 * @typedef {Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array
 *   | Uint32Array | Float32Array | Float64Array | Platform<'BigInt64Array'>
 *   | Platform<'BigUint64Array'> | Platform<'Float16Array'>} TypedArray
 */

/**
 * Nested arrays of numbers, as deep as one likes.
 *
 * @typedef {readonly (number | NestedNumbers)[]} NestedNumbers
 */

/**
 * @param {unknown} value
 * @returns {value is TypedArray}
 */
export const isTypedArray = (value) => ArrayBuffer.isView(value) && 'length' in value;

/**
 * The class of a typed array or buffer by name: 'Float32Array'. Unlike instanceof, this also knows
 * those of other realms, such as an iframe's. 'none' for what cannot be read, such as a revoked Proxy.
 *
 * @param {unknown} value
 */
export function className(value) {
  try {
    return Object.prototype.toString.call(value).slice(8, -1);
  } catch {
    return 'none';
  }
}

/**
 * @param {unknown} value
 * @returns {value is ArrayBuffer}
 */
export const isBuffer = (value) => hasBytes(ArrayBuffer, value)
  || typeof SharedArrayBuffer === 'function' && hasBytes(SharedArrayBuffer, value);

/**
 * Whether a class's own accessor takes a value: a tag, unlike that, can be anything's. An accessor also
 * takes objects of other realms.
 *
 * @param {{ prototype: object }} Class
 * @param {unknown} value
 */
function hasBytes(Class, value) {
  try {
    Object.getOwnPropertyDescriptor(Class.prototype, 'byteLength')?.get?.call(value);
    return true;
  } catch {
    return false;
  }
}

const typedArray = Object.getPrototypeOf(Uint8Array.prototype);

/**
 * What a typed array is, whatever properties somebody has put before its own.
 *
 * @param {string | symbol} name
 * @returns {(value: unknown) => any} undefined for the tag of what is no typed array
 */
function intrinsic(name) {
  const { get } = /** @type {{ get: () => unknown }} */ (Object.getOwnPropertyDescriptor(typedArray, name));
  return (value) => get.call(value);
}
const [tagOf, bufferOf, offsetOf, lengthOf] =
  [Symbol.toStringTag, 'buffer', 'byteOffset', 'length'].map(intrinsic);

/**
 * The same numbers as a typed array of this realm, of no subclass and with no properties added, so
 * that reading it runs no code of a caller. It is empty if the buffer is detached.
 *
 * @param {unknown} value
 * @returns {TypedArray | null} null if it is no typed array
 */
export function plainView(value) {
  const kind = tagOf(value);
  if (kind === undefined) return null;
  const Type = /** @type {any} */ (globalThis)[kind];
  if (!Type) return null; // a class of another realm that this one has not
  try {
    return new Type(bufferOf(value), offsetOf(value), lengthOf(value));
  } catch {
    return new Type(0);
  }
}

/**
 * A typed array as floats: itself if it has them already.
 *
 * @param {TypedArray} data
 * @param {string} [dtype] what safetensors calls it, if the data are bits of small floats
 * @returns {Float32Array}
 */
export function toFloats(data, dtype) {
  const kind = className(data);
  if (kind === 'Float32Array') return /** @type {Float32Array} */ (data);
  if (dtype !== undefined && isSmallFloat(dtype, kind)) {
    return decodeFloats(/** @type {Uint16Array} */ (data), dtype);
  }
  // Number() is for the 64-bit integers, which come as BigInt.
  return Float32Array.from(/** @type {Float64Array} */ (data), Number);
}

/**
 * Numbers in arrays, flat or nested as the shape says, as floats. Lengths are checked before items are
 * read, and each item is read once.
 *
 * @param {readonly unknown[]} values
 * @param {readonly number[]} shape
 */
export function flatten(values, shape) {
  const { length } = values;
  const first = length > 0 ? values[0] : undefined;
  const nested = Array.isArray(first);
  const size = sizeOf(shape);
  if (!nested && length !== size) {
    throw new DynakernelError('ERR_SHAPE',
      `the shape ${shapeText(shape)} needs ${size} numbers; got ${length}`);
  }
  if (nested) checkNested(length, shape, 0);
  /** @type {number[]} */
  const flat = [];
  const visit = (/** @type {unknown} */ item, /** @type {number} */ depth) => {
    const innermost = !nested || depth === shape.length - 1;
    if (innermost && typeof item === 'number') {
      flat.push(item);
    } else if (!innermost && Array.isArray(item)) {
      visitAll(item, item.length, depth + 1);
    } else {
      throw new DynakernelError('ERR_CONFIG',
        `the data must be numbers, flat or nested as the shape ${shapeText(shape)} says; ` +
        `element ${flat.length} is ${given(item)}`);
    }
  };
  const visitAll = (/** @type {readonly unknown[]} */ items, /** @type {number} */ count,
    /** @type {number} */ depth) => {
    checkNested(count, shape, depth);
    for (let i = 0; i < count; i++) visit(items[i], depth); // also over holes, which forEach would skip
  };
  if (length > 0) visit(first, 0);
  for (let i = 1; i < length; i++) visit(values[i], 0);
  return Float32Array.from(flat);
}

/**
 * @param {number} length of an array
 * @param {readonly number[]} shape
 * @param {number} depth of the array, 0 for the outermost
 */
function checkNested(length, shape, depth) {
  if (length === shape[depth]) return;
  throw new DynakernelError('ERR_SHAPE',
    `the data must be nested as the shape ${shapeText(shape)} says: ` +
    `an array at depth ${depth} has ${length} elements, not ${shape[depth] ?? 'any'}`);
}
