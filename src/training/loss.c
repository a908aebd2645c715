/* Losses and their gradients, in one pass each. Blocks of 1,024 values are added up in float32, the blocks in
 * double. */
#include "training/loss.h"

#include <math.h>

#include "base/attributes.h"
#include "base/simd.h"

enum { BLOCK = 1024 };

typedef enum loss_kind { MSE, L1, HUBER } loss_kind;

/* ------------------------------------------------------------------------------ references */

double loss_mse_reference(const float *y, const float *target, size_t count, float *grad) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    const double d = (double)y[i] - target[i];
    sum += d * d;
    if (grad) grad[i] = (float)(2 * d / (double)count);
  }
  return sum / (double)count;
}

double loss_l1_reference(const float *y, const float *target, size_t count, float *grad) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    const double d = (double)y[i] - target[i];
    sum += fabs(d);
    if (grad) grad[i] = (float)((d > 0 ? 1 : d < 0 ? -1 : d) / (double)count); /* d may be 0 or NaN */
  }
  return sum / (double)count;
}

double loss_huber_reference(const float *y, const float *target, size_t count, double delta, float *grad) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    const double d = (double)y[i] - target[i];
    sum += fabs(d) <= delta ? d * d / 2 : delta * (fabs(d) - delta / 2);
    if (grad) grad[i] = (float)((d > delta ? delta : d < -delta ? -delta : d) / (double)count);
  }
  return sum / (double)count;
}

/* ------------------------------------------------------------------------------------ SIMD */

/* Returns the loss of four differences; *slope is its derivative. */
INLINE v128_t loss_vector(const loss_kind which, v128_t d, v128_t delta, v128_t *slope) {
  if (which == MSE) {
    *slope = wasm_f32x4_add(d, d);
    return wasm_f32x4_mul(d, d);
  }
  if (which == L1) {
    /* 1 with the sign of d; if d is 0 or NaN, d itself. */
    const v128_t sign = wasm_v128_bitselect(d, wasm_f32x4_splat(1), wasm_f32x4_splat(-0.0f));
    const v128_t zero = wasm_f32x4_splat(0);
    const v128_t ordered = wasm_v128_or(wasm_f32x4_lt(d, zero), wasm_f32x4_gt(d, zero));
    *slope = wasm_v128_bitselect(sign, d, ordered);
    return wasm_f32x4_abs(d);
  }
  /* With the slope s = d clamped to +-delta, the loss is s * (d - s / 2) on both sides. pmin and pmax return
   * their first operand if it is NaN. */
  const v128_t s = wasm_f32x4_pmax(wasm_f32x4_pmin(d, delta), wasm_f32x4_neg(delta));
  *slope = s;
  return wasm_f32x4_mul(s, wasm_f32x4_sub(d, wasm_f32x4_mul(s, wasm_f32x4_splat(0.5f))));
}

/* The sum over the values that fill whole vectors; *done is their number. */
INLINE double loss_sum_vectors(const loss_kind which, const float *y, const float *target, size_t count,
                               double delta, float *grad, size_t *done) {
  const v128_t limit = wasm_f32x4_splat((float)delta), share = wasm_f32x4_splat((float)(1 / (double)count));
  const size_t whole = count - count % 4;
  double sum = 0;
  for (size_t i = 0; i < whole;) {
    const size_t end = whole - i > BLOCK ? i + BLOCK : whole;
    v128_t block = wasm_f32x4_splat(0);
    for (; i < end; i += 4) {
      v128_t slope;
      const v128_t d = wasm_f32x4_sub(wasm_v128_load(y + i), wasm_v128_load(target + i));
      block = wasm_f32x4_add(block, loss_vector(which, d, limit, &slope));
      if (grad) wasm_v128_store(grad + i, wasm_f32x4_mul(slope, share));
    }
    sum += sum_lanes(block);
  }
  *done = whole;
  return sum;
}

/* The last one to three values go into a vector that is filled up with zeros. */
INLINE double loss_mean(const loss_kind which, const float *y, const float *target, size_t count,
                        double delta, float *grad) {
  size_t i;
  double sum = loss_sum_vectors(which, y, target, count, delta, grad, &i);
  if (i < count) {
    float rest_y[4] = {0}, rest_target[4] = {0}, slopes[4];
    v128_t slope;
    for (size_t j = i; j < count; j++) {
      rest_y[j - i] = y[j];
      rest_target[j - i] = target[j];
    }
    const v128_t d = wasm_f32x4_sub(wasm_v128_load(rest_y), wasm_v128_load(rest_target));
    sum += sum_lanes(loss_vector(which, d, wasm_f32x4_splat((float)delta), &slope));
    wasm_v128_store(slopes, wasm_f32x4_mul(slope, wasm_f32x4_splat((float)(1 / (double)count))));
    for (size_t j = i; grad && j < count; j++) grad[j] = slopes[j - i];
  }
  return sum / (double)count;
}

double dk_loss_mse(const float *y, const float *target, size_t count, float *grad) {
  return loss_mean(MSE, y, target, count, 0, grad);
}

double dk_loss_l1(const float *y, const float *target, size_t count, float *grad) {
  return loss_mean(L1, y, target, count, 0, grad);
}

double dk_loss_huber(const float *y, const float *target, size_t count, double delta, float *grad) {
  return loss_mean(HUBER, y, target, count, delta, grad);
}
