/** Reads one named array of a caller, checks it and converts it to floats. */
import { guarded } from './boundary.js';
import { isArray, isObject, readList } from './check.js';
import { DynakernelError, given, nameText } from './errors.js';
import { className, plainView, toFloats } from './numbers.js';
import { findDtype } from './safetensors-types.js';
import { isLength, shapeText, sizeOf } from './shape.js';

/** @typedef {import('./numbers.js').TypedArray} TypedArray */
/** @typedef {import('./state.js').StateEntry} StateEntry */
/** @typedef {import('./state.js').StateValue} StateValue */
/** @typedef {import('./tensor.js').Tensor} Tensor */

/**
 * @typedef {object} ReadValue
 * @property {number[]} shape
 * @property {TypedArray} data a view on the caller's numbers, or a copy of a list
 * @property {string | undefined} dtype
 * @property {number | undefined} [count] the length of a list, which may not have been read
 */

/**
 * The numbers of an array as float32. It converts F64, F32, F16, BF16, F8_E4M3, F8_E5M2, whole numbers
 * and truth values. The result is always a new array.
 *
 * @param {StateValue | Tensor} value an entry of parseSafetensors or of a state dict, or a tensor
 * @returns {Float32Array<ArrayBuffer>}
 * @throws {DynakernelError} ERR_STATE if it is not such an array, or if its type cannot be converted;
 *   ERR_MEMORY
 * @example
 * const { mean } = parseSafetensors(bytes);            // dtype 'BF16'
 * const x = dk.tensor(toFloat32(mean), mean.shape);
 */
export function toFloat32(value) {
  return guarded('toFloat32', () => withMemory('the numbers', () => {
    const read = readValue('the value', value, () => true);
    checkValue('the value', read);
    const floats = toFloats(read.data, read.dtype);
    return /** @type {Float32Array<ArrayBuffer>} */ (floats === read.data ? floats.slice() : floats);
  }));
}

/**
 * Reads each property of a caller's value once. It does not check the numbers, because later getters of
 * the caller may still detach them; checkValue does.
 *
 * @param {string} name
 * @param {unknown} value
 * @param {(shape: number[]) => boolean} wanted whether numbers of this shape are needed
 * @returns {ReadValue}
 */
export function readValue(name, value, wanted) {
  const { shape, data, dtype } = isObject(value) ? value : /** @type {any} */ ({});
  const dims = readList(shape, isLength);
  const view = plainView(data);
  const count = view || !isArray(data) ? undefined : data.length;
  // A list is read only if its numbers are needed and their count is right.
  const isRead = dims !== null && wanted(dims) && count === sizeOf(dims);
  const list = isRead ? readList(data, isNumber, count) : [];
  if (!dims || !(view || (count !== undefined && list))) {
    throw new DynakernelError('ERR_STATE',
      `${nameText(name)} must be { shape, data } with a typed array, or a Tensor; got ${given(value)}`);
  }
  const numbers = view ?? Float64Array.from(/** @type {number[]} */ (list));
  return { shape: dims, data: numbers, count, dtype: typeof dtype === 'string' ? dtype : undefined };
}

const isNumber = (/** @type {unknown} */ item) => typeof item === 'number';

/**
 * Refuses numbers that cannot be converted, or whose count differs from the shape.
 *
 * @param {string} name
 * @param {ReadValue} value
 */
export function checkValue(name, { shape, data, dtype, count = data.length }) {
  const type = findDtype(dtype);
  if (type?.raw && className(data) === 'Uint8Array') {
    throw new DynakernelError('ERR_STATE', `${nameText(name)} has the type ${given(dtype).slice(1, -1)}, which ` +
      'cannot be converted; expected F64, F32, F16, BF16, F8_E4M3, F8_E5M2 or whole numbers');
  }
  if (count !== sizeOf(shape)) {
    throw new DynakernelError('ERR_STATE', `${nameText(name)} has ${count} numbers, but the shape ` +
      `${shapeText(shape)} needs ${sizeOf(shape)}`);
  }
}

/**
 * Whether a shape fits the expected one. PyTorch files store a scalar as [] or as [1].
 *
 * @param {readonly number[]} expected
 * @param {readonly number[]} shape
 */
export function fits(expected, shape) {
  const isOne = (/** @type {readonly number[]} */ dims) => dims.length <= 1 && sizeOf(dims) === 1;
  return (expected.length === shape.length && expected.every((length, i) => length === shape[i])) ||
    (isOne(expected) && isOne(shape));
}

/**
 * Whether a source's array can be loaded into an entry.
 *
 * @param {StateEntry} entry
 * @param {readonly number[]} other
 */
export const fitsEntry = ({ shape, stored = shape }, other) => fits(shape, other) || fits(stored, other);

/**
 * Runs work that allocates large arrays outside of the heap. A RangeError becomes ERR_MEMORY.
 *
 * @template Result
 * @param {string} what
 * @param {() => Result} work
 * @returns {Result}
 */
export function withMemory(what, work) {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new DynakernelError('ERR_MEMORY', `no memory outside the heap for ${what}`, { cause });
  }
}
