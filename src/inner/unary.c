/* See inner/unary.h. Each op is a function of four numbers, and a loop around it. */
#include "inner/unary.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/simd.h"
#include "inner/hard_swish.h"

/* ------------------------------------------------------------------------------------- exp */

/* x = n ln 2 + r with |r| <= ln 2 / 2. Returns e^r - 1, and 1.5 * 2^23 + n, whose lowest bits are the integer
 * n. */
INLINE v128_t unary_reduce(v128_t x, v128_t *biased) {
  const v128_t shift = steady_f32(0x1.8p23f);
  *biased = madd(x, steady_f32(0x1.715476p+0f), shift);
  const v128_t n = wasm_f32x4_sub(*biased, shift);
  /* ln 2 in two parts; the product of the first with n is exact */
  v128_t r = madd(n, steady_f32(-0x1.62e4p-1f), x);
  r = madd(n, steady_f32(-0x1.7f7d1cp-20f), r);

  /* r + r^2 (1/2 + r/6 + ...), with the coefficients that make the largest error least: 5e-9 */
  const v128_t square = wasm_f32x4_mul(r, r);
  const v128_t low = madd(r, steady_f32(0x1.5554bp-3f), steady_f32(0.5f));
  v128_t high = madd(r, steady_f32(0x1.122838p-7f), steady_f32(0x1.555486p-5f));
  high = madd(square, steady_f32(0x1.6d995ap-10f), high);
  return madd(madd(high, square, low), square, r);
}

/* 2^n for the integers n >= -126 of a biased number; 0 for -127, infinity for 128. */
INLINE v128_t unary_power_of_two(v128_t n) {
  return wasm_i32x4_add(wasm_i32x4_shl(n, 23), steady_i32(0x3f800000));
}

INLINE v128_t unary_exp4(v128_t x) {
  v128_t n;
  const v128_t rest = unary_reduce(clamp_vector(x, steady_f32(-104), steady_f32(89)), &n);
  /* 2^n may be subnormal or beyond the largest number, so it is the product of two powers. */
  const v128_t half = wasm_i32x4_shr(wasm_i32x4_sub(n, steady_i32(0x4b400000)), 1);
  const v128_t first = unary_power_of_two(half), second = unary_power_of_two(wasm_i32x4_sub(n, half));
  return wasm_f32x4_mul(madd(rest, first, first), second);
}

/* e^x - 1 for x <= 0, without cancellation. */
INLINE v128_t unary_expm1(v128_t x) {
  v128_t n;
  const v128_t rest = unary_reduce(wasm_f32x4_pmax(x, steady_f32(-80)), &n);
  const v128_t power = unary_power_of_two(n);
  return madd(rest, power, wasm_f32x4_sub(power, steady_f32(1)));
}

/* e^x in fewer steps: 0 below -87.7, and infinite above 88.4. */
INLINE v128_t unary_rough_exp4(v128_t x) {
  v128_t n;
  const v128_t rest = unary_reduce(clamp_vector(x, steady_f32(-88), steady_f32(89)), &n);
  return wasm_f32x4_mul(wasm_f32x4_add(rest, steady_f32(1)), unary_power_of_two(n));
}

/* x / (1 + e^-z): sigmoid(z), times x */
INLINE v128_t unary_gate(v128_t x, v128_t z) {
  return wasm_f32x4_div(x, wasm_f32x4_add(steady_f32(1), unary_rough_exp4(wasm_f32x4_neg(z))));
}

/* ------------------------------------------------------------------------------- log and erf */

/* x = 2^n (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); ln(1 + f) by the polynomial of Cephes' logf. */
INLINE v128_t unary_log4(v128_t x) {
  /* Subnormal numbers are scaled first. */
  const v128_t tiny = wasm_f32x4_lt(x, steady_f32(0x1p-126f));
  const v128_t scaled = wasm_v128_bitselect(wasm_f32x4_mul(x, steady_f32(0x1p24f)), x, tiny);
  const v128_t bits = wasm_i32x4_sub(scaled, steady_i32(0x3f3504f3)); /* sqrt(1/2) */
  v128_t n = wasm_f32x4_convert_i32x4(wasm_i32x4_shr(bits, 23));
  n = wasm_f32x4_sub(n, wasm_v128_and(tiny, steady_f32(24)));
  const v128_t mantissa = wasm_i32x4_add(wasm_v128_and(bits, steady_i32(0x007fffff)), steady_i32(0x3f3504f3));
  const v128_t f = wasm_f32x4_sub(mantissa, steady_f32(1)), square = wasm_f32x4_mul(f, f);

  v128_t sum = steady_f32(7.0376836292e-2f);
  sum = madd(sum, f, steady_f32(-1.1514610310e-1f));
  sum = madd(sum, f, steady_f32(1.1676998740e-1f));
  sum = madd(sum, f, steady_f32(-1.2420140846e-1f));
  sum = madd(sum, f, steady_f32(1.4249322787e-1f));
  sum = madd(sum, f, steady_f32(-1.6668057665e-1f));
  sum = madd(sum, f, steady_f32(2.0000714765e-1f));
  sum = madd(sum, f, steady_f32(-2.4999993993e-1f));
  sum = madd(sum, f, steady_f32(3.3333331174e-1f));
  sum = wasm_f32x4_mul(wasm_f32x4_mul(sum, f), square);
  sum = madd(n, steady_f32(-2.12194440e-4f), sum);
  sum = madd(square, steady_f32(-0.5f), sum);
  v128_t y = madd(n, steady_f32(0.693359375f), wasm_f32x4_add(f, sum));

  /* infinity and NaN stay, 0 gives -infinity, negative numbers give NaN */
  const v128_t infinity = steady_f32(INFINITY);
  y = wasm_v128_bitselect(y, x, wasm_f32x4_lt(x, infinity));
  y = wasm_v128_bitselect(wasm_f32x4_neg(infinity), y, wasm_f32x4_eq(x, steady_f32(0)));
  return wasm_v128_bitselect(steady_f32(NAN), y, wasm_f32x4_lt(x, steady_f32(0)));
}

/* A quotient of polynomials, as in Eigen. It is 1 to the last place from 4 on. */
INLINE v128_t unary_erf4(v128_t x) {
  x = clamp_vector(x, steady_f32(-4), steady_f32(4));
  const v128_t square = wasm_f32x4_mul(x, x);
  v128_t p = steady_f32(-2.72614225801306e-10f);
  p = madd(p, square, steady_f32(2.77068142495902e-08f));
  p = madd(p, square, steady_f32(-2.10102402082508e-06f));
  p = madd(p, square, steady_f32(-5.69250639462346e-05f));
  p = madd(p, square, steady_f32(-7.34990630326855e-04f));
  p = madd(p, square, steady_f32(-2.95459980854025e-03f));
  p = madd(p, square, steady_f32(-1.60960333262415e-02f));
  v128_t q = steady_f32(-1.45660718464996e-05f);
  q = madd(q, square, steady_f32(-2.13374055278905e-04f));
  q = madd(q, square, steady_f32(-1.68282697438203e-03f));
  q = madd(q, square, steady_f32(-7.37332916720468e-03f));
  q = madd(q, square, steady_f32(-1.42647390514189e-02f));
  return wasm_f32x4_div(wasm_f32x4_mul(x, p), q);
}

/* ------------------------------------------------------------------- the ops, four numbers each */

#define UNARY(name) INLINE v128_t unary_##name(v128_t x, v128_t first, v128_t second)
#define UNUSED ((void)first, (void)second)

UNARY(clip) { return clamp_vector(x, first, second); }
UNARY(leaky_relu) {
  UNUSED;
  return wasm_v128_bitselect(wasm_f32x4_mul(x, first), x, wasm_f32x4_lt(x, steady_f32(0)));
}
UNARY(elu) {
  UNUSED;
  return wasm_v128_bitselect(x, wasm_f32x4_mul(first, unary_expm1(x)), wasm_f32x4_gt(x, steady_f32(0)));
}
UNARY(hard_sigmoid) { return clamp_vector(madd(x, first, second), steady_f32(0), steady_f32(1)); }
UNARY(hard_swish) { return UNUSED, hard_swish(x); }
UNARY(sigmoid) { return UNUSED, unary_gate(steady_f32(1), x); }
UNARY(tanh) {
  UNUSED;
  /* tanh |x| = -t / (t + 2) with t = e^(-2|x|) - 1 */
  const v128_t t = unary_expm1(wasm_f32x4_mul(wasm_f32x4_abs(x), steady_f32(-2)));
  const v128_t y = wasm_f32x4_div(t, wasm_f32x4_add(t, steady_f32(2)));
  return wasm_v128_bitselect(x, y, steady_i32(INT32_MIN)); /* with the sign of x */
}
UNARY(silu) { return UNUSED, unary_gate(x, x); }
UNARY(gelu) {
  UNUSED;
  const v128_t half = wasm_f32x4_mul(x, steady_f32(0.5f));
  const v128_t erf = unary_erf4(wasm_f32x4_mul(x, steady_f32(0.70710678f)));
  return wasm_f32x4_mul(half, wasm_f32x4_add(steady_f32(1), erf));
}
UNARY(gelu_tanh) {
  UNUSED;
  /* (1 + tanh z) / 2 = sigmoid(2 z), with 2 z = x (p + q x^2) */
  const v128_t square = wasm_f32x4_mul(x, x);
  const v128_t slope = madd(square, steady_f32(0.0713548163f), steady_f32(1.59576912f));
  return unary_gate(x, wasm_f32x4_mul(x, slope));
}
UNARY(exp) { return UNUSED, unary_exp4(x); }
UNARY(share) { return (void)second, unary_rough_exp4(wasm_f32x4_sub(x, first)); }
UNARY(log) { return UNUSED, unary_log4(x); }
UNARY(sqrt) { return UNUSED, wasm_f32x4_sqrt(x); }
UNARY(negate) { return UNUSED, wasm_f32x4_neg(x); }
UNARY(reciprocal) { return UNUSED, wasm_f32x4_div(steady_f32(1), x); }
UNARY(abs) { return UNUSED, wasm_f32x4_abs(x); }
UNARY(erf) { return UNUSED, unary_erf4(x); }

/* ------------------------------------------------------------------------------------ loops */

typedef void (*unary_loop)(const float *p, const float *x, size_t count, float *y);

/* A loop over whole vectors: count is a multiple of 4. */
#define LOOP(name)                                                                                           \
  static void unary_##name##_loop(const float *p, const float *x, size_t count, float *y) {                  \
    const v128_t first = wasm_v128_load32_splat(p), second = wasm_v128_load32_splat(p + 1);                  \
    _Pragma("clang loop unroll(disable)") for (size_t i = 0; i < count; i += 4)                              \
        wasm_v128_store(y + i, unary_##name(wasm_v128_load(x + i), first, second));                          \
  }

LOOP(clip)
LOOP(leaky_relu)
LOOP(elu)
LOOP(hard_sigmoid)
LOOP(hard_swish)
LOOP(sigmoid)
LOOP(tanh)
LOOP(silu)
LOOP(gelu)
LOOP(gelu_tanh)
LOOP(exp)
LOOP(share)
LOOP(log)
LOOP(sqrt)
LOOP(negate)
LOOP(reciprocal)
LOOP(abs)
LOOP(erf)

static const unary_loop UNARY_LOOPS[] = {
    [DK_OP_RELU] = unary_clip_loop,
    [DK_OP_CLIP] = unary_clip_loop,
    [DK_OP_LEAKY_RELU] = unary_leaky_relu_loop,
    [DK_OP_ELU] = unary_elu_loop,
    [DK_OP_HARD_SIGMOID] = unary_hard_sigmoid_loop,
    [DK_OP_HARD_SWISH] = unary_hard_swish_loop,
    [DK_OP_SIGMOID] = unary_sigmoid_loop,
    [DK_OP_TANH] = unary_tanh_loop,
    [DK_OP_SILU] = unary_silu_loop,
    [DK_OP_GELU] = unary_gelu_loop,
    [DK_OP_GELU_TANH] = unary_gelu_tanh_loop,
    [DK_OP_EXP] = unary_exp_loop,
    [DK_OP_LOG] = unary_log_loop,
    [DK_OP_SQRT] = unary_sqrt_loop,
    [DK_OP_NEGATE] = unary_negate_loop,
    [DK_OP_RECIPROCAL] = unary_reciprocal_loop,
    [DK_OP_ABS] = unary_abs_loop,
    [DK_OP_ERF] = unary_erf_loop,
};

/* count may be any number. p: two numbers. */
SMALL APART static void unary_run(unary_loop loop, const float *p, const float *x, size_t count, float *y) {
  const size_t whole = count - count % 4;
  loop(p, x, whole, y);
  if (whole == count) return;
  /* The last one to three numbers are computed beside zeros. */
  float rest[4] = {0};
  memcpy(rest, x + whole, (count - whole) * sizeof(float));
  loop(p, rest, 4, rest);
  memcpy(y + whole, rest, (count - whole) * sizeof(float));
}

SMALL void unary_apply(dk_op op, const float *p, const float *x, size_t count, float *y) {
  DK_ASSERT(op >= DK_OP_RELU && op <= DK_OP_ERF);
  static const float RELU[2] = {0, INFINITY};
  unary_run(UNARY_LOOPS[op], op == DK_OP_RELU || !p ? RELU : p, x, count, y);
}

void exp_differences(const float *x, float most, size_t count, float *y) {
  unary_run(unary_share_loop, (float[]){most, 0}, x, count, y);
}
