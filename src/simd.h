/* Four floats at a time: WebAssembly's 128-bit SIMD, or SIMDe's rendering of it on other machines. */
#ifndef DK_SIMD_H
#define DK_SIMD_H

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#else
#define SIMDE_ENABLE_NATIVE_ALIASES /* wasm_f32x4_add for simde_wasm_f32x4_add, and so on */
#include <simde/wasm/simd128.h>
#endif

/* A number in every lane, which a loop keeps in a register: constants that the engine knows, V8 of
 * late makes anew in every turn, by three instructions each. */
static inline v128_t steady_f32(float number) {
#if defined(__wasm__)
  __asm__("" : "+r"(number));
#endif
  return wasm_f32x4_splat(number);
}
static inline v128_t steady_i32(int32_t number) {
#if defined(__wasm__)
  __asm__("" : "+r"(number));
#endif
  return wasm_i32x4_splat(number);
}

/* acc + a * b; fused where the build has relaxed SIMD and the processor fuses. */
static inline v128_t madd(v128_t a, v128_t b, v128_t acc) {
#if defined(__wasm_relaxed_simd__)
  return wasm_f32x4_relaxed_madd(a, b, acc);
#else
  return wasm_f32x4_add(acc, wasm_f32x4_mul(a, b));
#endif
}

#endif
