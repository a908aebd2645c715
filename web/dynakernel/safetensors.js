/**
 * The safetensors format: a 64-bit header length, a JSON header that names arrays and says where
 * they lie, and their bytes. Numbers are little-endian, as typed arrays are wherever WebAssembly
 * runs.
 */
import { guarded } from './boundary.js';
import { isArray, isListOf, isObject } from './check.js';
import { given, messageOf } from './errors.js';
import { isBuffer, plainView } from './numbers.js';
import { describeFile } from './recognise.js';
import { parseHeader, refusal } from './safetensors-header.js';
import { DTYPE_NAMES, findDtype } from './safetensors-types.js';
import { isLength } from './shape.js';

/** @typedef {import('./numbers.js').TypedArray} TypedArray */
/** @typedef {import('./safetensors-types.js').Dtype} Dtype */
/** @typedef {import('./state.js').StateValue} StateValue */

/** @typedef {{ [name: string]: string }} Metadata */

/** @typedef {StateValue & { dtype: string }} SafetensorsValue */

/**
 * Arrays by name. `__metadata__` holds the file's own strings; it is not enumerable, so that the
 * rest can be listed and loaded as it is.
 *
 * @typedef {{ [name: string]: SafetensorsValue } & { readonly __metadata__: Metadata }} SafetensorsFile
 */

/** As the format's own library has it. */
export const MAX_HEADER = 100_000_000;

/** @typedef {{ dtype: string, array: string, shape: number[], begin: number, end: number }} Place */

/**
 * Reads a .safetensors file, strictly: what does not add up is refused, as by the safetensors
 * library. The arrays are views on the given bytes if these are aligned; else each is copied when its
 * `data` is first asked for. Floats of 16 bits come as their bits, in a Uint16Array with dtype 'F16'
 * or 'BF16', those of 8 bits in a Uint8Array; toFloat32 makes numbers of them. Types that JavaScript
 * has no numbers for, such as 'C64' and 'F4', come as their bytes, in a Uint8Array.
 *
 * @param {ArrayBuffer | ArrayBufferView} bytes
 * @returns {SafetensorsFile}
 * @throws {DynakernelError} ERR_SAFETENSORS if the bytes are no such file; the message says what they
 *   are, if they look like a PyTorch checkpoint, a web page, a Git LFS pointer or the like
 * @example
 * const file = parseSafetensors(await (await fetch('model.safetensors')).arrayBuffer());
 * file['conv1.weight'].shape; // [64, 3, 7, 7]
 * file.__metadata__.format;   // 'pt'
 */
export function parseSafetensors(bytes) {
  return guarded('parseSafetensors', () => readFile(bytes));
}

/**
 * @param {unknown} bytes
 * @returns {SafetensorsFile}
 */
function readFile(bytes) {
  const file = asBytes(bytes);
  const start = 8 + headerLength(file);
  const { __metadata__: metadata, ...entries } = headerOf(file, start);
  const places = Object.entries(entries).map(([name, entry]) =>
    /** @type {const} */ ([name, readPlace(name, entry)]));
  checkPlaces(places, file.length - start);

  const arrays = Object.fromEntries(places.map(([name, place]) => [name, arrayOn(file, start, name, place)]));
  Object.defineProperty(arrays, '__metadata__', { value: readMetadata(metadata ?? {}) });
  return /** @type {any} */ (arrays);
}

/**
 * Strings by name, as a copy.
 *
 * @param {unknown} metadata
 * @returns {Metadata}
 */
export function readMetadata(metadata) {
  const isDict = isObject(metadata) && !isArray(metadata);
  const entries = isDict ? Object.entries(metadata) : [];
  if (!isDict || !entries.every(([, value]) => typeof value === 'string')) {
    throw refusal(`metadata must be an object whose values are strings; got ${given(metadata)}`);
  }
  return Object.fromEntries(entries);
}

/**
 * The bytes, by a view that does not follow a resizable buffer.
 *
 * @param {unknown} bytes
 * @returns {Uint8Array}
 */
function asBytes(bytes) {
  const isFile = isBuffer(bytes) || ArrayBuffer.isView(bytes);
  if (!isFile) {
    throw refusal('the bytes of a file are needed, as an ArrayBuffer or a view on one ' +
      `(await response.arrayBuffer(), readFileSync(path)); got ${given(bytes)}`);
  }
  try {
    if (isBuffer(bytes)) return new Uint8Array(bytes, 0, bytes.byteLength);
    const { buffer, byteOffset, byteLength } = bytes;
    void new Uint8Array(buffer); // refuses a detached buffer, on which views say that they are empty
    return new Uint8Array(buffer, byteOffset, byteLength);
  } catch (error) {
    throw refusal('the bytes cannot be read; a buffer that was transferred, to a worker perhaps, is ' +
      `detached here: ${messageOf(error)}`);
  }
}

/** @param {Uint8Array} file */
function headerLength(file) {
  if (file.length < 8) {
    const kind = describeFile(file);
    throw refusal(`the file must begin with 8 bytes of header length; it has ${file.length} bytes` +
      (kind && `: ${kind}`));
  }
  const length = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true);
  if (length > MAX_HEADER || Number(length) > file.length - 8) {
    throw refusal(describeFile(file) || (`the header is said to have ${length} bytes, but the file has ` +
      `${file.length} in all, and a header at most ${MAX_HEADER}`));
  }
  return Number(length);
}

/**
 * @param {Uint8Array} file
 * @param {number} start where the arrays begin
 */
function headerOf(file, start) {
  try {
    return parseHeader(file.subarray(8, start));
  } catch (error) {
    const kind = file[8] === 0x7b ? '' : describeFile(file); // {
    if (kind) throw refusal(kind);
    throw error;
  }
}

/**
 * @param {string} name
 * @param {any} entry
 * @returns {Place}
 */
function readPlace(name, entry) {
  const { dtype, shape, data_offsets: offsets } = entry ?? {};
  const type = findDtype(dtype);
  if (!type) {
    throw refusal(`${given(name)} must have one of the types ${DTYPE_NAMES.join(', ')}; got ${given(dtype)}`);
  }
  if (!isListOf(shape, isLength, Infinity)) {
    throw refusal(`the shape of ${given(name)} must be whole numbers; got ${given(shape)}`);
  }
  if (!isListOf(offsets, isLength) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw refusal(`data_offsets of ${given(name)} must be [begin, end]; got ${given(offsets)}`);
  }
  const [begin, end] = offsets;
  const bits = bitsOf(name, shape, type.bits);
  if (bits !== null && bits !== 8n * BigInt(end - begin)) {
    const needed = bits % 8n === 0n ? `${bits / 8n} bytes` : `${bits} bits, which are no whole bytes`;
    throw refusal(`${given(name)}, ${dtype} ${given(shape)}, needs ${needed}; ` +
      `data_offsets ${given(offsets)} span ${end - begin}`);
  }
  return { dtype, array: type.array, shape, begin, end };
}

/**
 * The size of an array, null for a type of unknown size. As in the format's own library, elements and
 * bits must be below 2^64 on the way, also if a 0 follows.
 *
 * @param {string} name
 * @param {readonly number[]} shape
 * @param {number | null} bits of an element
 */
function bitsOf(name, shape, bits) {
  let product = 1n;
  for (const factor of [...shape, bits ?? 1]) {
    product *= BigInt(factor);
    if (product >= 2n ** 64n) throw refusal(`the shape of ${given(name)} is too large: ${given(shape)}`);
  }
  return bits === null ? null : product;
}

/**
 * The arrays must fill the file to its end, without a hole and without an overlap.
 *
 * @param {(readonly [string, Place])[]} places
 * @param {number} size
 */
function checkPlaces(places, size) {
  let filled = 0;
  for (const [name, { begin, end }] of [...places].sort(([, a], [, b]) =>
    a.begin - b.begin || a.end - b.end)) {
    if (begin !== filled) {
      throw refusal(`${given(name)} begins at ${begin}, which leaves ` +
        `${begin > filled ? 'a hole' : 'an overlap'}: the array before it ends at ${filled}`);
    }
    filled = end;
  }
  if (filled !== size) {
    throw refusal(`the arrays need ${filled} bytes after the header; the file has ${size}` +
      (filled > size ? ': it is cut off' : ''));
  }
}

/**
 * One array of a file: a view, or a copy that is made when it is first asked for, so that a small
 * part of a large file costs no copy of the rest.
 *
 * @param {Uint8Array} file
 * @param {number} start where the arrays begin
 * @param {string} name
 * @param {Place} place
 * @returns {SafetensorsValue}
 */
function arrayOn(file, start, name, { dtype, array, shape, begin, end }) {
  const Type = /** @type {any} */ (globalThis)[array];
  const offset = file.byteOffset + start + begin;
  const length = (end - begin) / Type.BYTES_PER_ELEMENT;
  if (offset % Type.BYTES_PER_ELEMENT === 0) {
    return { dtype, shape, data: new Type(file.buffer, offset, length) };
  }
  /** @type {TypedArray | undefined} */
  let copy;
  return {
    dtype,
    shape,
    get data() {
      return copy ??= new Type(copyOf(file, start + begin, start + end, name).buffer);
    },
    set data(data) {
      copy = data;
    },
  };
}

/**
 * @param {Uint8Array} file
 * @param {number} begin
 * @param {number} end
 * @param {string} name
 */
function copyOf(file, begin, end, name) {
  // Once the buffer is detached or shorter, the view is empty.
  const bytes = /** @type {Uint8Array} */ (plainView(file)).slice(begin, end);
  if (bytes.length === end - begin) return bytes;
  throw refusal(`the bytes of ${given(name)} are gone: the file's buffer was transferred or made shorter`);
}
