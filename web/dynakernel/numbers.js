/** Converts numbers of every kind to float32. */
import { DynakernelError, given } from './errors.js';
import { decodeFloats, isSmallFloat } from './float-formats.js';
import { shapeText, sizeOf } from './shape.js';

/** @import { Platform } from './platform.js' */

/**
 * Every class of typed arrays that the project's libraries declare.
 *
 * @typedef {Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array
 *   | Uint32Array | Float32Array | Float64Array | Platform<'BigInt64Array'>
 *   | Platform<'BigUint64Array'> | Platform<'Float16Array'>} TypedArray
 */

/**
 * Nested arrays of numbers, of any depth.
 *
 * @typedef {readonly (number | NestedNumbers)[]} NestedNumbers
 */

/**
 * @param {unknown} value
 * @returns {value is TypedArray}
 */
export const isTypedArray = (value) => ArrayBuffer.isView(value) && 'length' in value;

/**
 * The name of an object's class, such as 'Float32Array'. Unlike instanceof, it works for objects of other
 * realms, such as an iframe's. 'none' for a value that cannot be read, such as a revoked Proxy.
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
 * Whether the accessor of a class accepts a value. Any object can imitate a tag, but not this. The
 * accessor also accepts objects of other realms.
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
 * Reads a property of a typed array as the engine has it, even if other properties hide it.
 *
 * @param {string | symbol} name
 * @returns {(value: unknown) => any} the tag of a value that is not a typed array is undefined
 */
function intrinsic(name) {
  const { get } = /** @type {{ get: () => unknown }} */ (Object.getOwnPropertyDescriptor(typedArray, name));
  return (value) => get.call(value);
}
export const [tagOf, bufferOf, offsetOf, lengthOf] =
  [Symbol.toStringTag, 'buffer', 'byteOffset', 'length'].map(intrinsic);

/**
 * The same numbers as a typed array of this realm without subclass or added properties: reading it runs
 * no code of a caller. It is empty if the buffer is detached.
 *
 * @param {unknown} value
 * @returns {TypedArray | null} null if the value is not a typed array
 */
export function plainView(value) {
  const kind = tagOf(value);
  if (kind === undefined) return null;
  const Type = /** @type {any} */ (globalThis)[kind];
  if (!Type) return null; // another realm's class, which this realm lacks
  try {
    return new Type(bufferOf(value), offsetOf(value), lengthOf(value));
  } catch {
    return new Type(0);
  }
}

/**
 * A typed array as floats. A Float32Array is returned itself.
 *
 * @param {TypedArray} data
 * @param {string} [dtype] the safetensors type, if the data are the bits of small floats
 * @returns {Float32Array}
 */
export function toFloats(data, dtype) {
  const kind = className(data);
  if (kind === 'Float32Array') return /** @type {Float32Array} */ (data);
  if (dtype !== undefined && isSmallFloat(dtype, kind)) {
    return decodeFloats(/** @type {Uint16Array} */ (data), dtype);
  }
  // Number() converts the BigInts of 64-bit integers.
  return Float32Array.from(/** @type {Float64Array} */ (data), Number);
}

/**
 * The numbers of an array, flat or nested as the shape says. Lengths are checked before items are read,
 * and each item is read once.
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
        `the data must be numbers, flat or nested as ${shapeText(shape)}; ` +
        `element ${flat.length} is ${given(item)}`);
    }
  };
  const visitAll = (/** @type {readonly unknown[]} */ items, /** @type {number} */ count,
    /** @type {number} */ depth) => {
    checkNested(count, shape, depth);
    for (let i = 0; i < count; i++) visit(items[i], depth); // forEach would skip holes
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
    `the data must be nested as ${shapeText(shape)}: ` +
    `an array at depth ${depth} has ${length} elements, not ${shape[depth] ?? 'any'}`);
}
