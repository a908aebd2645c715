/* See inner/plane_depthwise.h. Two kernels:
 *
 *   shared    stride 1, dilation 1: blocks of 4 x 8 outputs; each input row is loaded once for the
 *             up to four output rows that it touches
 *   any       everything: blocks of 4 x 8 outputs, every tap loads its own input
 *
 * A block at the right or lower edge begins early enough to end with it, and computes a few outputs
 * once more. Rows narrower than a block are computed whole and stored in part. */
#include "inner/plane_depthwise.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

enum { ROWS = DEPTHWISE_ROWS, COLUMNS = DEPTHWISE_COLUMNS };

/* The first columns of width vectors into y. */
INLINE void store_columns(const int width, const v128_t *sum, int32_t columns, float *y) {
  if (columns >= 4 * width) {
    for (int v = 0; v < width; v++) wasm_v128_store(y + 4 * v, sum[v]);
  } else {
    float narrow[COLUMNS];
    for (int v = 0; v < width; v++) wasm_v128_store(narrow + 4 * v, sum[v]);
    memcpy(y, narrow, sizeof(float) * (size_t)columns);
  }
}

/* ---------------------------------------------------------------------------------- shared */

/* What one input row adds to output rows first..last of a block; weight is the row of taps with which
 * output row `first` meets it. The rows below it meet it with the rows of taps above. */
INLINE void add_input_row(const int first, const int last, const int width, int32_t R, const float *input,
                          const float *weight, v128_t sum[ROWS][2]) {
#pragma clang loop unroll(disable)
  for (const float *end = input + R; input != end; input++, weight += LANES) {
    v128_t x[2];
    for (int v = 0; v < width; v++) x[v] = wasm_v128_load(input + 4 * v);
    const float *tap = weight;
    for (int y = first; y <= last; y++) {
      if (y > first) tap -= R * LANES; /* only as far as there are rows of taps */
      const v128_t w = wasm_v128_load32_splat(tap);
      for (int v = 0; v < width; v++) sum[y][v] = madd(w, x[v], sum[y][v]);
    }
  }
}

/* ROWS rows x width vectors of output; R >= ROWS. */
INLINE void shared_block(const int width, const depthwise_strip *b, int32_t row, int32_t column,
                         int32_t columns) {
  const int32_t R = b->R;
  const float *input = b->input + (size_t)row * b->row + column, *weight = b->weight;
  const size_t taps = (size_t)R * LANES;
  v128_t sum[ROWS][2];
  for (int i = 0; i < ROWS; i++)
    for (int v = 0; v < width; v++) sum[i][v] = wasm_f32x4_splat(b->bias);

      /* The weights go down with the input until the last row of taps, and stay there. */
#define ADD_ROW(first, last) (add_input_row(first, last, width, R, input, weight, sum), input += b->row)
  ADD_ROW(0, 0), weight += taps;
  ADD_ROW(0, 1), weight += taps;
  ADD_ROW(0, 2);
#pragma clang loop unroll(disable)
  for (int32_t i = 3; i < R; i++) weight += taps, ADD_ROW(0, 3);
  ADD_ROW(1, 3);
  ADD_ROW(2, 3);
  ADD_ROW(3, 3);
#undef ADD_ROW

  float *y = b->y + (size_t)row * b->Wo + column;
  for (int i = 0; i < ROWS; i++, y += b->Wo) store_columns(width, sum[i], columns, y);
}

/* ------------------------------------------------------------------------------------- any */

/* height rows x width vectors of output, from (row, column) on. */
INLINE void any_block(const int height, const int width, const depthwise_strip *b, int32_t row,
                      int32_t column, int32_t columns) {
  const size_t row_step = (size_t)b->stride * b->row;
  const float *input = b->input + row * row_step + column, *weight = b->weight;
  const int32_t taps = b->R * b->R;
  v128_t sum[ROWS][2];
  for (int i = 0; i < height; i++)
    for (int v = 0; v < width; v++) sum[i][v] = wasm_f32x4_splat(b->bias);

  const int32_t *offset = b->offset;
#pragma clang loop unroll(disable)
  for (const float *end = weight + taps * LANES; weight != end; weight += LANES) {
    const v128_t w = wasm_v128_load32_splat(weight);
    const float *in = input + *offset++;
    for (int i = 0; i < height; i++, in += row_step)
      for (int v = 0; v < width; v++) sum[i][v] = madd(w, wasm_v128_load(in + 4 * v), sum[i][v]);
  }

  float *y = b->y + (size_t)row * b->Wo + column;
  for (int i = 0; i < height; i++, y += b->Wo) store_columns(width, sum[i], columns, y);
}

/* ------------------------------------------------------------------------------------------ */

INLINE void block(const int height, const int width, bool shared, const depthwise_strip *b, int32_t row,
                  int32_t column, int32_t columns) {
  if (height == ROWS && shared)
    shared_block(width, b, row, column, columns);
  else
    any_block(height, width, b, row, column, columns);
}

/* height rows, all columns. */
INLINE void band(const int height, bool shared, const depthwise_strip *b, int32_t row) {
  int32_t x = 0;
  for (; x + COLUMNS <= b->Wo; x += COLUMNS) block(height, 2, shared, b, row, x, COLUMNS);
  const int32_t left = b->Wo - x;
  if (left > 4)
    block(height, 2, shared, b, row, b->Wo < COLUMNS ? 0 : b->Wo - COLUMNS,
          b->Wo < COLUMNS ? b->Wo : COLUMNS);
  else if (left > 0)
    block(height, 1, shared, b, row, b->Wo < 4 ? 0 : b->Wo - 4, b->Wo < 4 ? b->Wo : 4);
}

static void any_row(const depthwise_strip *b, int32_t row) { band(1, false, b, row); }
static void any_rows(const depthwise_strip *b, int32_t row) { band(ROWS, false, b, row); }
static void shared_rows(const depthwise_strip *b, int32_t row) { band(ROWS, true, b, row); }

void plane_depthwise_convolve(const depthwise_strip *b) {
  /* Through a table, so that each stays a function of its own (see base/attributes.h). */
  enum { ROW, ANY, SHARED };
  static void (*const convolve[])(const depthwise_strip *,
                                  int32_t) = {[ROW] = any_row, [ANY] = any_rows, [SHARED] = shared_rows};
  const bool shared = b->stride == 1 && b->dilation == 1 && b->R >= ROWS;
  if (b->rows < ROWS) {
    for (int32_t row = 0; row < b->rows; row++) convolve[ROW](b, row);
  } else {
    for (int32_t row = 0; row < b->rows; row += ROWS)
      convolve[shared ? SHARED : ANY](b, row + ROWS <= b->rows ? row : b->rows - ROWS);
  }
}
