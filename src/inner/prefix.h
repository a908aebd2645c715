/* The first steps of an epilogue (inner/epilogue.h), which an inner loop applies to its sums, and the steps
 * that are left. */
#ifndef DK_PREFIX_H
#define DK_PREFIX_H

#include "base/simd.h"
#include "inner/epilogue.h"

/* The parts of a prefix, in their order. An inner loop takes some of them. */
enum {
  PREFIX_SCALE = 1, /* BATCH_NORM: scale and shift go into the kernels and the bias */
  PREFIX_ADD = 2,   /* ADD of an operand that has a value for each pixel */
  PREFIX_CLAMP = 4, /* RELU or CLIP */
};

/* y = min(max(x, low), high); NaN stays NaN. */
typedef struct clamp {
  bool used; /* false: y = x */
  float low, high;
} clamp;

typedef struct epilogue_prefix {
  const float *scale, *shift; /* of each channel; NULL: 1, 0 */
  const float *operand;       /* added: pixel p of plane (n, c) is operand[n * stride[0] + c * stride[1] + p];
                                 NULL if there is none */
  int32_t stride[2];
  clamp clamp;
  epilogue rest;
} epilogue_prefix;

/* Splits steps, which may be NULL. parts is a set of PREFIX_SCALE, PREFIX_ADD and PREFIX_CLAMP: what the
 * prefix may have. */
epilogue_prefix epilogue_split(const epilogue *steps, int32_t parts);

/* v128 of clamp.low and clamp.high -> the clamped x. Written so that NaN in x stays. */
static inline v128_t clamp_vector(v128_t x, v128_t low, v128_t high) {
  return wasm_f32x4_pmin(wasm_f32x4_pmax(x, low), high);
}

static inline float clamp_float(float x, const clamp *bounds) {
  if (!bounds->used) return x;
  x = x < bounds->low ? bounds->low : x;
  return x > bounds->high ? bounds->high : x;
}

#endif
