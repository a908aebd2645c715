/** Numbers of every kind that callers bring, as float32. */
import { DynakernelError, given } from './errors.js';
import { shapeText } from './shape.js';

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
 * A typed array as floats: itself where it has them already.
 *
 * @param {TypedArray} data
 * @param {string} [dtype] what safetensors calls it, where 16 bits are a half or a bfloat
 * @returns {Float32Array}
 */
export function toFloats(data, dtype) {
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
 * Numbers in arrays, flat or nested as the shape says, as floats.
 *
 * @param {readonly unknown[]} values
 * @param {readonly number[]} shape
 */
export function flatten(values, shape) {
  /** @type {number[]} */
  const flat = [];
  const nested = values.some(Array.isArray);
  const visit = (/** @type {readonly unknown[]} */ items, /** @type {number} */ depth) => {
    if (nested && items.length !== shape[depth]) {
      throw new DynakernelError('ERR_SHAPE',
        `the data must be nested as the shape ${shapeText(shape)} says: ` +
        `an array at depth ${depth} has ${items.length} elements, not ${shape[depth] ?? 'any'}`);
    }
    const innermost = !nested || depth === shape.length - 1;
    for (let i = 0; i < items.length; i++) { // also over holes, which forEach would skip
      const item = items[i];
      if (!innermost && Array.isArray(item)) {
        visit(item, depth + 1);
      } else if (innermost && typeof item === 'number') {
        flat.push(item);
      } else {
        throw new DynakernelError('ERR_CONFIG',
          `the data must be numbers, flat or nested as the shape ${shapeText(shape)} says; ` +
          `element ${flat.length} is ${given(item)}`);
      }
    }
  };
  visit(values, 0);
  return Float32Array.from(flat);
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
