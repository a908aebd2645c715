/* Multiply-adds that never leave the registers: the benchmark measures the processor's peak with them. */
#include <wasm_simd128.h>

/* Independent chains hide the latency of a multiply and an add. With the two operands they fill 14 of the 16
 * registers of x86-64; V8 keeps one of the 16 for itself. */
enum { CHAINS = 12 };

static inline v128_t multiply_add(v128_t chain, v128_t factor, v128_t term) {
#if defined(__wasm_relaxed_simd__)
  return wasm_f32x4_relaxed_madd(chain, factor, term);
#else
  return wasm_f32x4_add(wasm_f32x4_mul(chain, factor), term);
#endif
}

__attribute__((export_name("chains"))) int chains(void) { return CHAINS; }

/* In each round every chain becomes chain * factor + term. The operands are parameters because V8 would make
 * constant vectors again in each round. */
__attribute__((export_name("multiply_adds"))) float multiply_adds(int rounds, float factor, float term) {
  const v128_t factors = wasm_f32x4_splat(factor), terms = wasm_f32x4_splat(term);
  v128_t chain[CHAINS];
  /* each chain starts with another value, so that the compiler cannot merge two of them */
#pragma clang loop unroll(full)
  for (int i = 0; i < CHAINS; i++) chain[i] = wasm_f32x4_splat((float)(i + 1));
#pragma clang loop unroll(disable) /* a longer loop would only hide its counter */
  for (; rounds > 0; rounds--) {
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAINS; i++) chain[i] = multiply_add(chain[i], factors, terms);
  }
  /* the sum uses every chain, so that none is removed */
  v128_t sum = chain[0];
#pragma clang loop unroll(full)
  for (int i = 1; i < CHAINS; i++) sum = wasm_f32x4_add(sum, chain[i]);
  return wasm_f32x4_extract_lane(sum, 0);
}
