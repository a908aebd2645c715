/** The numbers that parameters have at first, as PyTorch draws them. */

/**
 * Writes the initial numbers of a parameter.
 *
 * @typedef {(numbers: Float32Array, random: Random) => void} Fill
 */

/** Uniform and normal numbers from a seed: Chris Doty-Humphrey's sfc32. */
export class Random {
  #state;

  /**
   * @param {number} seed 0 to 2^32 - 1
   * @param {string} name each name has numbers of its own, whatever else is drawn
   */
  constructor(seed, name) {
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    this.#state = Int32Array.of(0, seed, hash, 1);
    for (let i = 0; i < 15; i++) this.#next();
  }

  /** A whole number of 32 bits, with sign. */
  #next() {
    const state = this.#state;
    const [a, b, c] = state;
    const drawn = (a + b + state[3]++) | 0;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + drawn;
    return drawn;
  }

  /** Uniform over (-1, 1). */
  uniform() {
    return (this.#next() + 0.5) / 2 ** 31;
  }

  /** Standard normal, by Marsaglia's polar method. */
  normal() {
    for (;;) {
      const [u, v] = [this.uniform(), this.uniform()];
      const squared = u * u + v * v;
      if (squared < 1) return u * Math.sqrt(-2 * Math.log(squared) / squared);
    }
  }
}

/**
 * The same number everywhere.
 *
 * @param {number} number
 * @returns {Fill}
 */
export const constant = (number) => (numbers) => numbers.fill(number);

/**
 * Uniform over (-bound, bound).
 *
 * @param {number} bound
 * @returns {Fill}
 */
export const uniform = (bound) => (numbers, random) => {
  for (let i = 0; i < numbers.length; i++) numbers[i] = bound * random.uniform();
};

/**
 * The default of convolutions and linear layers, weights and biases: Kaiming uniform with a = sqrt(5).
 *
 * @param {number} fanIn
 */
export const layerDefault = (fanIn) => uniform(1 / Math.sqrt(fanIn));

/**
 * Kaiming uniform, for the kernels of dynamic layers.
 *
 * @param {number} fanIn
 */
export const kaimingUniform = (fanIn) => uniform(Math.sqrt(6 / fanIn));

/**
 * Kaiming normal with the gain of ReLU, for attention branches and ODConv's kernels.
 *
 * @param {number} fanOut
 * @returns {Fill}
 */
export const kaimingNormal = (fanOut) => (numbers, random) => {
  const deviation = Math.sqrt(2 / fanOut);
  for (let i = 0; i < numbers.length; i++) numbers[i] = deviation * random.normal();
};
