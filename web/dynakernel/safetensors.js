/**
 * Reads the safetensors format: a 64-bit header length, a JSON header with the names and places of
 * arrays, and their bytes. Numbers are little-endian, like typed arrays on all hosts of WebAssembly.
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
 * Arrays by name. `__metadata__` holds the file's strings. It is not enumerable: listing and loading see
 * the arrays only.
 *
 * @typedef {{ [name: string]: SafetensorsValue } & { readonly __metadata__: Metadata }} SafetensorsFile
 */

/** The same limit as in the format's own library. */
export const MAX_HEADER = 100_000_000;

/** @typedef {{ dtype: string, array: string, shape: number[], begin: number, end: number }} Place */

/**
 * Reads a .safetensors file. It refuses inconsistent files, as the safetensors library does. The arrays
 * are views on the given bytes if these are aligned; otherwise each is copied when its `data` is first
 * read. Floats of 16 bits are returned as bits, in a Uint16Array with dtype 'F16' or 'BF16', and floats
 * of 8 bits in a Uint8Array; toFloat32 converts both. Types without numbers in JavaScript, such as 'C64'
 * and 'F4', are returned as bytes, in a Uint8Array.
 *
 * @param {ArrayBuffer | ArrayBufferView} bytes
 * @returns {SafetensorsFile}
 * @throws {DynakernelError} ERR_SAFETENSORS if the bytes are not such a file; the message recognises
 *   PyTorch checkpoints, web pages, Git LFS pointers and other common files
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
  // bytes, header and places are checked before any array is made
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
 * A copy of the metadata, which must be strings by name.
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
 * A view on the bytes whose length is fixed, even on a resizable buffer.
 *
 * @param {unknown} bytes
 * @returns {Uint8Array}
 */
function asBytes(bytes) {
  const isFile = isBuffer(bytes) || ArrayBuffer.isView(bytes);
  if (!isFile) {
    throw refusal('expected the bytes of a file, as an ArrayBuffer or a view on one ' +
      `(await response.arrayBuffer(), readFileSync(path)); got ${given(bytes)}`);
  }
  try {
    if (isBuffer(bytes)) return new Uint8Array(bytes, 0, bytes.byteLength);
    const { buffer, byteOffset, byteLength } = bytes;
    void new Uint8Array(buffer); // throws if the buffer is detached; its views would seem empty
    return new Uint8Array(buffer, byteOffset, byteLength);
  } catch (error) {
    throw refusal('the bytes cannot be read; their buffer may be detached after a transfer to a ' +
      `worker: ${messageOf(error)}`);
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
    throw refusal(describeFile(file) || (`the header's length is given as ${length} bytes; the file has ` +
      `${file.length}, and a header has at most ${MAX_HEADER}`));
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
    const needed = bits % 8n === 0n ? `${bits / 8n} bytes` : `${bits} bits, which are not whole bytes`;
    throw refusal(`${given(name)}, ${dtype} ${given(shape)}, needs ${needed}; ` +
      `data_offsets ${given(offsets)} span ${end - begin}`);
  }
  return { dtype, array: type.array, shape, begin, end };
}

/**
 * The size of an array in bits; null for a type of unknown size. As in the format's own library, each
 * intermediate product must be below 2^64, even if a factor of 0 follows.
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
 * Refuses arrays that do not fill the file exactly, without holes and overlaps.
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
 * One array of a file. If the bytes are not aligned, the first use copies them: a caller that uses a small
 * part of a large file copies only that part.
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
  // plainView is empty if the buffer was detached or made shorter.
  const bytes = /** @type {Uint8Array} */ (plainView(file)).slice(begin, end);
  if (bytes.length === end - begin) return bytes;
  throw refusal(`the bytes of ${given(name)} are gone: the file's buffer was transferred or made shorter`);
}
