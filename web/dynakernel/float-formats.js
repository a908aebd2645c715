/** Decodes and encodes the 16-bit and 8-bit floats of safetensors files. */

/**
 * A layout like IEEE 754's: sign, exponent, fraction.
 *
 * @typedef {object} FloatFormat
 * @property {number} exponent bits
 * @property {number} fraction bits
 * @property {boolean} [finite] no infinity: the largest exponent has numbers and one NaN
 */

/** @type {{ readonly [dtype: string]: FloatFormat }} */
const FORMATS = {
  F16: { exponent: 5, fraction: 10 },
  BF16: { exponent: 8, fraction: 7 },
  F8_E5M2: { exponent: 5, fraction: 2 },
  F8_E4M3: { exponent: 4, fraction: 3, finite: true },
};

/**
 * Whether an array of this class holds the bits of such floats.
 *
 * @param {string} dtype
 * @param {string} kind the array's class
 */
export const isSmallFloat = (dtype, kind) => Object.hasOwn(FORMATS, dtype) &&
  kind === (dtype.startsWith('F8_') ? 'Uint8Array' : 'Uint16Array');

/**
 * Bits as float32, which has all values of these formats exactly.
 *
 * @param {ArrayLike<number>} bits
 * @param {string} dtype one of FORMATS
 * @returns {Float32Array<ArrayBuffer>}
 */
export function decodeFloats(bits, dtype) {
  const values = new Float32Array(bits.length);
  if (dtype === 'BF16') { // the upper half of a float32
    const words = new Uint32Array(values.buffer);
    for (let i = 0; i < words.length; i++) words[i] = bits[i] << 16;
    return values;
  }
  const format = FORMATS[dtype];
  for (let i = 0; i < values.length; i++) values[i] = decode(bits[i], format);
  return values;
}

/**
 * Numbers as the bits of 16-bit floats: rounded to the nearest, ties to even. Numbers beyond the largest
 * value become infinity.
 *
 * @param {ArrayLike<number>} values
 * @param {'F16' | 'BF16'} dtype
 * @returns {Uint16Array<ArrayBuffer>}
 */
export function encodeFloats(values, dtype) {
  const bits = new Uint16Array(values.length);
  const format = FORMATS[dtype];
  for (let i = 0; i < bits.length; i++) bits[i] = encode(values[i], format);
  return bits;
}

/**
 * @param {number} bits
 * @param {FloatFormat} format
 */
function decode(bits, { exponent: exponentBits, fraction: fractionBits, finite = false }) {
  const maxExponent = 2 ** exponentBits - 1;
  const bias = (maxExponent - 1) / 2;
  const sign = bits >> (exponentBits + fractionBits) ? -1 : 1;
  const exponent = (bits >> fractionBits) & maxExponent;
  const fraction = bits & (2 ** fractionBits - 1);
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - fractionBits);
  if (exponent === maxExponent) {
    if (!finite) return fraction ? NaN : sign * Infinity;
    if (fraction === 2 ** fractionBits - 1) return NaN;
  }
  return sign * (1 + fraction / 2 ** fractionBits) * 2 ** (exponent - bias);
}

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer); // the second holds sign and exponent

/**
 * @param {number} value
 * @param {FloatFormat} format of 16 bits
 */
function encode(value, { exponent: exponentBits, fraction: fractionBits }) {
  const bias = 2 ** (exponentBits - 1) - 1;
  const infinity = (2 * bias + 1) << fractionBits;
  double[0] = value;
  const sign = doubleWords[1] >>> 31 << 15;
  if (Number.isNaN(value)) return sign | infinity | 1 << (fractionBits - 1);

  // Subnormal numbers have the same unit as the smallest normal numbers.
  const exponent = Math.max(((doubleWords[1] >>> 20) & 0x7ff) - 1023, 1 - bias);
  if (exponent > bias) return sign | infinity;

  // Scale the unit to 1. Doubles from 2^52 on have no fraction: adding 2^52 rounds, ties to even.
  const scaled = Math.abs(value) * 2 ** (fractionBits - exponent);
  const rounded = scaled + 2 ** 52 - 2 ** 52;
  // The leading 1 of a normal number adds 1 to the exponent, and a carry of rounding adds 1 too.
  return sign | rounded + (exponent + bias - 1) * 2 ** fractionBits;
}
