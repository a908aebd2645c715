/**
 * The most multiply-adds that one thread of this engine can compute. peak.c holds the loop; build.sh compiles it for
 * baseline and for relaxed SIMD.
 */

/** About 40 µs: short enough for the engine to exchange the code for an optimised version. */
const ROUNDS = 20_000;
/** Milliseconds of one measurement. */
const WINDOW = 2;
/** An f32x4 multiply-add is eight operations. */
const OPERATIONS = 8;

/**
 * @typedef {{ chains: () => number, multiply_adds: (rounds: number, factor: number, term: number) => number }} Exports
 */

/**
 * Measures the peak in GFLOP/s: the best of many short measurements, with separate and with fused multiply-adds.
 *
 * @param {number} [milliseconds] for each of the two builds
 */
export async function measurePeak(milliseconds = 300) {
  let peak = 0;
  for (const build of ['baseline', 'relaxed']) {
    const bytes = await readBuild(build);
    if (!WebAssembly.validate(bytes)) continue; // this engine has no relaxed SIMD
    const { instance } = await WebAssembly.instantiate(bytes);
    const exports = /** @type {Exports} */ (/** @type {unknown} */ (instance.exports));
    const operations = ROUNDS * exports.chains() * OPERATIONS;
    const end = performance.now() + milliseconds;
    while (performance.now() < end) {
      const start = performance.now();
      let calls = 0;
      let time = 0;
      // Every chain tends to 1, so no number becomes subnormal or infinite.
      for (; time < WINDOW; time = performance.now() - start, calls++) exports.multiply_adds(ROUNDS, 0.9999, 0.0001);
      peak = Math.max(peak, (calls * operations) / time / 1e6);
    }
  }
  return peak;
}

/**
 * @param {string} build 'baseline' or 'relaxed'
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
