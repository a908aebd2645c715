/** Numbers of every kind that callers bring, as float32. */
import { DynakernelError, given } from './errors.js';
import { shapeText, sizeOf } from './shape.js';

/** @typedef {import('./heap.js').Floats} Floats */

/**
 * @typedef {Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array
 *   | Uint32Array | Float32Array | Float64Array | BigInt64Array | BigUint64Array} TypedArray
 */

/**
 * Nested arrays of numbers, as deep as one likes.
 *
 * @typedef {readonly (number | NestedNumbers)[]} NestedNumbers
 */

/**
 * What a typed array really is, whatever a subclass says of itself.
 *
 * @param {string | symbol} name
 * @returns {(value: unknown) => any}
 */
const innate = (name) => {
  const { get } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Float32Array.prototype), name) ?? {};
  return (value) => get?.call(value);
};
const kindOf = innate(Symbol.toStringTag); // undefined for what is no typed array
const lengthOf = innate('length');
const bufferOf = innate('buffer');
const offsetOf = innate('byteOffset');

/**
 * @param {unknown} value
 * @returns {value is TypedArray}
 */
export const isTypedArray = (value) => kindOf(value) !== undefined;

/**
 * The same numbers as a plain typed array of its kind, not a copy: subclasses may change what length,
 * subarray and iteration say between two looks.
 *
 * @param {TypedArray} data
 * @returns {TypedArray}
 */
export function plainArray(data) {
  const Kind = /** @type {any} */ (globalThis)[kindOf(data)];
  const length = lengthOf(data);
  return length === 0 ? new Kind(0) : new Kind(bufferOf(data), offsetOf(data), length);
}

/**
 * The class of a typed array or buffer by name: 'Float32Array'. Unlike instanceof, this also knows
 * those of other realms, such as an iframe's.
 *
 * @param {unknown} value
 */
export const className = (value) => Object.prototype.toString.call(value).slice(8, -1);

/**
 * @param {unknown} value
 * @returns {value is ArrayBuffer}
 */
export const isBuffer = (value) =>
  className(value) === 'ArrayBuffer' || className(value) === 'SharedArrayBuffer';

/**
 * A typed array as floats: a plain view on the same memory if it has them already.
 *
 * @param {TypedArray} source
 * @param {string} [dtype] what safetensors calls it, where 16 bits are a half or a bfloat
 * @returns {Float32Array}
 */
export function toFloats(source, dtype) {
  const data = plainArray(source);
  const kind = className(data);
  if (kind === 'Float32Array') return /** @type {Float32Array} */ (data);
  if (kind === 'Uint16Array' && dtype === 'F16') {
    return Float32Array.from(/** @type {Uint16Array} */ (data), halfToFloat);
  }
  if (kind === 'Uint16Array' && dtype === 'BF16') {
    return bfloatsToFloats(/** @type {Uint16Array} */ (data));
  }
  // Number() is for the 64-bit integers, which come as BigInt.
  return Float32Array.from(/** @type {Float64Array} */ (data), Number);
}

/**
 * Numbers in arrays, flat or nested as the shape says, as floats. Lengths are checked before items are read,
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

/**
 * IEEE 754 half precision: sign 1, exponent 5, fraction 10 bits.
 *
 * @param {number} bits
 */
function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * bfloat16 is the upper half of a float32.
 *
 * @param {Uint16Array} data
 */
function bfloatsToFloats(data) {
  return new Float32Array(Uint32Array.from(data, (bits) => bits << 16).buffer);
}
