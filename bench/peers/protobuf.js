/** Protocol Buffers, as far as writing an ONNX model needs: every field is a list of byte arrays, joined at the end. */

/** @typedef {Uint8Array[]} Field */

const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

const encoder = new TextEncoder();

/** @param {number} value whole, not negative, below 2 ** 53 */
function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}

/**
 * @param {number} field
 * @param {number} type
 */
const tag = (field, type) => varint(field * 8 + type);

/**
 * @param {number} field
 * @param {Field} content
 * @returns {Field}
 */
function delimited(field, content) {
  const length = content.reduce((sum, bytes) => sum + bytes.length, 0);
  return [Uint8Array.from([...tag(field, BYTES), ...varint(length)]), ...content];
}

/**
 * @param {number} field
 * @param {number} value
 * @returns {Field}
 */
export const integer = (field, value) => [Uint8Array.from([...tag(field, VARINT), ...varint(value)])];

/**
 * @param {number} field
 * @param {number[]} values
 * @returns {Field}
 */
export const integers = (field, values) => values.flatMap((value) => integer(field, value));

/**
 * @param {number} field
 * @param {number} value
 * @returns {Field}
 */
export const float = (field, value) =>
  [Uint8Array.from([...tag(field, FIXED32), ...new Uint8Array(Float32Array.of(value).buffer)])];

/**
 * @param {number} field
 * @param {string} value
 * @returns {Field}
 */
export const text = (field, value) => delimited(field, [encoder.encode(value)]);

/**
 * The numbers as they lie in memory, which is little-endian wherever WebAssembly runs.
 *
 * @param {number} field
 * @param {Float32Array | BigInt64Array} data
 * @returns {Field}
 */
export const tensorBytes = (field, data) =>
  delimited(field, [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);

/**
 * @param {number} field
 * @param {Field[]} fields
 * @returns {Field}
 */
export const message = (field, ...fields) => delimited(field, fields.flat());

/**
 * The outermost message, as bytes.
 *
 * @param {Field[]} fields
 */
export function join(...fields) {
  const parts = fields.flat();
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
