/* Four floats at a time: WebAssembly's 128-bit SIMD. On other machines SIMDe provides the same
 * instructions. */
#ifndef DK_SIMD_H
#define DK_SIMD_H

#include <stdbool.h>

#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#else
#define SIMDE_ENABLE_NATIVE_ALIASES /* wasm_f32x4_add for simde_wasm_f32x4_add, and so on */
#include <simde/wasm/simd128.h>
#endif

/* Splats a constant that the compiler cannot see through. Otherwise V8 rebuilds it in every turn of a loop,
 * with three instructions (base/attributes.h). */
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

/* Returns acc + a * b. It is fused if the build has relaxed SIMD and the processor can fuse. */
static inline v128_t madd(v128_t a, v128_t b, v128_t acc) {
#if defined(__wasm_relaxed_simd__)
  return wasm_f32x4_relaxed_madd(a, b, acc);
#else
  return wasm_f32x4_add(acc, wasm_f32x4_mul(a, b));
#endif
}

/* Returns the sum of the lanes, in double precision. */
static inline double sum_lanes(v128_t v) {
  return (double)wasm_f32x4_extract_lane(v, 0) + (double)wasm_f32x4_extract_lane(v, 1) +
         (double)wasm_f32x4_extract_lane(v, 2) + (double)wasm_f32x4_extract_lane(v, 3);
}

/* A watch is the sum of the inputs that a transform reads. A transform spreads a non-finite input over a
 * whole tile, and can make a huge input non-finite.
 *
 * Returns true if the sum is below 2^101. No product then comes near overflow, with kernels of any usual
 * size. A non-finite input always makes the sum fail. Huge inputs do unless they cancel, for example if one
 * channel is the negative of another with values above 2^101. */
static inline bool watch_holds(v128_t watch) {
  /* Below 2^101 the product is finite, and 0 times it is 0. Else one of the lanes is NaN. */
  const v128_t infinite = wasm_f32x4_mul(wasm_f32x4_splat(0x1p27f), watch);
  const v128_t zero = wasm_f32x4_mul(wasm_f32x4_splat(0), infinite);
  return wasm_i32x4_all_true(wasm_f32x4_eq(zero, zero));
}

#endif
