/** From a tensor's description to its numbers. */
import { decodeFloats } from '../float-formats.js';
import { given } from '../errors.js';
import { sizeOf } from '../shape.js';
import { refusal } from './refusal.js';

/** @typedef {import('../numbers.js').TypedArray} TypedArray */
/** @typedef {import('./objects.js').StoredTensor} StoredTensor */

const ARRAYS = {
  Float32Array, Float64Array, Uint16Array, BigInt64Array, BigUint64Array, Int32Array, Uint32Array, Int16Array,
  Int8Array, Uint8Array,
};

/** Floats of fewer than 32 bits, which become float32. */
const SMALL_FLOATS = ['F16', 'BF16', 'F8_E4M3', 'F8_E5M2'];

/**
 * The numbers of a tensor, contiguous. Those that lie so in the file, aligned, are a view of it.
 *
 * @param {string} name for messages
 * @param {StoredTensor} tensor
 * @param {boolean} swapped whether the file's bytes are in the other order
 * @returns {{ shape: number[], data: TypedArray, dtype?: string }}
 */
export function readTensor(name, tensor, swapped) {
  const { type, shape } = tensor;
  if (type.array === null) {
    throw refusal(`${given(name)} is of the type torch.${type.name}, which cannot be converted: ` +
      'convert it to a float type before saving');
  }
  const elements = elementsOf(name, tensor, type.array, swapped);
  const data = isContiguous(tensor)
    ? elements.subarray(tensor.offset, tensor.offset + sizeOf(shape))
    : gather(elements, tensor);
  if (SMALL_FLOATS.includes(type.dtype)) {
    return { shape: [...shape], data: decodeFloats(/** @type {Uint16Array} */ (data), type.dtype) };
  }
  return { shape: [...shape], data, ...(type.dtype === 'BOOL' ? { dtype: 'BOOL' } : {}) };
}

/**
 * The elements of the tensor's storage. Refuses a tensor that reaches beyond it.
 *
 * @param {string} name
 * @param {StoredTensor} tensor
 * @param {string} array
 * @param {boolean} swapped
 * @returns {any}
 */
function elementsOf(name, { storage, type, offset, shape, strides }, array, swapped) {
  const { bytes } = storage;
  if (bytes === null) throw refusal(`the numbers of ${given(name)} (storage ${given(storage.key)}) are not in the file`);
  const count = Math.floor(bytes.byteLength / type.bytes);
  const last = shape.reduce((sum, length, i) => sum + (length - 1) * strides[i], offset);
  if (sizeOf(shape) > 0 && last >= count) {
    throw refusal(`${given(name)} reaches beyond its storage, which has ${count} elements: ` +
      'the file is cut off or damaged');
  }
  const Type = ARRAYS[/** @type {keyof typeof ARRAYS} */ (array)];
  const aligned = bytes.byteOffset % type.bytes === 0 && !swapped;
  const used = bytes.subarray(0, count * type.bytes);
  const view = aligned ? used : used.slice();
  if (swapped) swapBytes(view, type.bytes);
  return new Type(/** @type {ArrayBuffer} */ (view.buffer), view.byteOffset, count);
}

/** @param {StoredTensor} tensor whether its elements follow each other, the last dimension innermost */
function isContiguous({ shape, strides }) {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return sizeOf(shape) === 0;
    expected *= shape[i];
  }
  return true;
}

/**
 * Copies a tensor of any strides, row by row.
 *
 * @param {any} elements
 * @param {StoredTensor} tensor
 */
function gather(elements, { offset, shape, strides }) {
  const out = new elements.constructor(sizeOf(shape));
  const index = new Array(shape.length).fill(0);
  const inner = shape.length - 1, length = shape[inner], stride = strides[inner];
  let place = offset;
  for (let i = 0; i < out.length;) {
    for (let j = 0; j < length; j++) out[i++] = elements[place + j * stride];
    // Count the outer indices up, like the digits of a number.
    for (let d = inner - 1; d >= 0; d--) {
      place += strides[d];
      if (++index[d] < shape[d]) break;
      place -= index[d] * strides[d];
      index[d] = 0;
    }
  }
  return out;
}

/**
 * Reverses the bytes of each element, in place.
 *
 * @param {Uint8Array} bytes
 * @param {number} size
 */
function swapBytes(bytes, size) {
  for (let i = 0; i + size <= bytes.length; i += size) bytes.subarray(i, i + size).reverse();
}
