/* Depthwise convolution with R = 3, stride 1, dilation 1, straight from the input plane: four columns
 * at a time from top to bottom, nine weights in registers, each input row loaded once for the three
 * output rows that it touches.
 *
 * Only the columns at the left and right edge are written out with their padding first. The last four
 * columns begin early enough to end with the row, and are computed once more in part. */
#include <string.h>

#include "depthwise.h"
#include "kernels.h"
#include "simd.h"
#include "strip.h"

enum {
  COLUMNS = 4,
  REACH = 2,
  BAND_FLOATS = 4096, /* of output: what stays in the first-level cache with its input */
};

/* w[0] * x[0] + w[1] * x[1] + w[2] * x[2], on its own so that only one addition waits for the sum
 * that it joins. */
static inline v128_t dot3(const v128_t *w, const v128_t *x) {
  return madd(w[2], x[2], madd(w[1], x[1], wasm_f32x4_mul(w[0], x[0])));
}

/* Output rows of y [rows, Wo], the first columns of four. input is the first row read, row floats
 * from one to the next; above rows before it and below rows after its `rows + 2 - above - below`
 * are padding. */
static void roll(const depthwise_plane *b, int32_t rows, const float *input, int32_t row,
                 int32_t above, int32_t below, float *y, int32_t columns) {
  static const float zeros[COLUMNS + REACH];
  const v128_t bias = wasm_f32x4_splat(b->bias);
  v128_t w[9];
  for (int i = 0; i < 9; i++) w[i] = wasm_v128_load32_splat(b->weight + i * LANES);

  v128_t upper = bias, lower = bias; /* sums of output rows i - 2 and i - 1, at input row i */
#pragma clang loop unroll(disable)
  for (int32_t i = 0; i < rows; i++) {
    const float *in = zeros;
    if (i >= above && i < rows - below) in = input, input += row;
    const v128_t x[3] = {wasm_v128_load(in), wasm_v128_load(in + 1), wasm_v128_load(in + 2)};
    const v128_t done = wasm_f32x4_add(upper, dot3(w + 6, x));
    upper = wasm_f32x4_add(lower, dot3(w + 3, x));
    lower = wasm_f32x4_add(bias, dot3(w, x));
    if (i < REACH) continue; /* done is no output row: it lies above the first */
    if (columns == COLUMNS) {
      wasm_v128_store(y, done);
    } else {
      float narrow[COLUMNS];
      wasm_v128_store(narrow, done);
      memcpy(y, narrow, sizeof(float) * (size_t)columns);
    }
    y += b->Wo;
  }
}

static void roll_band(const depthwise_plane *b, int32_t first_row, int32_t end_row) {
  /* The input rows that are read, within the plane and beyond it. */
  const int32_t top = first_row - b->padding, bottom = end_row + REACH - b->padding;
  const int32_t first = min_i32(max_i32(top, 0), b->H), end = max_i32(min_i32(bottom, b->H), first);
  const int32_t above = min_i32(first - top, bottom - top), below = bottom - top - above - (end - first);

  for (int32_t x = 0; x < b->Wo; x += COLUMNS) {
    const int32_t column = max_i32(min_i32(x, b->Wo - COLUMNS), 0);
    const window d = pad_window(b->x, b->H, b->W, first, column - b->padding, end - first,
                                COLUMNS + REACH, b->edge);
    roll(b, bottom - top, d.data, d.row, above, below, b->y + (size_t)first_row * b->Wo + column,
         min_i32(COLUMNS, b->Wo - column));
  }
}

void depthwise_rolling(const depthwise_plane *b) {
  const int32_t band = max_i32(BAND_FLOATS / b->Wo, 8);
  for (int32_t row = b->first_row; row < b->end_row; row += band)
    roll_band(b, row, min_i32(row + band, b->end_row));
}
