/**
 * Unpacks a raw LZMA stream (Igor Pavlov's LZMA specification, 2015) with lc = 3, lp = 0 and pb = 0. LZMA
 * packs the WebAssembly a fifth smaller than deflate. DecompressionStream has no LZMA.
 */

const STATES = 12;
const FIRST_PROBABILITY = 1024;

/** Distances below 4 have no further bits. Each bit of distances below 128 has its own model. */
const END_OF_MODELLED_SLOTS = 14;

/**
 * @param {Uint8Array} packed
 * @param {number} size bytes of the result
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function unpackLzma(packed, size) {
  const out = new Uint8Array(size);
  const probabilities = (/** @type {number} */ count) => new Uint16Array(count).fill(FIRST_PROBABILITY);

  // the range coder
  let position = 5, range = 0xffffffff;
  let code = new DataView(packed.buffer, packed.byteOffset).getUint32(1);
  const normalise = () => {
    if (range >= 2 ** 24) return;
    range = range * 256 >>> 0;
    code = (code << 8 | packed[position++]) >>> 0;
  };
  const bit = (/** @type {Uint16Array} */ model, /** @type {number} */ i) => {
    const bound = (range >>> 11) * model[i];
    const one = code >= bound;
    if (one) {
      range -= bound;
      code -= bound;
      model[i] -= model[i] >> 5;
    } else {
      range = bound;
      model[i] += (2048 - model[i]) >> 5;
    }
    normalise();
    return one ? 1 : 0;
  };
  const directBits = (/** @type {number} */ count) => {
    let value = 0;
    for (; count > 0; count--) {
      range >>>= 1;
      const one = code >= range;
      if (one) code -= range;
      value = value << 1 | Number(one);
      normalise();
    }
    return value;
  };
  /** Reads the bits of a tree, the highest first. */
  const tree = (/** @type {Uint16Array} */ model, /** @type {number} */ bits, begin = 0) => {
    let node = 1;
    for (let i = 0; i < bits; i++) node = node << 1 | bit(model, begin + node);
    return node - (1 << bits);
  };
  /** Reads the bits of a tree, the lowest first. */
  const reverseTree = (/** @type {Uint16Array} */ model, /** @type {number} */ bits, begin = 0) => {
    let node = 1, value = 0;
    for (let i = 0; i < bits; i++) {
      const next = bit(model, begin + node);
      node = node << 1 | next;
      value |= next << i;
    }
    return value;
  };

  // the models
  const literals = probabilities(8 * 0x300);
  const [isMatch, isRepeat, isOther, isThirdOrFourth, isFourth, isLong] =
    Array.from({ length: 6 }, () => probabilities(STATES));
  const slots = probabilities(4 * 64), special = probabilities(128), align = probabilities(16);
  const lengthModel = () => ({
    choice: probabilities(2), low: probabilities(8), mid: probabilities(8), high: probabilities(256),
  });
  const matchLength = lengthModel(), repeatLength = lengthModel();

  const length = ({ choice, low, mid, high } = matchLength) => {
    if (!bit(choice, 0)) return 2 + tree(low, 3);
    return bit(choice, 1) ? 18 + tree(high, 8) : 10 + tree(mid, 3);
  };
  const distance = (/** @type {number} */ matched) => {
    const slot = tree(slots, 6, 64 * Math.min(matched - 2, 3));
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1, base = (2 | slot & 1) << bits;
    if (slot < END_OF_MODELLED_SLOTS) return base + reverseTree(special, bits, base - slot);
    return base + (directBits(bits - 4) << 4) + reverseTree(align, 4);
  };

  let state = 0, filled = 0;
  let last = [0, 0, 0, 0]; // the latest four distances
  const copy = (/** @type {number} */ count) => {
    const end = Math.min(filled + count, size);
    for (; filled < end; filled++) out[filled] = out[filled - last[0] - 1];
  };
  while (filled < size) {
    if (!bit(isMatch, state)) {
      // a literal; after a match, the byte at the latest distance predicts it
      const begin = 0x300 * ((filled > 0 ? out[filled - 1] : 0) >> 5);
      let symbol = 1;
      for (let guess = state >= 7 ? out[filled - last[0] - 1] : -1; symbol < 0x100;) {
        if (guess < 0) {
          symbol = symbol << 1 | bit(literals, begin + symbol);
        } else {
          const expected = guess >> 7 & 1;
          guess <<= 1;
          const next = bit(literals, begin + ((1 + expected) << 8) + symbol);
          symbol = symbol << 1 | next;
          if (next !== expected) guess = -1;
        }
      }
      out[filled++] = symbol;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
    } else if (!bit(isRepeat, state)) {
      // a match at a new distance
      const count = length();
      last = [distance(count), last[0], last[1], last[2]];
      state = state < 7 ? 7 : 10;
      copy(count);
    } else if (bit(isOther, state)) {
      // a match at the second, third or fourth latest distance, which becomes the latest
      const index = !bit(isThirdOrFourth, state) ? 1 : 2 + bit(isFourth, state);
      last = [last[index], ...last.filter((_, i) => i !== index)];
      const count = length(repeatLength);
      state = state < 7 ? 8 : 11;
      copy(count);
    } else if (bit(isLong, state)) {
      // a match at the latest distance
      const count = length(repeatLength);
      state = state < 7 ? 8 : 11;
      copy(count);
    } else {
      // one byte at the latest distance
      state = state < 7 ? 9 : 11;
      copy(1);
    }
  }
  return out;
}
