/* Four floats at a time: WebAssembly's 128-bit SIMD, or SIMDe's rendering of it on other machines. */
#ifndef DK_SIMD_H
#define DK_SIMD_H

#include <stdbool.h>

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#else
#define SIMDE_ENABLE_NATIVE_ALIASES /* wasm_f32x4_add for simde_wasm_f32x4_add, and so on */
#include <simde/wasm/simd128.h>
#endif

/* A constant in every lane, hidden from the compiler: recent V8 makes vector constants that it knows
 * anew in every turn of a loop, in three instructions. */
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

#if defined(__wasm_relaxed_simd__)
enum { MADD_FUSES = 1 };
#else
enum { MADD_FUSES = 0 };
#endif

/* acc + a * b; fused where the build has relaxed SIMD and the processor fuses. */
static inline v128_t madd(v128_t a, v128_t b, v128_t acc) {
#if defined(__wasm_relaxed_simd__)
  return wasm_f32x4_relaxed_madd(a, b, acc);
#else
  return wasm_f32x4_add(acc, wasm_f32x4_mul(a, b));
#endif
}

/* Sum of the lanes, in double precision. */
static inline double sum_lanes(v128_t v) {
  return (double)wasm_f32x4_extract_lane(v, 0) + (double)wasm_f32x4_extract_lane(v, 1) +
         (double)wasm_f32x4_extract_lane(v, 2) + (double)wasm_f32x4_extract_lane(v, 3);
}

/* A watch is a sum of what a transform reads, kept because transforms spread a value that is not finite
 * over a whole tile, and turn one that is huge into one. It holds where the sum is below 2^101: with
 * kernels of any usual size no product then comes near overflowing. What is not finite always leaves a
 * sum beyond it. Huge values do unless they cancel each other: a channel that is another one's negative,
 * say, of values beyond 2^101. */
static inline bool watch_holds(v128_t watch) {
  const v128_t infinite = wasm_f32x4_mul(wasm_f32x4_splat(0x1p27f), watch);
  const v128_t zero = wasm_f32x4_mul(wasm_f32x4_splat(0), infinite); /* or NaN */
  return wasm_i32x4_all_true(wasm_f32x4_eq(zero, zero));
}

#endif
