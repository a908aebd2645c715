/**
 * The safetensors format: a 64-bit header length, a JSON header that names arrays and says where
 * they lie, and their bytes. Numbers are little-endian, as typed arrays are wherever WebAssembly
 * runs.
 */
import { isListOf } from './check.js';
import { DynakernelError, given, messageOf } from './errors.js';
import { className, isBuffer, isTypedArray } from './numbers.js';
import { isLength, sizeOf } from './shape.js';

/** @typedef {import('./numbers.js').TypedArray} TypedArray */
/** @typedef {import('./state.js').StateValue} StateValue */

/** @typedef {{ [name: string]: string }} Metadata */

/** @typedef {StateValue & { dtype: string }} SafetensorsValue */

/**
 * Arrays by name. `__metadata__` holds the file's own strings; it is not enumerable, so that the
 * rest can be listed and loaded as it is.
 *
 * @typedef {{ [name: string]: SafetensorsValue } & { readonly __metadata__: Metadata }} SafetensorsFile
 */

const ARRAYS = /** @type {const} */ ({
  F64: Float64Array, I64: BigInt64Array, U64: BigUint64Array,
  F32: Float32Array, I32: Int32Array, U32: Uint32Array,
  F16: Uint16Array, BF16: Uint16Array, I16: Int16Array, U16: Uint16Array,
  F8_E4M3: Uint8Array, F8_E5M2: Uint8Array, I8: Int8Array, U8: Uint8Array, BOOL: Uint8Array,
});

/** @typedef {keyof typeof ARRAYS} Dtype */

/** As the format's own library has it. */
const MAX_HEADER = 100_000_000;

/** @typedef {{ dtype: Dtype, shape: number[], begin: number, end: number }} Place */

/**
 * Reads a .safetensors file, strictly: what does not add up is refused. The arrays are views on the
 * given bytes where these are aligned, copies elsewhere. 16-bit floats come as their bits, in a
 * Uint16Array with dtype 'F16' or 'BF16'.
 *
 * @param {ArrayBuffer | ArrayBufferView} bytes
 * @returns {SafetensorsFile}
 * @throws {DynakernelError} ERR_SAFETENSORS
 * @example
 * const file = parseSafetensors(await (await fetch('model.safetensors')).arrayBuffer());
 * file['conv1.weight'].shape; // [64, 3, 7, 7]
 * file.__metadata__.format;   // 'pt'
 */
export function parseSafetensors(bytes) {
  const file = asBytes(bytes);
  if (file.length < 8) {
    throw refusal(`the file must begin with 8 bytes of header length; it has ${file.length} bytes`);
  }
  const length = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true);
  if (length > MAX_HEADER || Number(length) > file.length - 8) {
    throw refusal(`the header is said to have ${length} bytes, but the file has ${file.length} ` +
      `in all, and a header at most ${MAX_HEADER}`);
  }
  const start = 8 + Number(length);
  const { __metadata__: metadata = {}, ...entries } = parseHeader(file.subarray(8, start));
  const places = Object.entries(entries).map(([name, entry]) =>
    /** @type {const} */ ([name, readPlace(name, entry)]));
  checkPlaces(places, file.length - start);

  const arrays = Object.fromEntries(places.map(([name, { dtype, shape, begin, end }]) =>
    [name, { dtype, shape, data: viewOn(file, dtype, start + begin, end - begin) }]));
  Object.defineProperty(arrays, '__metadata__', { value: readMetadata(metadata) });
  return /** @type {any} */ (arrays);
}

/**
 * Writes a .safetensors file. The same content gives the same bytes: arrays are ordered by the size
 * of their elements, so that all are aligned, then by name.
 *
 * @param {{ readonly [name: string]: { readonly shape: readonly number[], readonly data: TypedArray,
 *   readonly dtype?: string | undefined } }} dict as stateDict() and parseSafetensors answer it;
 *   values may be tensors too
 * @param {Metadata} [metadata] strings to go with it
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {DynakernelError} ERR_SAFETENSORS
 * @example
 * const file = new Blob([toSafetensors(block.stateDict(), { format: 'pt' })]);
 */
export function toSafetensors(dict, metadata = {}) {
  if (typeof dict !== 'object' || dict === null) {
    throw refusal(`a dict { name: { shape, data } } is needed; got ${given(dict)}`);
  }
  const values = Object.entries(dict)
    .map(([name, value]) => ({ name, ...readArray(name, value) }))
    .sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT || compare(a.name, b.name));

  const strings = Object.entries(readMetadata(metadata)).sort(([a], [b]) => compare(a, b));
  /** @type {[string, unknown][]} */
  const header = strings.length > 0 ? [['__metadata__', Object.fromEntries(strings)]] : [];
  let size = 0;
  for (const { name, dtype, shape, data } of values) {
    header.push([name, { dtype, shape, data_offsets: [size, size + data.byteLength] }]);
    size += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const start = Math.ceil((8 + json.length) / 8) * 8;

  const file = new Uint8Array(start + size).fill(0x20, 8, start); // the header ends in spaces
  new DataView(file.buffer).setBigUint64(0, BigInt(start - 8), true);
  file.set(json, 8);
  let offset = start;
  for (const { data } of values) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return file;
}

/** @param {string} message */
const refusal = (message) => new DynakernelError('ERR_SAFETENSORS', `safetensors: ${message}`);

/**
 * By code units: no locale changes the order.
 *
 * @param {string} a
 * @param {string} b
 */
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** @param {unknown} bytes */
function asBytes(bytes) {
  if (isBuffer(bytes)) return new Uint8Array(bytes);
  if (ArrayBuffer.isView(bytes)) {
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  throw refusal(`the bytes of a file are needed, as an ArrayBuffer or a view on one; got ${given(bytes)}`);
}

/**
 * @param {Uint8Array} bytes
 * @returns {{ [name: string]: unknown }}
 */
function parseHeader(bytes) {
  let text, header;
  try {
    // A copy, since decoders refuse views on shared memory; a byte order mark is not JSON.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.slice());
    header = JSON.parse(text);
  } catch (error) {
    throw refusal(`the header must be JSON in UTF-8: ${messageOf(error)}`);
  }
  if (!text.startsWith('{')) throw refusal('the header must be a JSON object and begin with {');
  const twice = repeatedKey(text);
  if (twice !== undefined) throw refusal(`the header has ${given(twice)} twice`);
  return header;
}

/**
 * A key that stands twice in one object of a valid JSON text. JSON.parse keeps the last silently.
 *
 * @param {string} json
 * @returns {string | undefined}
 */
function repeatedKey(json) {
  /** @type {Set<string>[]} */
  const open = []; // keys of the objects around; an array adds a set that stays empty
  for (const [token, string] of json.matchAll(/[{}[\]]|("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"/g)) {
    if (string !== undefined) {
      const key = JSON.parse(string);
      const keys = open[open.length - 1];
      if (keys.has(key)) return key;
      keys.add(key);
    } else if (token === '{' || token === '[') {
      open.push(new Set());
    } else if (token === '}' || token === ']') {
      open.pop();
    }
  }
  return undefined;
}

/**
 * @param {string} name
 * @param {any} entry
 * @returns {Place}
 */
function readPlace(name, entry) {
  const { dtype, shape, data_offsets: offsets } = entry ?? {};
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAYS, dtype)) {
    throw refusal(`${given(name)} must have one of the types ${Object.keys(ARRAYS).join(', ')}; ` +
      `got ${given(dtype)}`);
  }
  checkShape(name, shape);
  if (!isListOf(offsets, isLength) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw refusal(`data_offsets of ${given(name)} must be [begin, end]; got ${given(offsets)}`);
  }
  const kind = /** @type {Dtype} */ (dtype);
  const bytes = sizeOf(shape) * ARRAYS[kind].BYTES_PER_ELEMENT;
  const [begin, end] = offsets;
  if (end - begin !== bytes) {
    throw refusal(`${given(name)}, ${dtype} ${given(shape)}, needs ${bytes} bytes; ` +
      `data_offsets ${given(offsets)} span ${end - begin}`);
  }
  return { dtype: kind, shape, begin, end };
}

/**
 * @param {string} name
 * @param {unknown} shape
 */
function checkShape(name, shape) {
  if (isListOf(shape, isLength)) return;
  throw refusal(`the shape of ${given(name)} must be whole numbers; got ${given(shape)}`);
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
    throw refusal(`the arrays need ${filled} bytes after the header; the file has ${size}`);
  }
}

/**
 * @param {unknown} metadata
 * @returns {Metadata}
 */
function readMetadata(metadata) {
  const isDict = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata);
  if (!isDict || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw refusal(`metadata must be an object whose values are strings; got ${given(metadata)}`);
  }
  return Object.fromEntries(Object.entries(metadata));
}

/**
 * @param {Uint8Array} file
 * @param {Dtype} dtype
 * @param {number} offset
 * @param {number} bytes
 * @returns {TypedArray}
 */
function viewOn(file, dtype, offset, bytes) {
  const Type = ARRAYS[dtype];
  const aligned = (file.byteOffset + offset) % Type.BYTES_PER_ELEMENT === 0;
  const view = aligned ? file.subarray(offset, offset + bytes) : file.slice(offset, offset + bytes);
  return new Type(/** @type {ArrayBuffer} */ (view.buffer), view.byteOffset, bytes / Type.BYTES_PER_ELEMENT);
}

/**
 * @param {string} name
 * @param {any} value
 */
function readArray(name, value) {
  const { shape, data, dtype = dtypeOf(data) } = value ?? {};
  if (name === '__metadata__') throw refusal("no array can be named '__metadata__'");
  if (!isTypedArray(data) || !Array.isArray(shape)) {
    throw refusal(`${given(name)} must be { shape, data } with a typed array; got ${given(value)}`);
  }
  if (!Object.hasOwn(ARRAYS, dtype) || className(data) !== ARRAYS[/** @type {Dtype} */ (dtype)].name) {
    throw refusal(`${given(name)} holds ${given(data)}, which is not the type ${given(dtype)}`);
  }
  checkShape(name, shape);
  if (data.length !== sizeOf(shape)) {
    throw refusal(`${given(name)} has ${data.length} numbers; the shape ${given(shape)} ` +
      `needs ${sizeOf(shape)}`);
  }
  return { shape, data, dtype: /** @type {Dtype} */ (dtype) };
}

/**
 * The type that a typed array has by itself: 16 bits are a float, and a byte a truth value, only
 * where dtype says so.
 *
 * @param {unknown} data
 * @returns {string}
 */
function dtypeOf(data) {
  const kind = className(data);
  if (kind === 'Uint16Array') return 'U16';
  if (kind === 'Uint8Array') return 'U8';
  return Object.entries(ARRAYS).find(([, Type]) => Type.name === kind)?.[0] ?? 'none';
}
