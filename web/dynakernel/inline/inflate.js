/**
 * Inflates what deflate (RFC 1951) has packed. DecompressionStream would do, but jsdom, older engines
 * and several runtimes lack it.
 */

/** The order in which a block gives the lengths of the codes for code lengths. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Symbols from 257 on: the shortest match that each stands for, and the bits that are added to it. */
const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99,
  115, 131, 163, 195, 227, 258];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5,
  5, 0];

/** The same for distances: 1, 2, 3, 4, 5, 7, 9, 13, ... with a bit more after every second. */
const DISTANCE_BITS = Array.from({ length: 30 }, (_, symbol) => Math.max(0, (symbol >> 1) - 1));
const DISTANCES = DISTANCE_BITS.map((_, symbol) =>
  DISTANCE_BITS.slice(0, symbol).reduce((sum, bits) => sum + 2 ** bits, 1));

/**
 * How many codes have each length, and the symbols in the order of their codes.
 *
 * @typedef {{ counts: number[], symbols: number[] }} Codes
 */

/**
 * @param {number[]} lengths of each symbol's code, 0 for none
 * @returns {Codes}
 */
function codesOf(lengths) {
  const counts = Array(16).fill(0);
  for (const length of lengths) if (length > 0) counts[length]++;
  const symbols = lengths.flatMap((length, symbol) => (length > 0 ? [symbol] : []));
  return { counts, symbols: symbols.sort((one, other) => lengths[one] - lengths[other]) };
}

const FIXED_LITERALS = codesOf(Array.from({ length: 288 },
  (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)));
const FIXED_DISTANCES = codesOf(Array(30).fill(5));

/**
 * @param {Uint8Array} packed what zlib's deflateRaw gives
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function inflate(packed) {
  let place = 0;
  let bit = 0;
  let result = new Uint8Array(packed.length * 4);
  let end = 0;

  /** @param {number} count of bits, the lowest first */
  const bits = (count) => {
    let value = 0;
    for (let i = 0; i < count; i++) {
      value |= ((packed[place] >> bit) & 1) << i;
      if (++bit === 8) [bit, place] = [0, place + 1];
    }
    return value;
  };

  /** @param {Codes} codes */
  const symbol = ({ counts, symbols }) => {
    let code = 0; // less the first code of this length
    let index = 0;
    for (let length = 1; length < 16; length++) {
      code = code * 2 + bits(1);
      if (code < counts[length]) return symbols[index + code];
      index += counts[length];
      code -= counts[length];
    }
    throw new RangeError('the packed data is damaged');
  };

  /** @param {number} count of bytes for which there is room after the call */
  const reserve = (count) => {
    if (end + count <= result.length) return;
    const larger = new Uint8Array(Math.max(result.length * 2, end + count));
    larger.set(result);
    result = larger;
  };

  const stored = () => {
    if (bit > 0) [bit, place] = [0, place + 1];
    const length = packed[place] | packed[place + 1] << 8;
    reserve(length);
    result.set(packed.subarray(place + 4, place + 4 + length), end);
    place += 4 + length;
    end += length;
  };

  /** The codes that a block brings itself. */
  const readCodes = () => {
    const literals = bits(5) + 257;
    const distances = bits(5) + 1;
    const order = ORDER.slice(0, bits(4) + 4);
    const first = Array(19).fill(0);
    for (const index of order) first[index] = bits(3);
    const codes = codesOf(first);
    /** @type {number[]} */
    const lengths = [];
    while (lengths.length < literals + distances) {
      const length = symbol(codes);
      if (length < 16) lengths.push(length);
      else if (length === 16) lengths.push(...Array(3 + bits(2)).fill(lengths.at(-1)));
      else lengths.push(...Array(length === 17 ? 3 + bits(3) : 11 + bits(7)).fill(0));
    }
    return [codesOf(lengths.slice(0, literals)), codesOf(lengths.slice(literals))];
  };

  /**
   * @param {Codes} literals
   * @param {Codes} distances
   */
  const compressed = (literals, distances) => {
    for (let next = symbol(literals); next !== 256; next = symbol(literals)) {
      if (next < 256) {
        reserve(1);
        result[end++] = next;
        continue;
      }
      const length = LENGTHS[next - 257] + bits(LENGTH_BITS[next - 257]);
      const code = symbol(distances);
      const distance = DISTANCES[code] + bits(DISTANCE_BITS[code]);
      reserve(length);
      for (let i = 0; i < length; i++, end++) result[end] = result[end - distance];
    }
  };

  for (let last = 0; !last;) {
    last = bits(1);
    const kind = bits(2);
    if (kind === 0) stored();
    else if (kind === 1) compressed(FIXED_LITERALS, FIXED_DISTANCES);
    else {
      const [literals, distances] = readCodes();
      compressed(literals, distances);
    }
  }
  return result.slice(0, end);
}
