/* See inner/correlate.h. Register blocks have M output channels and T taps; vectors hold four pixels. A block
 * of 4 x 2 takes eight accumulators, two vectors of input and one of gradient. An iteration loads as much as
 * that of a convolution (inner/matmul.c) and needs no splats. The sums across lanes come once per block. The
 * loop over pixels must stay a loop: if it is unrolled, V8 spills the accumulators. */
#include "inner/correlate.h"

#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

enum { MOST_TAPS = 9 }; /* of a register block */

void correlate_pack(const float *g, size_t plane, int32_t rows, int32_t columns, int32_t count,
                    float *packed) {
  DK_ASSERT(count >= 1 && count <= CORRELATE_ROWS && rows >= 1 && columns >= 1);
  const int32_t whole = columns / 4, rest = columns % 4;
  const size_t step = (size_t)count * 4, row_step = step * ((columns + 3) / 4);
  for (int32_t m = 0; m < count; m++, packed += 4) {
    const float *gradient = g + m * plane;
    float *row = packed;
    for (int32_t y = 0; y < rows; y++, gradient += columns, row += row_step) {
      float *out = row;
      for (int32_t v = 0; v < whole; v++, out += step) wasm_v128_store(out, wasm_v128_load(gradient + 4 * v));
      if (!rest) continue;
      /* The rest of a row is right-aligned behind a whole vector, else left-aligned. */
      const int32_t lane = whole ? 4 - rest : 0;
      wasm_v128_store(out, wasm_f32x4_splat(0));
      memcpy(out + lane, gradient + 4 * whole, sizeof(float) * (size_t)rest);
    }
  }
}

/* The sums across lanes of a, b, c and d, one in each lane:
 *   low  = a:0+2 b:0+2 a:1+3 b:1+3
 *   high = c:0+2 d:0+2 c:1+3 d:1+3
 *   then (a b c d):0+2 + (a b c d):1+3 */
INLINE v128_t correlate_sums_across(v128_t a, v128_t b, v128_t c, v128_t d) {
  const v128_t low =
      wasm_f32x4_add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
  const v128_t high =
      wasm_f32x4_add(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
  return wasm_f32x4_add(wasm_i64x2_shuffle(low, high, 0, 2), wasm_i64x2_shuffle(low, high, 1, 3));
}

INLINE v128_t correlate_input(const float *x, bool masked, v128_t mask) {
  return masked ? wasm_v128_and(wasm_v128_load(x), mask) : wasm_v128_load(x);
}

/* Adds the products of one vector of pixels. If masked, only the pixels in mask count. */
INLINE void correlate_add(const int M, const int T, bool masked, v128_t mask, const float *g,
                          const float *const *x, v128_t sum[CORRELATE_ROWS][MOST_TAPS]) {
  /* The smaller of the two operands stays in registers. */
  if (M <= T) {
    v128_t gradient[CORRELATE_ROWS];
    for (int m = 0; m < M; m++) gradient[m] = wasm_v128_load(g + 4 * m);
    for (int t = 0; t < T; t++) {
      const v128_t input = correlate_input(x[t], masked, mask);
      for (int m = 0; m < M; m++) sum[m][t] = madd(gradient[m], input, sum[m][t]);
    }
  } else {
    v128_t input[MOST_TAPS];
    for (int t = 0; t < T; t++) input[t] = correlate_input(x[t], masked, mask);
    for (int m = 0; m < M; m++) {
      const v128_t gradient = wasm_v128_load(g + 4 * m);
      for (int t = 0; t < T; t++) sum[m][t] = madd(gradient, input[t], sum[m][t]);
    }
  }
}

/* M output channels and T taps from `tap` on. Callers pass constants for M and T. The first `repeated` taps
 * are not added. */
INLINE void correlate_block(const int M, const int T, const correlation *work, int32_t tap, int32_t repeated,
                            float *sums) {
  const int32_t whole = work->columns / 4, rest = work->columns % 4;
  /* The last vector of a row ends with the row. Gradients of pixels that an earlier vector had are zero.
   * Their inputs are masked too, because infinity times zero is NaN. */
  const v128_t mask = wasm_i32x4_gt(wasm_i32x4_make(0, 1, 2, 3), wasm_i32x4_splat(3 - rest));
  const float *g = work->g, *x[MOST_TAPS];
  v128_t sum[CORRELATE_ROWS][MOST_TAPS];
  for (int t = 0; t < T; t++) x[t] = work->x + work->offset[tap + t];
  for (int m = 0; m < M; m++)
    for (int t = 0; t < T; t++) sum[m][t] = wasm_f32x4_splat(0);

  for (int32_t row = 0; row < work->rows; row++) {
#pragma clang loop unroll(disable)
    for (int32_t v = 0; v < whole; v++) {
      correlate_add(M, T, false, mask, g, x, sum);
      g += 4 * M;
      for (int t = 0; t < T; t++) x[t] += 4;
    }
    if (rest) {
      for (int t = 0; t < T; t++) x[t] -= 4 - rest;
      correlate_add(M, T, true, mask, g, x, sum);
      g += 4 * M;
      for (int t = 0; t < T; t++) x[t] += 4 - rest;
    }
    for (int t = 0; t < T; t++) x[t] += work->x_row - 4 * whole;
  }

  /* Add up each tap's lanes for all output channels at once. */
  const v128_t zero = wasm_f32x4_splat(0);
  sums += (size_t)tap * LANES;
  for (int t = 0; t < T; t++, sums += LANES) {
    const v128_t s = correlate_sums_across(sum[0][t], M > 1 ? sum[1][t] : zero, M > 2 ? sum[2][t] : zero,
                                           M > 3 ? sum[3][t] : zero);
    if (M == 1)
      *sums += t < repeated ? 0 : wasm_f32x4_extract_lane(s, 0);
    else
      wasm_v128_store(sums, wasm_f32x4_add(wasm_v128_load(sums), s));
  }
}

static void correlate_4(const correlation *work, float *sums) {
  int32_t tap = 0;
  for (; tap + 2 <= work->taps; tap += 2) correlate_block(4, 2, work, tap, 0, sums);
  if (tap < work->taps) correlate_block(4, 1, work, tap, 0, sums);
}

static void correlate_3(const correlation *work, float *sums) {
  int32_t tap = 0;
  for (; tap + 3 <= work->taps; tap += 3) correlate_block(3, 3, work, tap, 0, sums);
  for (; tap < work->taps; tap++) correlate_block(3, 1, work, tap, 0, sums);
}

static void correlate_2(const correlation *work, float *sums) {
  int32_t tap = 0;
  for (; tap + 4 <= work->taps; tap += 4) correlate_block(2, 4, work, tap, 0, sums);
  for (; tap < work->taps; tap++) correlate_block(2, 1, work, tap, 0, sums);
}

/* Nine taps at a time (all of 3x3), or one at a time if there are fewer than nine. The last nine end with the
 * taps; the taps that they repeat are not added. */
static void correlate_1(const correlation *work, float *sums) {
  const int32_t taps = work->taps;
  for (int32_t tap = 0; taps >= 9 && tap < taps; tap += 9)
    correlate_block(1, 9, work, tap + 9 <= taps ? tap : taps - 9, tap + 9 <= taps ? 0 : tap + 9 - taps, sums);
  for (int32_t tap = 0; taps < 9 && tap < taps; tap++) correlate_block(1, 1, work, tap, 0, sums);
}

/* A table keeps these separate functions: V8 allocates registers badly in large ones. */
void correlate(const correlation *work, float *sums) {
  DK_ASSERT(work->count >= 1 && work->count <= CORRELATE_ROWS && work->columns >= 4 && work->rows >= 1);
  static void (*const by_count[])(const correlation *, float *) = {correlate_1, correlate_2, correlate_3,
                                                                   correlate_4};
  by_count[work->count - 1](work, sums);
}

void correlate_reference(const correlation *work, float *sums) {
  const int32_t vectors = (work->columns + 3) / 4;
  for (int32_t tap = 0; tap < work->taps; tap++)
    for (int32_t m = 0; m < work->count; m++) {
      double sum = 0;
      for (int32_t y = 0; y < work->rows; y++)
        for (int32_t i = 0; i < work->columns; i++) {
          /* The vector and the lane of pixel i. The last vector of a row ends with the row. */
          const int32_t v = i / 4, lane = 4 * (v + 1) > work->columns ? i - (work->columns - 4) : i % 4;
          const float g = work->g[(((size_t)y * vectors + v) * work->count + m) * 4 + lane];
          sum += (double)g * work->x[(ptrdiff_t)work->offset[tap] + (ptrdiff_t)y * work->x_row + i];
        }
      sums[tap * LANES + m] += (float)sum;
    }
}
