/** The number types of safetensors files. */
import { className } from './numbers.js';

/**
 * @typedef {object} Dtype
 * @property {number | null} bits of an element; null for a type that is newer than this list
 * @property {string} array the class that holds its numbers; Uint8Array for raw types
 * @property {boolean} raw whether JavaScript has no numbers of this type, and gets its bytes
 */

/** @type {{ readonly [array: string]: { readonly [dtype: string]: number } }} */
const COUNTABLE = {
  Float64Array: { F64: 64 }, BigInt64Array: { I64: 64 }, BigUint64Array: { U64: 64 },
  Float32Array: { F32: 32 }, Int32Array: { I32: 32 }, Uint32Array: { U32: 32 },
  Uint16Array: { F16: 16, BF16: 16, U16: 16 }, Int16Array: { I16: 16 },
  Uint8Array: { F8_E4M3: 8, F8_E5M2: 8, U8: 8, BOOL: 8 }, Int8Array: { I8: 8 },
};

/** @type {{ readonly [dtype: string]: number }} */
const RAW = { C64: 64, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, F6_E2M3: 6, F6_E3M2: 6, F4: 4 };

/** @type {{ readonly [dtype: string]: Dtype }} */
const DTYPES = Object.fromEntries([
  ...Object.entries(COUNTABLE).flatMap(([array, dtypes]) =>
    Object.entries(dtypes).map(([dtype, bits]) => [dtype, { bits, array, raw: false }])),
  ...Object.entries(RAW).map(([dtype, bits]) => [dtype, { bits, array: 'Uint8Array', raw: true }]),
]);

/** The names of the types, for messages. */
export const DTYPE_NAMES = Object.keys(DTYPES);

/** The pattern of type names: letters, a width, perhaps a layout, as in I4 and F8_E3M4. */
const NEWER = /^[A-Z]{1,4}(1|2|4|6|8|16|32|64|128)(_[A-Z0-9]{1,16})?$/;

/**
 * The type of this name; undefined if the value cannot name a type.
 *
 * @param {unknown} name
 * @returns {Dtype | undefined}
 */
export function findDtype(name) {
  if (typeof name !== 'string') return undefined;
  if (Object.hasOwn(DTYPES, name)) return DTYPES[name];
  return NEWER.test(name) ? { bits: null, array: 'Uint8Array', raw: true } : undefined;
}

/**
 * The type of a typed array without a dtype. Only a dtype makes 16 bits a float, or a byte a truth value.
 *
 * @param {unknown} data
 * @returns {string}
 */
export function dtypeOf(data) {
  const kind = className(data);
  if (kind === 'Uint16Array') return 'U16';
  if (kind === 'Uint8Array') return 'U8';
  if (kind === 'Float16Array') return 'F16';
  return Object.keys(COUNTABLE[kind] ?? {})[0] ?? 'none';
}
