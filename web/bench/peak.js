/**
 * What one thread of this engine can compute at most: chains of f32x4 multiply-add that never leave the registers, in
 * a WebAssembly module assembled here.
 */

/** Independent chains hide the latency of a multiplication and an addition; with two operands they fill 14 of the 16
 * registers of x86-64, of which V8 keeps one for itself. */
const CHAINS = 12;

const I32 = 0x7f;
const F32 = 0x7d;
const V128 = 0x7b;
const CONST = [0xfd, 0x0c]; // v128.const
const ADD = [0xfd, 0xe4, 0x01]; // f32x4.add
const MUL = [0xfd, 0xe6, 0x01]; // f32x4.mul
const RELAXED_MADD = [0xfd, 0x85, 0x02]; // f32x4.relaxed_madd
const EXTRACT = [0xfd, 0x1f, 0]; // f32x4.extract_lane 0
const get = (/** @type {number} */ local) => [0x20, local];
const set = (/** @type {number} */ local) => [0x21, local];

/** @param {number} value */
const splat = (value) => [...CONST, ...new Uint8Array(new Float32Array(4).fill(value).buffer)];

/** @param {number} value */
function leb(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}

/**
 * @param {number} id
 * @param {number[]} content
 */
const section = (id, content) => [id, ...leb(content.length), ...content];

/**
 * One function, (rounds: i32) -> f32: in each round, every chain does chain = chain * a + b.
 *
 * @param {boolean} fused by relaxed SIMD
 */
function assemble(fused) {
  const a = CHAINS + 1; // local 0 is the parameter, the chains are 1 to CHAINS
  const b = CHAINS + 2;
  const chains = Array.from({ length: CHAINS }, (_, i) => i + 1);
  const step = (/** @type {number} */ chain) => fused
    ? [...get(chain), ...get(a), ...get(b), ...RELAXED_MADD, ...set(chain)]
    : [...get(chain), ...get(a), ...MUL, ...get(b), ...ADD, ...set(chain)];
  const code = [
    // Every chain starts elsewhere, lest the compiler see that they are equal; all of them tend to 1.
    ...chains.flatMap((chain) => [...splat(chain), ...set(chain)]),
    ...splat(0.9999), ...set(a), ...splat(0.0001), ...set(b),
    0x03, 0x40, // loop
    ...chains.flatMap(step),
    ...get(0), 0x41, 1, 0x6b, 0x22, 0, // rounds -= 1
    0x0d, 0, // br_if
    0x0b,
    ...get(1), ...chains.slice(1).flatMap((chain) => [...get(chain), ...ADD]), ...EXTRACT,
    0x0b,
  ];
  const body = [1, CHAINS + 2, V128, ...code];
  return new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // "\0asm", version 1
    ...section(1, [1, 0x60, 1, I32, 1, F32]),
    ...section(3, [1, 0]),
    ...section(7, [1, 4, 0x6d, 0x61, 0x64, 0x64, 0, 0]), // "madd" is function 0
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}

const ROUNDS = 20_000; // about 40 µs: short enough for the engine to exchange the code for an optimised version
const WINDOW = 2; // milliseconds

/**
 * The best that a stretch of multiply-adds reached, in GFLOP/s, fused or not.
 *
 * @param {number} [milliseconds] for each of the two
 */
export async function measurePeak(milliseconds = 300) {
  let peak = 0;
  for (const fused of [false, true]) {
    const bytes = assemble(fused);
    if (!WebAssembly.validate(bytes)) continue; // an engine without relaxed SIMD
    const { instance } = await WebAssembly.instantiate(bytes);
    const madd = /** @type {(rounds: number) => number} */ (instance.exports.madd);
    const end = performance.now() + milliseconds;
    while (performance.now() < end) {
      const start = performance.now();
      let calls = 0;
      let time = 0;
      for (; time < WINDOW; time = performance.now() - start, calls++) madd(ROUNDS);
      peak = Math.max(peak, (calls * ROUNDS * CHAINS * 8) / time / 1e6);
    }
  }
  return peak;
}
