/* See inner/correlate.h. Register blocks of output channels x taps, vectors running over pixels: 4 x 2
 * takes eight accumulators, two vectors of input and one of gradient. A loop turn loads as much as
 * that of a convolution (inner/matmul.c) and needs no splats; what remains are the sums across lanes,
 * once per block. The loop over pixels must stay a loop: unrolled, V8 spills the accumulators. */
#include "inner/correlate.h"

#include <stdbool.h>
#include <string.h>

#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

enum { MOST_TAPS = 9 }; /* of a register block */

void correlate_pack(const float *g, size_t plane, int32_t rows, int32_t columns, int32_t count,
                    float *packed) {
  const int32_t whole = columns / 4, rest = columns % 4;
  const size_t step = (size_t)count * 4, row_step = step * ((columns + 3) / 4);
  for (int32_t m = 0; m < count; m++, packed += 4) {
    const float *from = g + m * plane;
    float *row = packed;
    for (int32_t y = 0; y < rows; y++, from += columns, row += row_step) {
      float *to = row;
      for (int32_t v = 0; v < whole; v++, to += step) wasm_v128_store(to, wasm_v128_load(from + 4 * v));
      if (!rest) continue;
      const int32_t at = whole ? 4 - rest : 0; /* right-aligned behind a whole vector */
      wasm_v128_store(to, wasm_f32x4_splat(0));
      memcpy(to + at, from + 4 * whole, sizeof(float) * (size_t)rest);
    }
  }
}

/* sum[4] -> its sums across lanes, one a lane:
 *   low  = a:0+2 b:0+2 a:1+3 b:1+3,  high likewise of c, d;  then (a b c d):0+2 + (a b c d):1+3 */
INLINE v128_t sums_across(v128_t a, v128_t b, v128_t c, v128_t d) {
  const v128_t low =
      wasm_f32x4_add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
  const v128_t high =
      wasm_f32x4_add(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
  return wasm_f32x4_add(wasm_i64x2_shuffle(low, high, 0, 2), wasm_i64x2_shuffle(low, high, 1, 3));
}

INLINE v128_t load_input(const float *x, bool masked, v128_t mask) {
  return masked ? wasm_v128_and(wasm_v128_load(x), mask) : wasm_v128_load(x);
}

/* One vector of pixels, of which all or those in mask count. */
INLINE void add_products(const int M, const int T, bool masked, v128_t mask, const float *g,
                         const float *const *x, v128_t sum[CORRELATE_ROWS][MOST_TAPS]) {
  if (M <= T) {
    v128_t gradient[CORRELATE_ROWS];
    for (int m = 0; m < M; m++) gradient[m] = wasm_v128_load(g + 4 * m);
    for (int t = 0; t < T; t++) {
      const v128_t input = load_input(x[t], masked, mask);
      for (int m = 0; m < M; m++) sum[m][t] = madd(gradient[m], input, sum[m][t]);
    }
  } else {
    v128_t input[MOST_TAPS];
    for (int t = 0; t < T; t++) input[t] = load_input(x[t], masked, mask);
    for (int m = 0; m < M; m++) {
      const v128_t gradient = wasm_v128_load(g + 4 * m);
      for (int t = 0; t < T; t++) sum[m][t] = madd(gradient, input[t], sum[m][t]);
    }
  }
}

/* T taps from tap on, of which the first repeated ones are not added, M output channels; M and T
 * are constants wherever this is inlined. */
INLINE void correlate_block(const int M, const int T, const correlation *b, int32_t tap, int32_t repeated,
                            float *sums) {
  const int32_t whole = b->columns / 4, rest = b->columns % 4;
  /* The last vector of a row ends with the row. Its gradients are zero where an earlier vector had
   * the pixel; its input too, since infinity times zero is none. */
  const v128_t mask = wasm_i32x4_gt(wasm_i32x4_make(0, 1, 2, 3), wasm_i32x4_splat(3 - rest));
  const float *g = b->g, *x[MOST_TAPS];
  v128_t sum[CORRELATE_ROWS][MOST_TAPS];
  for (int t = 0; t < T; t++) x[t] = b->x + b->offset[tap + t];
  for (int m = 0; m < M; m++)
    for (int t = 0; t < T; t++) sum[m][t] = wasm_f32x4_splat(0);

  for (int32_t row = 0; row < b->rows; row++) {
#pragma clang loop unroll(disable)
    for (int32_t v = 0; v < whole; v++) {
      add_products(M, T, false, mask, g, x, sum);
      g += 4 * M;
      for (int t = 0; t < T; t++) x[t] += 4;
    }
    if (rest) {
      for (int t = 0; t < T; t++) x[t] -= 4 - rest;
      add_products(M, T, true, mask, g, x, sum);
      g += 4 * M;
      for (int t = 0; t < T; t++) x[t] += 4 - rest;
    }
    for (int t = 0; t < T; t++) x[t] += b->x_row - 4 * whole;
  }

  const v128_t zero = wasm_f32x4_splat(0);
  sums += (size_t)tap * LANES;
  for (int t = 0; t < T; t++, sums += LANES) {
    const v128_t s =
        sums_across(sum[0][t], M > 1 ? sum[1][t] : zero, M > 2 ? sum[2][t] : zero, M > 3 ? sum[3][t] : zero);
    if (M == 1)
      *sums += t < repeated ? 0 : wasm_f32x4_extract_lane(s, 0);
    else
      wasm_v128_store(sums, wasm_f32x4_add(wasm_v128_load(sums), s));
  }
}

static void correlate4(const correlation *b, float *sums) {
  int32_t tap = 0;
  for (; tap + 2 <= b->taps; tap += 2) correlate_block(4, 2, b, tap, 0, sums);
  if (tap < b->taps) correlate_block(4, 1, b, tap, 0, sums);
}

static void correlate3(const correlation *b, float *sums) {
  int32_t tap = 0;
  for (; tap + 3 <= b->taps; tap += 3) correlate_block(3, 3, b, tap, 0, sums);
  for (; tap < b->taps; tap++) correlate_block(3, 1, b, tap, 0, sums);
}

static void correlate2(const correlation *b, float *sums) {
  int32_t tap = 0;
  for (; tap + 4 <= b->taps; tap += 4) correlate_block(2, 4, b, tap, 0, sums);
  for (; tap < b->taps; tap++) correlate_block(2, 1, b, tap, 0, sums);
}

/* Nine taps at a time (3x3 in one go), or one where there are fewer. The last ones begin early enough
 * to end with the taps; what they repeat is not added. */
static void correlate1(const correlation *b, float *sums) {
  const int32_t taps = b->taps;
  for (int32_t tap = 0; taps >= 9 && tap < taps; tap += 9)
    correlate_block(1, 9, b, tap + 9 <= taps ? tap : taps - 9, tap + 9 <= taps ? 0 : tap + 9 - taps, sums);
  for (int32_t tap = 0; taps < 9 && tap < taps; tap++) correlate_block(1, 1, b, tap, 0, sums);
}

/* Called through a table, also so that no optimiser inlines them all into one function: V8
 * allocates registers badly in large ones. */
void correlate(const correlation *work, float *sums) {
  static void (*const kernels[])(const correlation *, float *) = {correlate1, correlate2, correlate3,
                                                                  correlate4};
  kernels[work->count - 1](work, sums);
}

void correlate_reference(const correlation *work, float *sums) {
  const int32_t vectors = (work->columns + 3) / 4;
  for (int32_t tap = 0; tap < work->taps; tap++)
    for (int32_t m = 0; m < work->count; m++) {
      double sum = 0;
      for (int32_t y = 0; y < work->rows; y++)
        for (int32_t i = 0; i < work->columns; i++) {
          /* Where pixel i stands: the last vector of a row ends with it. */
          const int32_t v = i / 4, lane = 4 * (v + 1) > work->columns ? i - (work->columns - 4) : i % 4;
          const float g = work->g[(((size_t)y * vectors + v) * work->count + m) * 4 + lane];
          sum += (double)g * work->x[(ptrdiff_t)work->offset[tap] + (ptrdiff_t)y * work->x_row + i];
        }
      sums[tap * LANES + m] += (float)sum;
    }
}
