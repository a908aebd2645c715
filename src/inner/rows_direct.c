/* See inner/rows_direct.h. */
#include "inner/rows_direct.h"

#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/sizes.h"
#include "inner/taps.h"

/* M output channels of V vectors of columns. Callers pass constants for both. */
INLINE void rows_direct_block(const int M, const int V, const rows_direct *rows, const float *input,
                              float *y) {
  /* Start from the bias, then add all taps. */
  tap_sums sum;
  for (int m = 0; m < M; m++)
    for (int j = 0; j < V; j++)
      sum[m][j] = rows->bias ? wasm_v128_load32_splat(rows->bias + m) : wasm_f32x4_splat(0);
  add_taps(M, V, input, rows->offset, rows->weight, rows->taps, sum);

  if (rows->clamp.used) {
    const v128_t low = wasm_f32x4_splat(rows->clamp.low), high = wasm_f32x4_splat(rows->clamp.high);
    for (int m = 0; m < M; m++)
      for (int j = 0; j < V; j++) sum[m][j] = clamp_vector(sum[m][j], low, high);
  }

  if (rows->Wo >= 4 * V) {
    for (int m = 0; m < M; m++, y += rows->y_plane)
      for (int j = 0; j < V; j++) wasm_v128_store(y + 4 * j, sum[m][j]);
    return;
  }
  /* Store only the columns that exist. */
  float narrow[TAPS_CHANNELS][DIRECT_COLUMNS];
  for (int m = 0; m < M; m++)
    for (int j = 0; j < 2; j++) wasm_v128_store(narrow[m] + 4 * j, sum[m][j]);
#pragma clang loop unroll(disable)
  for (int m = 0; m < M; m++, y += rows->y_plane) memcpy(y, narrow[m], sizeof(float) * (size_t)rows->Wo);
}

/* Blocks are V vectors wide, so that six sums or more are under way: with fewer, each addition waits for the
 * one before. The rest of a row goes in blocks of two vectors. */
INLINE void rows_direct_all(const int M, const int V, const rows_direct *argument) {
  /* A copy: the compiler must assume that a store of outputs changes *argument. */
  const rows_direct copy = *argument, *rows = &copy;
  /* The last block ends with the row and computes a few columns a second time. */
  const int32_t last = rows->Wo < DIRECT_COLUMNS ? 0 : rows->Wo - DIRECT_COLUMNS;
  for (int32_t row = 0; row < rows->rows; row++) {
    const float *input = rows->input + row * rows->row_step;
    float *y = rows->y + (size_t)row * rows->Wo;
    int32_t x = 0;
    if (V > 2)
      for (; x + 4 * V <= rows->Wo; x += 4 * V) rows_direct_block(M, V, rows, input + x, y + x);
    for (; x < rows->Wo; x += DIRECT_COLUMNS) {
      const int32_t column = x < last ? x : last;
      rows_direct_block(M, 2, rows, input + column, y + column);
    }
  }
}

static void rows_direct_one(const rows_direct *rows) { rows_direct_all(1, 6, rows); }
static void rows_direct_two(const rows_direct *rows) { rows_direct_all(2, 4, rows); }
static void rows_direct_three(const rows_direct *rows) { rows_direct_all(3, 3, rows); }
static void rows_direct_four(const rows_direct *rows) { rows_direct_all(4, 2, rows); }

void rows_direct_convolve(const rows_direct *rows, int32_t count) {
  DK_ASSERT(count >= 1 && count <= 8 && rows->rows >= 1 && rows->Wo >= 1);
  /* A table keeps these separate functions (base/attributes.h says why). */
  static void (*const convolve[])(const rows_direct *) = {
      [1] = rows_direct_one, [2] = rows_direct_two, [3] = rows_direct_three, [4] = rows_direct_four};
  rows_direct four = *rows;
  for (; count > 0; count -= 4) {
    convolve[count < 4 ? count : 4](&four);
    four.weight += 4;
    four.y += 4 * four.y_plane;
    if (four.bias) four.bias += 4;
  }
}
