/**
 * The most multiply-adds that one thread of this engine can compute, and how fast it reads and copies memory. peak.c holds the loops; build.sh compiles them for
 * baseline and for relaxed SIMD.
 */

/** About 40 µs: short enough for the engine to exchange the code for an optimised version. */
const ROUNDS = 20_000;
/** Milliseconds of one measurement. */
const WINDOW = 2;
/** An f32x4 multiply-add is eight operations. */
const OPERATIONS = 8;

/** A loop of peak.c. @typedef {(rounds: number, factor: number, term: number) => number} Loop */

/**
 * @typedef {object} Exports
 * @property {WebAssembly.Memory} memory
 * @property {() => number} chains
 * @property {Loop} multiply_adds
 * @property {() => number} paired_chains
 * @property {Loop} paired_multiply_adds
 * @property {(vectors: number, count: number) => number} read_vectors
 * @property {(to: number, from: number, count: number) => void} copy_vectors
 */

/** GB/s of one thread. @typedef {{ read: number, cached: number, copy: number }} Bandwidth cached: reading from the L2 cache */

const PAGE = 65536;
const VECTOR_BYTES = 16;
/** More than the caches of most processors hold. */
const LARGE_BYTES = 96 * 2 ** 20;
/** Fits the L2 cache of most processors, and not L1. */
const SMALL_BYTES = 256 * 1024;

/**
 * Measures the peak in GFLOP/s: the best of many short measurements. The relaxed build multiplies and adds in one
 * operation, which processors without separate adders do twice as fast. The loop for engines that pair operations is
 * slower in others, so the better of both loops counts.
 *
 * @param {'baseline' | 'relaxed'} simd the build whose peak is wanted
 * @param {number} [milliseconds] for each of the two loops
 */
export async function measurePeak(simd, milliseconds = 300) {
  const c = await instantiate(simd);
  // Every chain tends to 1, so no number becomes subnormal or infinite.
  const flops = (/** @type {Loop} */ loop, /** @type {number} */ chains) =>
    ROUNDS * chains * OPERATIONS * callsPerMillisecond(() => loop(ROUNDS, 0.9999, 0.0001), milliseconds);
  return Math.max(flops(c.multiply_adds, c.chains()), flops(c.paired_multiply_adds, c.paired_chains())) / 1e6;
}

/**
 * Measures how fast one thread reads and copies memory: the best of many short measurements.
 *
 * @param {'baseline' | 'relaxed'} simd
 * @param {number} [milliseconds] for each of the three figures
 * @returns {Promise<Bandwidth>}
 */
export async function measureBandwidth(simd, milliseconds = 300) {
  const c = await instantiate(simd);
  const from = c.memory.grow(LARGE_BYTES / PAGE) * PAGE;
  const half = LARGE_BYTES / 2;
  new Float32Array(c.memory.buffer, from, LARGE_BYTES / 4).fill(1); // touches each page
  const rate = (/** @type {number} */ bytes, /** @type {() => void} */ run) =>
    (bytes * callsPerMillisecond(run, milliseconds)) / 1e6;
  return {
    read: rate(LARGE_BYTES, () => c.read_vectors(from, LARGE_BYTES / VECTOR_BYTES)),
    cached: rate(SMALL_BYTES, () => c.read_vectors(from, SMALL_BYTES / VECTOR_BYTES)),
    copy: rate(half, () => c.copy_vectors(from + half, from, half / VECTOR_BYTES)),
  };
}

/**
 * Returns the most calls per millisecond.
 *
 * @param {() => void} run
 * @param {number} milliseconds
 */
function callsPerMillisecond(run, milliseconds) {
  let most = 0;
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    const start = performance.now();
    let calls = 0;
    let time = 0;
    for (; time < WINDOW; time = performance.now() - start, calls++) run();
    most = Math.max(most, calls / time);
  }
  return most;
}

/** @param {'baseline' | 'relaxed'} simd @returns {Promise<Exports>} */
async function instantiate(simd) {
  const { instance } = await WebAssembly.instantiate(await readBuild(simd));
  return /** @type {Exports} */ (/** @type {unknown} */ (instance.exports));
}

/**
 * @param {'baseline' | 'relaxed'} build
 * @returns {Promise<BufferSource>}
 */
async function readBuild(build) {
  const address = new URL(`../../dist/bench/peak-${build}.wasm`, import.meta.url);
  if (address.protocol === 'file:') {
    const { readFile } = await import('node:fs/promises'); // Node does not fetch files
    return readFile(address);
  }
  const response = await fetch(address);
  if (!response.ok) throw new Error(`the server returned ${response.status} for ${address.pathname}`);
  return response.arrayBuffer();
}
