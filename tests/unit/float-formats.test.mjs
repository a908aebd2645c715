// Floats of 16 and 8 bits: every value there and back, rounding, the ends of the range.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFloats, encodeFloats } from '../../web/dynakernel/float-formats.js';

const ALL = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

/** The value of a 16-bit float, by the definition of IEEE 754. */
function valueOf(bits, exponentBits) {
  const digits = bits.toString(2).padStart(16, '0');
  const [sign, exponent, fraction] = [digits[0], digits.slice(1, 1 + exponentBits), digits.slice(1 + exponentBits)];
  const bias = 2 ** (exponentBits - 1) - 1;
  const part = [...fraction].reduce((sum, digit, i) => sum + Number(digit) * 2 ** -(i + 1), 0);
  const scale = sign === '1' ? -1 : 1;
  if (!exponent.includes('0')) return part ? NaN : scale * Infinity;
  if (!exponent.includes('1')) return scale * part * 2 ** (1 - bias);
  return scale * (1 + part) * 2 ** (Number.parseInt(exponent, 2) - bias);
}

for (const [dtype, exponentBits, nan] of [['F16', 5, 0x7e00], ['BF16', 8, 0x7fc0]]) {
  test(`${dtype}: all 65,536 there and back`, () => {
    const values = decodeFloats(ALL, dtype);
    const back = encodeFloats(values, dtype);
    for (const bits of ALL) {
      assert.ok(Object.is(values[bits], valueOf(bits, exponentBits)), `${bits} is ${values[bits]}`);
      if (Number.isNaN(values[bits])) assert.equal(back[bits] & nan, nan, `NaN of ${bits}`);
      else assert.equal(back[bits], bits, `${values[bits]}`);
    }
  });

  test(`${dtype}: rounds to the nearer neighbour, halfway to the even one`, () => {
    const infinity = nan - (nan & -nan); // without the highest bit of the fraction
    for (let bits = 0; bits < infinity; bits++) {
      const [low, high] = [valueOf(bits, exponentBits), valueOf(bits + 1, exponentBits)];
      // infinity has the bits of the next power of two
      const next = high === Infinity ? 2 * 2 ** (2 ** (exponentBits - 1) - 1) : high;
      const middle = (low + next) / 2;
      const near = (next - low) / 1024;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const numbers = Float64Array.of(middle, -middle, middle - near, middle + near);
      assert.deepEqual([...encodeFloats(numbers, dtype)], [even, 0x8000 | even, bits, bits + 1], `${low}`);
    }
  });
}

test('F16: zeros, the ends of the range, numbers below the least', () => {
  const bits = (...values) => [...encodeFloats(values, 'F16')];
  assert.deepEqual(bits(0, -0, 1, -2), [0, 0x8000, 0x3c00, 0xc000]);
  assert.deepEqual(bits(65504, 65519.99, 65520, 1e300, Infinity, -Infinity), [0x7bff, 0x7bff, 0x7c00, 0x7c00, 0x7c00, 0xfc00]);
  assert.deepEqual(bits(2 ** -14, 2 ** -24, 2 ** -25, 2 ** -25 * 1.001, 3 * 2 ** -25, 5e-324, -5e-324),
    [0x0400, 1, 0, 1, 2, 0, 0x8000]);
  assert.deepEqual(bits(2 ** -14 - 2 ** -25), [0x0400], 'rounds up to a normal number');
});

test('BF16: the ends of the range', () => {
  const largest = (2 - 2 ** -7) * 2 ** 127;
  assert.deepEqual([...encodeFloats([largest, 3.4028234663852886e38, 1e300, 2 ** -133, 2 ** -134, 2 ** -149], 'BF16')],
    [0x7f7f, 0x7f80, 0x7f80, 1, 0, 0]);
});

test('floats of 8 bits', () => {
  const value = (dtype, ...bits) => [...decodeFloats(bits, dtype)];
  assert.deepEqual(value('F8_E4M3', 0, 0x80, 1, 7, 8, 0x38, 0xc0, 0x7e, 0xfe), [0, -0, 2 ** -9, 7 * 2 ** -9, 2 ** -6, 1, -2, 448, -448]);
  assert.deepEqual(value('F8_E4M3', 0x7f, 0xff), [NaN, NaN]);
  assert.deepEqual(value('F8_E5M2', 0, 0x80, 1, 3, 4, 0x3c, 0xc0, 0x7b), [0, -0, 2 ** -16, 3 * 2 ** -16, 2 ** -14, 1, -2, 57344]);
  assert.deepEqual(value('F8_E5M2', 0x7c, 0xfc, 0x7d, 0xff), [Infinity, -Infinity, NaN, NaN]);
});
