/** Writes safetensors files. */
import { guarded } from './boundary.js';
import { isArray, isObject, oneOf, readList, readOptions } from './check.js';
import { DynakernelError, byteText, given } from './errors.js';
import { encodeFloats } from './float-formats.js';
import { className, plainView, toFloats } from './numbers.js';
import { flattenOptimizerState, isOptimizerState, isSetting } from './optimizer-dict.js';
import { MAX_HEADER, readMetadata } from './safetensors.js';
import { refusal } from './safetensors-header.js';
import { dtypeOf, findDtype } from './safetensors-types.js';
import { isLength, sizeOf } from './shape.js';

/** @typedef {import('./numbers.js').TypedArray} TypedArray */
/** @typedef {import('./optimizer-dict.js').OptimizerStateDict} OptimizerStateDict */
/** @typedef {import('./safetensors.js').Metadata} Metadata */

/**
 * @typedef {object} SafetensorsOptions
 * @property {'F32' | 'F16' | 'BF16'} [dtype] the type of all written floats. They are rounded to the
 *   nearest value, ties to even, and beyond the largest value to infinity. Whole numbers, truth values
 *   and an optimizer's settings and step counts keep their types (each array's own type)
 */

/** @typedef {{ name: string, shape: readonly number[], data: TypedArray, dtype: string, bytes: number }} Written */

/**
 * Writes a .safetensors file. The same content gives the same bytes: arrays are ordered by the size of
 * their elements, which aligns them, then by name. An optimizer's state dict is written flat, as from
 * stateDict({ flat: true }).
 *
 * @param {{ readonly [name: string]: { readonly shape: readonly number[], readonly data: TypedArray,
 *   readonly dtype?: string | undefined } } | OptimizerStateDict} dict as stateDict() and
 *   parseSafetensors return it; values may be tensors too
 * @param {Metadata} [metadata] strings of the file
 * @param {SafetensorsOptions} [options]
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {DynakernelError} ERR_SAFETENSORS; ERR_CONFIG for other options; ERR_MEMORY
 * @example
 * const file = new Blob([toSafetensors(block.stateDict(), { format: 'pt' })]);
 * const half = toSafetensors(block.stateDict(), {}, { dtype: 'F16' }); // half the size
 */
export function toSafetensors(dict, metadata, options) {
  return guarded('toSafetensors', () => writeDict(dict, metadata, options));
}

/**
 * @param {unknown} dict
 * @param {unknown} metadata
 * @param {unknown} options
 */
function writeDict(dict, metadata = {}, options) {
  if (!isObject(dict)) {
    throw refusal(`expected a dict { name: { shape, data } }; got ${given(dict)}`);
  }
  const { dtype } = readOptions(options, 'toSafetensors', ['dtype']);
  const floatType = dtype === undefined ? undefined : oneOf(dtype, 'toSafetensors: dtype', ['F32', 'F16', 'BF16']);
  // A caller's getters run here, each once. The checks below run after them, and find their changes.
  const read = Object.entries(isOptimizerState(dict) ? flattenOptimizerState(dict) : dict)
    .map(([name, value]) => readArray(name, value));
  const strings = Object.entries(readMetadata(metadata)).sort(([a], [b]) => compare(a, b));

  // check, convert and order
  for (const text of [...read.map(({ name }) => name), ...strings.flat()]) checkText(text);
  const values = read.map((array) => converted(checked(array), floatType))
    .sort((a, b) => b.bytes - a.bytes || compare(a.name, b.name));
  return write(values, strings);
}

/**
 * @param {readonly Written[]} values in the order of the file
 * @param {readonly [string, string][]} strings
 */
function write(values, strings) {
  // the header, with each array's place after it
  /** @type {[string, unknown][]} */
  const header = strings.length > 0 ? [['__metadata__', Object.fromEntries(strings)]] : [];
  let size = 0;
  for (const { name, dtype, shape, data } of values) {
    header.push([name, { dtype, shape, data_offsets: [size, size + data.byteLength] }]);
    size += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const start = Math.ceil((8 + json.length) / 8) * 8;
  if (start - 8 > MAX_HEADER) {
    throw refusal(`the header needs ${start - 8} bytes; at most ${MAX_HEADER} are allowed`);
  }

  // length, header filled up with spaces, arrays
  const file = allocate(start + size).fill(0x20, 8, start);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - 8), true);
  file.set(json, 8);
  let offset = start;
  for (const { data } of values) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return file;
}

/** @param {number} bytes */
function allocate(bytes) {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new DynakernelError('ERR_MEMORY', `no memory for a file of ${byteText(bytes)}`, { cause });
  }
}

/**
 * Compares code units, so the order is the same in every locale.
 *
 * @param {string} a
 * @param {string} b
 */
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** @param {string} text */
function checkText(text) {
  if (!/\p{Surrogate}/u.test(text)) return;
  throw refusal(`${given(text)} has half a surrogate pair, which names and metadata must not have`);
}

/**
 * @param {string} name
 * @param {any} value
 */
function readArray(name, value) {
  const { shape, data, dtype } = isObject(value) ? value : /** @type {any} */ ({});
  if (name === '__metadata__') throw refusal("no array can be named '__metadata__'");
  const dims = readList(shape, isLength);
  const numbers = plainView(data);
  if (!numbers || !isArray(shape)) {
    throw refusal(`${given(name)} must be { shape, data } with a typed array; got ${given(value)}` +
      nestedHint(name, value));
  }
  if (!dims) throw refusal(`the shape of ${given(name)} must be whole numbers; got ${given(shape)}`);
  return { name, shape: dims, data: numbers, dtype: dtype ?? dtypeOf(numbers) };
}

/**
 * Advice if the value is itself a state dict.
 *
 * @param {string} name
 * @param {any} value
 */
function nestedHint(name, value) {
  if (!isObject(value)) return '';
  const isNested = Object.values(value).some((inner) => isObject(inner) && plainView(inner.data));
  return isNested ? `; it looks like a state dict: put ${given(`${name}.`)} before its names` : '';
}

/**
 * @param {{ name: string, shape: number[], data: TypedArray, dtype: unknown }} array
 * @returns {Written}
 */
function checked({ name, shape, data, dtype }) {
  const type = findDtype(dtype);
  const kind = className(data);
  if (!type || (kind !== type.array && !(kind === 'Float16Array' && dtype === 'F16'))) {
    throw refusal(`${given(name)} holds ${given(data)}, which is not the type ${given(dtype)}`);
  }
  const needed = type.raw ? sizeOf(shape) * (type.bits ?? 8) / 8 : sizeOf(shape);
  if (data.length !== needed && type.bits !== null) {
    throw refusal(`${given(name)} has ${data.length} ${type.raw ? 'bytes' : 'numbers'}; the shape ` +
      `${given(shape)} needs ${needed}`);
  }
  const bytes = Math.max(1, (type.bits ?? 8) / 8);
  return { name, shape, data, dtype: /** @type {string} */ (dtype), bytes };
}

/**
 * @param {Written} array
 * @param {'F32' | 'F16' | 'BF16' | undefined} floatType
 * @returns {Written}
 */
function converted(array, floatType) {
  const isFloat = /^(F64|F32|F16|BF16|F8_E4M3|F8_E5M2)$/.test(array.dtype);
  if (floatType === undefined || !isFloat || array.dtype === floatType || isSetting(array.name)) return array;
  const { data, dtype } = array;
  // Doubles are rounded only once, directly to the result.
  if (floatType === 'F32') return { ...array, dtype: floatType, data: toFloats(data, dtype), bytes: 4 };
  const values = className(data) === 'Float64Array' ? /** @type {Float64Array} */ (data) : toFloats(data, dtype);
  return { ...array, dtype: floatType, data: encodeFloats(values, floatType), bytes: 2 };
}
