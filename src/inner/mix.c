/* See inner/mix.h. The loops compute MIX_WIDTH weights at a time: four sums. Kernels that do not fit a cache
 * are read at the speed of memory. One stream or four are read at 30 to 34 GB/s here, where a plain loop
 * reads 36; eight streams at 21, and sixteen at 20. */
#include "inner/mix.h"

#include "base/assert.h"
#include "base/attributes.h"
#include "base/simd.h"

enum { PAIR = MIX_WIDTH * 8 }; /* values of one kernel side by side */

static void mix_store(const v128_t *sum, float *mixed) {
  for (int i = 0; i < 4; i++) wasm_v128_store(mixed + 4 * i, sum[i]);
}

/* The usual four kernels. */
static void mix_four(const float *w, size_t kernel, int32_t weights, const float *a, float *mixed) {
  const v128_t a0 = wasm_v128_load32_splat(a), a1 = wasm_v128_load32_splat(a + 1);
  const v128_t a2 = wasm_v128_load32_splat(a + 2), a3 = wasm_v128_load32_splat(a + 3);
  const float *w1 = w + kernel, *w2 = w1 + kernel, *w3 = w2 + kernel;
#pragma clang loop unroll(disable)
  for (float *const end = mixed + (size_t)weights * 8; mixed != end; mixed += 8) {
    for (int half = 0; half < 8; half += 4) {
      v128_t sum = wasm_f32x4_mul(a0, wasm_v128_load(w + half));
      sum = madd(a1, wasm_v128_load(w1 + half), sum);
      sum = madd(a2, wasm_v128_load(w2 + half), sum);
      wasm_v128_store(mixed + half, madd(a3, wasm_v128_load(w3 + half), sum));
    }
    w += 8, w1 += 8, w2 += 8, w3 += 8;
  }
}

/* Any number of kernels: `pairs` pairs of weights, the first of which begins at w. The next kernel's lie
 * `kernel` floats further, and the next pair `pair` floats. */
static void mix_many(const float *w, size_t kernel, size_t pair, int32_t pairs, int32_t K, const float *a,
                     float *mixed) {
#pragma clang loop unroll(disable)
  for (const float *const end = mixed + (size_t)pairs * PAIR; mixed != end; mixed += PAIR, w += pair) {
    v128_t sum[4];
    for (int i = 0; i < 4; i++) sum[i] = wasm_f32x4_splat(0);
    const float *next = w;
#pragma clang loop unroll(disable)
    for (const float *weight = a; weight != a + K; weight++, next += kernel) {
      const v128_t ak = wasm_v128_load32_splat(weight);
      for (int i = 0; i < 4; i++) sum[i] = madd(ak, wasm_v128_load(next + 4 * i), sum[i]);
    }
    mix_store(sum, mixed);
  }
}

/* A half h0..h15, whose bits are sign, 5 of exponent, 10 of mantissa, becomes a float that is 2^112 times
 * smaller, since its exponent has another bias:
 *
 *     15 14 .. 10 9 .. 0                 s eeeee mmmmmmmmmm
 *     31 30 .. 28 27 .. 23 22 .. 0       s 000 eeeee mmmmmmmmmm 0000000000000
 *
 * The upper 16 bits are h >> 3 (which repeats the sign) without bits 14 to 12, and the lower ones h << 13. */
static inline void mix_add_halves(v128_t ak, v128_t h, v128_t mask, v128_t *sum) {
  const v128_t upper = wasm_v128_and(wasm_i16x8_shr(h, 3), mask), lower = wasm_i16x8_shl(h, 13);
  sum[0] = madd(ak, wasm_i16x8_shuffle(lower, upper, 0, 8, 1, 9, 2, 10, 3, 11), sum[0]);
  sum[1] = madd(ak, wasm_i16x8_shuffle(lower, upper, 4, 12, 5, 13, 6, 14, 7, 15), sum[1]);
}

/* Of the 2^112, a gets one half and the sum the other: neither becomes subnormal nor overflows. */
#define MIX_HALF_SCALE 0x1p56f

/* The same of halves, w [pairs, K, MIX_WIDTH, 8]. */
static void mix_halves(const uint16_t *w, int32_t pairs, int32_t K, const float *a, float *mixed) {
  const v128_t mask = steady_i32((int32_t)0x8fff8fff), scale = steady_f32(MIX_HALF_SCALE);
#pragma clang loop unroll(disable)
  for (const float *const end = mixed + (size_t)pairs * PAIR; mixed != end; mixed += PAIR) {
    v128_t sum[4];
    for (int i = 0; i < 4; i++) sum[i] = wasm_f32x4_splat(0);
#pragma clang loop unroll(disable)
    for (const float *weight = a; weight != a + K; weight++, w += PAIR) {
      const v128_t ak = wasm_f32x4_mul(wasm_v128_load32_splat(weight), scale);
      mix_add_halves(ak, wasm_v128_load(w), mask, sum);
      mix_add_halves(ak, wasm_v128_load(w + 8), mask, sum + 2);
    }
    for (int i = 0; i < 4; i++) sum[i] = wasm_f32x4_mul(sum[i], scale);
    mix_store(sum, mixed);
  }
}

/* One weight that is not mixed with its neighbour. */
static void mix_one(const mix_kernels *kernels, int32_t i, const float *a, float *mixed) {
  const v128_t mask = wasm_i32x4_splat((int32_t)0x8fff8fff);
  const v128_t scale = wasm_f32x4_splat(kernels->floats ? 1 : MIX_HALF_SCALE);
  v128_t sum[2] = {wasm_f32x4_splat(0), wasm_f32x4_splat(0)};
#pragma clang loop unroll(disable)
  for (int32_t k = 0; k < kernels->K; k++) {
    const v128_t ak = wasm_f32x4_mul(wasm_v128_load32_splat(a + k), scale);
    const size_t at = mix_index(kernels->K, kernels->depth, !kernels->floats, k, i);
    if (kernels->floats) {
      const float *w = kernels->floats + at;
      for (int half = 0; half < 2; half++) sum[half] = madd(ak, wasm_v128_load(w + 4 * half), sum[half]);
    } else {
      mix_add_halves(ak, wasm_v128_load(kernels->halves + at), mask, sum);
    }
  }
  for (int half = 0; half < 2; half++) wasm_v128_store(mixed + 4 * half, wasm_f32x4_mul(sum[half], scale));
}

void mix(const mix_kernels *kernels, int32_t begin, int32_t count, const float *a, float *mixed) {
  const int32_t K = kernels->K, end = begin + count;
  DK_ASSERT(!kernels->floats != !kernels->halves);
  DK_ASSERT(K >= 1 && begin >= 0 && count >= 1 && end <= kernels->depth);
  const bool apart = mix_is_apart(K, !kernels->floats);
  const size_t kernel = apart ? (size_t)kernels->depth * 8 : PAIR, step = apart ? 8 : (size_t)K * 8;
  if (K == 4 && apart) {
    mix_four(kernels->floats + (size_t)begin * 8, kernel, count, a, mixed);
    return;
  }

  /* The second weight of a pair. */
  if (begin % MIX_WIDTH) {
    mix_one(kernels, begin++, a, mixed);
    mixed += 8;
  }

  /* Whole pairs. */
  const int32_t pairs = (end - begin) / MIX_WIDTH;
  if (kernels->halves)
    mix_halves(kernels->halves + (size_t)begin * step, pairs, K, a, mixed);
  else
    mix_many(kernels->floats + (size_t)begin * step, kernel, MIX_WIDTH * step, pairs, K, a, mixed);

  /* The first weight of a pair, or the last of an odd number. */
  begin += pairs * MIX_WIDTH;
  if (begin < end) mix_one(kernels, begin, a, mixed + (size_t)pairs * PAIR);
}

void mix_scale(const float *lanes, const float *each, int32_t count, float *mixed) {
  const v128_t low = wasm_v128_load(lanes), high = wasm_v128_load(lanes + 4);
#pragma clang loop unroll(disable)
  for (int32_t i = 0; i < count; i++, mixed += 8) {
    const v128_t factor = each ? wasm_v128_load32_splat(each + i) : wasm_f32x4_splat(1);
    wasm_v128_store(mixed, wasm_f32x4_mul(wasm_v128_load(mixed), wasm_f32x4_mul(low, factor)));
    wasm_v128_store(mixed + 4, wasm_f32x4_mul(wasm_v128_load(mixed + 4), wasm_f32x4_mul(high, factor)));
  }
}

/* The usual four kernels: lanes go into the weights of the sum. */
static void mix_four_scaled(const float *w, size_t kernel, int32_t count, const float *a, const v128_t *lanes,
                            const float *each, float *mixed) {
  const float *w1 = w + kernel, *w2 = w1 + kernel, *w3 = w2 + kernel;
  v128_t weights[8]; /* a[k] * lanes */
  for (int k = 0; k < 4; k++)
    for (int half = 0; half < 2; half++)
      weights[2 * k + half] = wasm_f32x4_mul(wasm_v128_load32_splat(a + k), lanes[half]);
#pragma clang loop unroll(disable)
  for (int32_t i = 0; i < count; i++) {
    const v128_t factor = each ? wasm_v128_load32_splat(each + i) : wasm_f32x4_splat(1);
    for (int half = 0; half < 2; half++) {
      const int at = half * 4;
      v128_t sum = wasm_f32x4_mul(weights[half], wasm_v128_load(w + at));
      sum = madd(weights[2 + half], wasm_v128_load(w1 + at), sum);
      sum = madd(weights[4 + half], wasm_v128_load(w2 + at), sum);
      sum = madd(weights[6 + half], wasm_v128_load(w3 + at), sum);
      wasm_v128_store(mixed + at, wasm_f32x4_mul(sum, factor));
    }
    w += 8, w1 += 8, w2 += 8, w3 += 8, mixed += 8;
  }
}

void mix_scaled(const mix_kernels *kernels, int32_t begin, int32_t count, const float *a, const float *lanes,
                const float *each, float *mixed) {
  const size_t kernel = (size_t)kernels->depth * 8;
  const float *w = kernels->floats + (size_t)begin * 8;
  const v128_t scale[2] = {wasm_v128_load(lanes), wasm_v128_load(lanes + 4)};
  DK_ASSERT(mix_is_apart(kernels->K, !kernels->floats));
  if (kernels->K == 4) {
    mix_four_scaled(w, kernel, count, a, scale, each, mixed);
    return;
  }
  for (int32_t i = 0; i < count; i++, w += 8, mixed += 8) {
    const v128_t factor = each ? wasm_v128_load32_splat(each + i) : wasm_f32x4_splat(1);
    v128_t low = wasm_f32x4_splat(0), high = low;
    const float *next = w;
#pragma clang loop unroll(disable)
    for (int32_t k = 0; k < kernels->K; k++, next += kernel) {
      const v128_t ak = wasm_v128_load32_splat(a + k);
      low = madd(ak, wasm_v128_load(next), low);
      high = madd(ak, wasm_v128_load(next + 4), high);
    }
    wasm_v128_store(mixed, wasm_f32x4_mul(low, wasm_f32x4_mul(scale[0], factor)));
    wasm_v128_store(mixed + 4, wasm_f32x4_mul(high, wasm_f32x4_mul(scale[1], factor)));
  }
}
