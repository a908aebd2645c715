/* See inner/rows_direct.h. */
#include "inner/rows_direct.h"

#include <string.h>

#include "base/attributes.h"
#include "base/sizes.h"
#include "inner/taps.h"

/* M output channels of V vectors of columns; both are constants wherever this is inlined. */
INLINE void convolve_block(const int M, const int V, const rows_direct *b, const float *input, float *y) {
  tap_sums sum;
  for (int m = 0; m < M; m++)
    for (int j = 0; j < V; j++)
      sum[m][j] = b->bias ? wasm_v128_load32_splat(b->bias + m) : wasm_f32x4_splat(0);
  add_taps(M, V, input, b->offset, b->weight, b->taps, sum);

  for (int m = 0; m < M; m++, y += b->y_plane) {
    if (b->Wo >= 4 * V) {
      for (int j = 0; j < V; j++) wasm_v128_store(y + 4 * j, sum[m][j]);
    } else {
      float narrow[DIRECT_COLUMNS];
      wasm_v128_store(narrow, sum[m][0]);
      wasm_v128_store(narrow + 4, sum[m][1]);
      memcpy(y, narrow, sizeof(float) * (size_t)b->Wo);
    }
  }
}

/* As many vectors wide as it takes to have six sums or more, lest each wait for the one before, and
 * what is left of a row by blocks of two. */
INLINE void convolve_rows(const int M, const int V, const rows_direct *rows) {
  const rows_direct own = *rows, *b = &own; /* which storing outputs cannot change */
  /* The last block ends with the row and computes a few columns once more. */
  const int32_t last = b->Wo < DIRECT_COLUMNS ? 0 : b->Wo - DIRECT_COLUMNS;
  for (int32_t row = 0; row < b->rows; row++) {
    const float *input = b->input + row * b->row_step;
    float *y = b->y + (size_t)row * b->Wo;
    int32_t x = 0;
    if (V > 2)
      for (; x + 4 * V <= b->Wo; x += 4 * V) convolve_block(M, V, b, input + x, y + x);
    for (; x < b->Wo; x += DIRECT_COLUMNS) {
      const int32_t column = x < last ? x : last;
      convolve_block(M, 2, b, input + column, y + column);
    }
  }
}

static void one_channel(const rows_direct *b) { convolve_rows(1, 6, b); }
static void two_channels(const rows_direct *b) { convolve_rows(2, 4, b); }
static void three_channels(const rows_direct *b) { convolve_rows(3, 3, b); }
static void four_channels(const rows_direct *b) { convolve_rows(4, 2, b); }

void rows_direct_convolve(const rows_direct *rows, int32_t count) {
  /* Through a table, so that each stays a function of its own (see base/attributes.h). */
  static void (*const convolve[])(const rows_direct *) = {
      [1] = one_channel, [2] = two_channels, [3] = three_channels, [4] = four_channels};
  rows_direct b = *rows;
  for (; count > 0; count -= 4) {
    convolve[count < 4 ? count : 4](&b);
    b.weight += 4, b.y += 4 * b.y_plane;
    if (b.bias) b.bias += 4;
  }
}
