/* See inner/plane_depthwise.h. There are two inner loops for blocks of 4 x 8 outputs:
 *
 *   shared    stride 1, dilation 1: each input row is loaded once for all output rows that it touches
 *   any       everything else: each tap loads its own input
 *
 * A block at the right or lower edge ends with the edge and computes a few outputs a second time. Rows
 * narrower than a block are computed whole and stored in part. */
#include "inner/plane_depthwise.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"
#include "base/sizes.h"

enum { ROWS = DEPTHWISE_ROWS, COLUMNS = DEPTHWISE_COLUMNS };

/* Stores `columns` columns of `height` rows that are narrower than their block. sums [height, width]. */
APART SMALL static void plane_depthwise_store_narrow(const float *sums, int32_t height, int32_t width,
                                                     int32_t columns, float *y, int32_t Wo) {
  for (int32_t i = 0; i < height; i++, sums += width, y += Wo)
    memcpy(y, sums, sizeof(float) * (size_t)columns);
}

/* Clamps the sums of a block, and stores its columns; all `columns`, if the block is wider. */
INLINE void plane_depthwise_store(const int height, const int width, const depthwise_strip *strip,
                                  v128_t sum[ROWS][2], int32_t row, int32_t column, int32_t columns) {
  if (strip->clamp.used) {
    const v128_t low = wasm_f32x4_splat(strip->clamp.low), high = wasm_f32x4_splat(strip->clamp.high);
    for (int i = 0; i < height; i++)
      for (int v = 0; v < width; v++) sum[i][v] = clamp_vector(sum[i][v], low, high);
  }
  float *y = strip->y + (size_t)row * strip->Wo + column;
  if (columns >= 4 * width) {
    for (int i = 0; i < height; i++, y += strip->Wo)
      for (int v = 0; v < width; v++) wasm_v128_store(y + 4 * v, sum[i][v]);
  } else {
    float sums[ROWS * COLUMNS];
    for (int i = 0; i < height; i++)
      for (int v = 0; v < width; v++) wasm_v128_store(sums + 4 * (i * width + v), sum[i][v]);
    plane_depthwise_store_narrow(sums, height, 4 * width, columns, y, strip->Wo);
  }
}

/* ---------------------------------------------------------------------------------- shared */

/* Adds one input row to output rows first .. last of a block. weight is the row of taps that output row
 * `first` applies to it. Each output row below applies the row of taps above. */
INLINE void plane_depthwise_add_row(const int first, const int last, const int width, int32_t Rw,
                                    const float *input, const float *weight, v128_t sum[ROWS][2]) {
#pragma clang loop unroll(disable)
  for (const float *end = input + Rw; input != end; input++, weight += LANES) {
    v128_t x[2];
    for (int v = 0; v < width; v++) x[v] = wasm_v128_load(input + 4 * v);
    const float *tap = weight;
    for (int y = first; y <= last; y++) {
      /* Never before the first row of taps. */
      if (y > first) tap -= Rw * LANES;
      const v128_t w = wasm_v128_load32_splat(tap);
      for (int v = 0; v < width; v++) sum[y][v] = madd(w, x[v], sum[y][v]);
    }
  }
}

/* A block of ROWS rows and `width` vectors of output. Rh >= ROWS. */
INLINE void plane_depthwise_shared(const int width, const depthwise_strip *strip, int32_t row, int32_t column,
                                   int32_t columns) {
  const int32_t Rh = strip->Rh, Rw = strip->Rw;
  const float *input = strip->input + (size_t)row * strip->row + column, *weight = strip->weight;
  const size_t taps = (size_t)Rw * LANES;
  v128_t sum[ROWS][2];
  for (int i = 0; i < ROWS; i++)
    for (int v = 0; v < width; v++) sum[i][v] = wasm_f32x4_splat(strip->bias);

      /* The weights advance with the input rows until the last row of taps, and stay there. */
#define ADD_ROW(first, last)                                                                                 \
  plane_depthwise_add_row(first, last, width, Rw, input, weight, sum);                                       \
  input += strip->row
  ADD_ROW(0, 0);
  weight += taps;
  ADD_ROW(0, 1);
  weight += taps;
  ADD_ROW(0, 2);
#pragma clang loop unroll(disable)
  for (int32_t i = 3; i < Rh; i++) {
    weight += taps;
    ADD_ROW(0, 3);
  }
  ADD_ROW(1, 3);
  ADD_ROW(2, 3);
  ADD_ROW(3, 3);
#undef ADD_ROW

  plane_depthwise_store(ROWS, width, strip, sum, row, column, columns);
}

/* ------------------------------------------------------------------------------------- any */

/* A block of `height` rows and `width` vectors of output, from (row, column) on. */
INLINE void plane_depthwise_any(const int height, const int width, const depthwise_strip *strip, int32_t row,
                                int32_t column, int32_t columns) {
  const size_t row_step = (size_t)strip->stride_h * strip->row;
  const float *input = strip->input + row * row_step + column, *weight = strip->weight;
  const int32_t taps = strip->Rh * strip->Rw;
  v128_t sum[ROWS][2];
  for (int i = 0; i < height; i++)
    for (int v = 0; v < width; v++) sum[i][v] = wasm_f32x4_splat(strip->bias);

  const int32_t *offset = strip->offset;
#pragma clang loop unroll(disable)
  for (const float *end = weight + taps * LANES; weight != end; weight += LANES) {
    const v128_t w = wasm_v128_load32_splat(weight);
    const float *in = input + *offset++;
    for (int i = 0; i < height; i++, in += row_step)
      for (int v = 0; v < width; v++) sum[i][v] = madd(w, wasm_v128_load(in + 4 * v), sum[i][v]);
  }

  plane_depthwise_store(height, width, strip, sum, row, column, columns);
}

/* ------------------------------------------------------------------------------------------ */

INLINE void plane_depthwise_block(const int height, const int width, bool shared,
                                  const depthwise_strip *strip, int32_t row, int32_t column,
                                  int32_t columns) {
  if (height == ROWS && shared)
    plane_depthwise_shared(width, strip, row, column, columns);
  else
    plane_depthwise_any(height, width, strip, row, column, columns);
}

/* `height` rows of all columns. */
INLINE void plane_depthwise_band(const int height, bool shared, const depthwise_strip *strip, int32_t row) {
  const int32_t Wo = strip->Wo, last = max_i32(Wo - COLUMNS, 0);
  int32_t x = 0;
  for (; Wo - x > 4; x += COLUMNS) plane_depthwise_block(height, 2, shared, strip, row, min_i32(x, last), Wo);
  if (x < Wo) plane_depthwise_block(height, 1, shared, strip, row, max_i32(Wo - 4, 0), Wo);
}

static void plane_depthwise_one_row(const depthwise_strip *strip, int32_t row) {
  plane_depthwise_band(1, false, strip, row);
}
static void plane_depthwise_four_rows(const depthwise_strip *strip, int32_t row) {
  plane_depthwise_band(ROWS, false, strip, row);
}
static void plane_depthwise_shared_rows(const depthwise_strip *strip, int32_t row) {
  plane_depthwise_band(ROWS, true, strip, row);
}

void plane_depthwise_convolve(const depthwise_strip *strip) {
  DK_ASSERT(strip->rows >= 1 && strip->Wo >= 1 && strip->Rh >= 1 && strip->Rw >= 1);
  /* A table keeps these separate functions (base/attributes.h says why). */
  enum { ROW, ANY, SHARED };
  static void (*const convolve[])(const depthwise_strip *,
                                  int32_t) = {[ROW] = plane_depthwise_one_row,
                                              [ANY] = plane_depthwise_four_rows,
                                              [SHARED] = plane_depthwise_shared_rows};
  const bool adjacent =
      strip->stride_h == 1 && strip->stride_w == 1 && strip->dilation_h == 1 && strip->dilation_w == 1;
  const bool shared = adjacent && strip->Rh >= ROWS;
  if (strip->rows < ROWS) {
    for (int32_t row = 0; row < strip->rows; row++) convolve[ROW](strip, row);
  } else {
    for (int32_t row = 0; row < strip->rows; row += ROWS)
      convolve[shared ? SHARED : ANY](strip, row + ROWS <= strip->rows ? row : strip->rows - ROWS);
  }
}
