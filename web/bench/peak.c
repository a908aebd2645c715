/* Multiply-adds that never leave the registers, and loops that only read or copy memory: the benchmark
 * measures with them what the processor can do. */
#include <wasm_simd128.h>

/* Independent chains hide the latency of a multiply and an add. With the two operands, 12 chains fill 14 of
 * the 16 registers of x86-64; V8 keeps one of the 16 for itself. An engine that joins pairs of 128-bit
 * operations into 256-bit ones needs twice as many for that. */
enum { CHAINS = 12, PAIRED_CHAINS = 2 * CHAINS };

/* The chains' first and last values. */
static v128_t values[PAIRED_CHAINS];

static inline v128_t multiply_add(v128_t chain, v128_t factor, v128_t term) {
#if defined(__wasm_relaxed_simd__)
  return wasm_f32x4_relaxed_madd(chain, factor, term);
#else
  return wasm_f32x4_add(wasm_f32x4_mul(chain, factor), term);
#endif
}

/* In each round every chain becomes chain * factor + term. The operands are parameters because V8 would make
 * constant vectors again in each round. Returns the sum of the chains' first lanes. */
__attribute__((always_inline)) static inline float run_chains(int count, int rounds, float factor,
                                                              float term) {
  const v128_t factors = wasm_f32x4_splat(factor), terms = wasm_f32x4_splat(term);
  v128_t *ends = values;
  __asm__("" : "+r"(ends)); /* V8 15 finds no pairs at constant addresses */
  /* each chain starts with another value, so that the compiler cannot merge two of them */
#pragma clang loop unroll(disable)
  for (int i = 0; i < count; i++) ends[i] = wasm_f32x4_splat((float)(i + 1));
  /* V8 looks for pairs between adjacent loads and adjacent stores */
  v128_t chain[PAIRED_CHAINS];
#pragma clang loop unroll(full)
  for (int i = 0; i < count; i++) chain[i] = ends[i];
#pragma clang loop unroll(disable) /* a longer loop would only hide its counter */
  for (; rounds > 0; rounds--) {
#pragma clang loop unroll(full)
    for (int i = 0; i < count; i++) chain[i] = multiply_add(chain[i], factors, terms);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < count; i++) ends[i] = chain[i];
  float sum = 0;
#pragma clang loop unroll(disable)
  for (int i = 0; i < count; i++) sum += wasm_f32x4_extract_lane(ends[i], 0);
  return sum;
}

__attribute__((export_name("chains"))) int chains(void) { return CHAINS; }

__attribute__((export_name("multiply_adds"))) float multiply_adds(int rounds, float factor, float term) {
  return run_chains(CHAINS, rounds, factor, term);
}

__attribute__((export_name("paired_chains"))) int paired_chains(void) { return PAIRED_CHAINS; }

__attribute__((export_name("paired_multiply_adds"))) float paired_multiply_adds(int rounds, float factor,
                                                                                float term) {
  return run_chains(PAIRED_CHAINS, rounds, factor, term);
}

/* Reads vectors, 8 a step. Returns a sum of all, so that no read is removed. */
__attribute__((export_name("read_vectors"))) float read_vectors(const v128_t *vectors, int count) {
  v128_t sums[8];
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) sums[i] = wasm_f32x4_splat(0);
#pragma clang loop unroll(disable)
  for (int at = 0; at + 8 <= count; at += 8) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) sums[i] = wasm_f32x4_add(sums[i], vectors[at + i]);
  }
  v128_t sum = sums[0];
#pragma clang loop unroll(full)
  for (int i = 1; i < 8; i++) sum = wasm_f32x4_add(sum, sums[i]);
  return wasm_f32x4_extract_lane(sum, 0);
}

/* Copies vectors, 4 a step. */
__attribute__((export_name("copy_vectors"))) void copy_vectors(v128_t *to, const v128_t *from, int count) {
#pragma clang loop unroll(disable)
  for (int at = 0; at + 4 <= count; at += 4) {
    const v128_t a = from[at], b = from[at + 1], c = from[at + 2], d = from[at + 3];
    to[at] = a, to[at + 1] = b, to[at + 2] = c, to[at + 3] = d;
  }
}
