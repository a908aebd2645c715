/* See inner/plane_depthwise.h. There are two inner loops for blocks of 4 x 8 outputs:
 *
 *   shared    stride 1, dilation 1: each input row is loaded once for all output rows that it touches
 *   any       everything else: each tap loads its own input
 *
 * A block at the right or lower edge ends with the edge and computes a few outputs a second time. In rows
 * narrower than a block its two vectors overlap. */
#include "inner/plane_depthwise.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"
#include "base/sizes.h"

enum { ROWS = DEPTHWISE_ROWS, COLUMNS = DEPTHWISE_COLUMNS };

/* Stores `columns` columns of `height` rows that are narrower than a vector. sums [height, 4]. */
APART SMALL static void plane_depthwise_store_narrow(const float *sums, int32_t height, int32_t columns,
                                                     float *y, int32_t Wo) {
  for (int32_t i = 0; i < height; i++, sums += 4, y += Wo) memcpy(y, sums, sizeof(float) * (size_t)columns);
}

/* Clamps the sums of a block, and stores its columns; all of them, if the image has fewer than a vector. */
INLINE void plane_depthwise_store(const int height, const int width, const int32_t gap,
                                  const depthwise_strip *strip, v128_t sum[ROWS][2], int32_t row,
                                  int32_t column) {
  if (strip->clamp.used) {
    const v128_t low = wasm_f32x4_splat(strip->clamp.low), high = wasm_f32x4_splat(strip->clamp.high);
    for (int i = 0; i < height; i++)
      for (int v = 0; v < width; v++) sum[i][v] = clamp_vector(sum[i][v], low, high);
  }
  float *y = strip->y + (size_t)row * strip->Wo + column;
  if (width > 1 || strip->Wo >= 4) {
    for (int i = 0; i < height; i++, y += strip->Wo)
      for (int v = 0; v < width; v++) wasm_v128_store(y + v * gap, sum[i][v]);
  } else {
    float sums[ROWS * 4];
    for (int i = 0; i < height; i++) wasm_v128_store(sums + 4 * i, sum[i][0]);
    plane_depthwise_store_narrow(sums, height, strip->Wo, y, strip->Wo);
  }
}

/* ---------------------------------------------------------------------------------- shared */

/* The order of a column of taps is that of the passes below: rows 0, Rh - 1, Rh - 2, .., 0, Rh - 1, Rh - 2.
 */
void plane_depthwise_wrap(int32_t Rh, int32_t Rw, const float *weight, float *wrapped) {
  const ptrdiff_t row = (ptrdiff_t)Rw * LANES;
  for (int32_t q = 0; q < Rw; q++, weight += LANES) {
    *wrapped++ = weight[0];
    const float *tap = weight + Rh * row;
#pragma clang loop unroll(disable)
    while (tap != weight) *wrapped++ = *(tap -= row);
    *wrapped++ = weight[(Rh - 1) * row];
    *wrapped++ = weight[(Rh - 2) * row];
  }
}

/* One pass: output rows 0 .. second - 1 read input row `upper`, the others `lower`. Output row i applies the
 * taps weight[i], weight[weight_step + i], ... */
INLINE void plane_depthwise_pass(const int second, const int width, const int32_t gap, int32_t Rw,
                                 const float *upper, const float *lower, const float *weight,
                                 ptrdiff_t weight_step, v128_t sum[ROWS][2]) {
#pragma clang loop unroll(disable)
  for (const float *end = upper + Rw; upper != end; upper++, lower++, weight += weight_step) {
    v128_t x[2], below[2];
    for (int v = 0; v < width; v++) {
      x[v] = wasm_v128_load(upper + v * gap);
      below[v] = second < ROWS ? wasm_v128_load(lower + v * gap) : x[v];
    }
    for (int y = 0; y < ROWS; y++) {
      const v128_t w = wasm_v128_load32_splat(weight + y);
      for (int v = 0; v < width; v++) sum[y][v] = madd(w, y < second ? x[v] : below[v], sum[y][v]);
    }
  }
}

/* A block of ROWS rows and `width` vectors of output. Rh >= ROWS. Output row i reads input rows i .. i + Rh
 * - 1. Each pass gives every output row one of its input rows, so that all sums grow together: with few sums
 * under way each addition waits for the one before. The input rows of each pass, with R for Rh:
 *
 *     pass              0      1      2      3   4  ..  R-1
 *     output row 0      0      1      2      3   4  ..  R-1
 *     output row 1      R      1      2      3   4  ..  R-1
 *     output row 2      R     R+1     2      3   4  ..  R-1
 *     output row 3      R     R+1    R+2     3   4  ..  R-1 */
INLINE void plane_depthwise_shared(const int width, const int32_t gap, const depthwise_strip *strip,
                                   int32_t row, int32_t column) {
  const int32_t Rh = strip->Rh, Rw = strip->Rw;
  const ptrdiff_t input_row = strip->row, weight_step = Rh + ROWS - 1;
  const float *input = strip->input + row * input_row + column, *lower = input + Rh * input_row;
  /* Pass i begins with the row of taps that output row 0 applies to input row i. */
  const float *weight = strip->wrapped + Rh - 1;
  v128_t sum[ROWS][2];
  for (int i = 0; i < ROWS; i++)
    for (int v = 0; v < width; v++) sum[i][v] = wasm_f32x4_splat(strip->bias);

  plane_depthwise_pass(1, width, gap, Rw, input, lower, strip->wrapped, weight_step, sum);
  input += input_row;
  plane_depthwise_pass(2, width, gap, Rw, input, input + Rh * input_row, weight--, weight_step, sum);
  input += input_row;
  plane_depthwise_pass(3, width, gap, Rw, input, input + Rh * input_row, weight--, weight_step, sum);
#pragma clang loop unroll(disable)
  for (input += input_row; input != lower; input += input_row, weight--)
    plane_depthwise_pass(ROWS, width, gap, Rw, input, input, weight, weight_step, sum);

  plane_depthwise_store(ROWS, width, gap, strip, sum, row, column);
}

/* ------------------------------------------------------------------------------------- any */

/* A block of `height` rows and `width` vectors of output, from (row, column) on. */
INLINE void plane_depthwise_any(const int height, const int width, const int32_t gap,
                                const depthwise_strip *strip, int32_t row, int32_t column) {
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
      for (int v = 0; v < width; v++) sum[i][v] = madd(w, wasm_v128_load(in + v * gap), sum[i][v]);
  }

  plane_depthwise_store(height, width, gap, strip, sum, row, column);
}

/* ------------------------------------------------------------------------------------------ */

/* `width` vectors of columns; the second begins `gap` columns after the first. */
INLINE void plane_depthwise_block(const int height, const int width, const int32_t gap, bool shared,
                                  const depthwise_strip *strip, int32_t row, int32_t column) {
  if (height == ROWS && shared)
    plane_depthwise_shared(width, gap, strip, row, column);
  else
    plane_depthwise_any(height, width, gap, strip, row, column);
}

/* `height` rows of all columns. */
INLINE void plane_depthwise_band(const int height, bool shared, const depthwise_strip *strip, int32_t row) {
  const int32_t Wo = strip->Wo;
  if (Wo > 4 && Wo < COLUMNS) {
    /* The two vectors overlap. */
    plane_depthwise_block(height, 2, Wo - 4, shared, strip, row, 0);
    return;
  }
  int32_t x = 0;
  for (; Wo - x > 4; x += COLUMNS)
    plane_depthwise_block(height, 2, 4, shared, strip, row, min_i32(x, Wo - COLUMNS));
  if (x < Wo) plane_depthwise_block(height, 1, 4, shared, strip, row, max_i32(Wo - 4, 0));
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
  const bool shared = strip->wrapped != NULL;
  if (strip->rows < ROWS) {
    for (int32_t row = 0; row < strip->rows; row++) convolve[ROW](strip, row);
  } else {
    for (int32_t row = 0; row < strip->rows; row += ROWS)
      convolve[shared ? SHARED : ANY](strip, row + ROWS <= strip->rows ? row : strip->rows - ROWS);
  }
}
