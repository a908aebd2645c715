/* See few_taps.h. Where blocks of output channels load an input once for four of them, this loads
 * it for each; but it loads no weights, nor does it set out and finish for every eight columns,
 * which takes as long as some four taps. */
#include "few_taps.h"

#include "kernels.h"
#include "simd.h"

#define INLINE static inline __attribute__((always_inline))

enum { MOST_WEIGHTS = 10 }; /* in registers: sixteen less the sums and what is being multiplied */

/* As many input channels as one pass takes. */
static int32_t pass_channels(int32_t R) { return R == 3 ? 3 : R == 5 ? 2 : 1; }

/* Input channels first .. first + C - 1 of all rows; C and R are constants wherever this is inlined.
 * add: to what is in y. */
INLINE void pass(const int C, const int R, const bool add, const few_taps_rows *b, int32_t first) {
  const size_t channel = b->input_channel, input_row = b->input_row, y_row = b->y_row;
  const size_t weight_row = (size_t)b->channels * R * LANES;
  const int32_t rows = b->rows, columns = b->columns;
  const float *input = b->input + first * channel, *weight = b->weight + first * R * LANES;
  float *y = b->y;
  for (int32_t i = 0; i < rows; i++, input += input_row, weight += weight_row, y += y_row) {
    v128_t w[MOST_WEIGHTS];
    for (int j = 0; j < C * R; j++) w[j] = wasm_v128_load32_splat(weight + j * LANES);
#pragma clang loop unroll(disable)
    for (int32_t x = 0; x < columns; x += 4) {
      v128_t sum = add ? madd(w[0], wasm_v128_load(input + x), wasm_v128_load(y + x))
                       : wasm_f32x4_mul(w[0], wasm_v128_load(input + x));
      for (int c = 0; c < C; c++)
        for (int q = c ? 0 : 1; q < R; q++)
          sum = madd(w[c * R + q], wasm_v128_load(input + c * channel + x + q), sum);
      wasm_v128_store(y + x, sum);
    }
  }
}

INLINE void passes(const int R, const few_taps_rows *b) {
  const int32_t most = pass_channels(R);
  for (int32_t c = 0; c < b->channels; c += most) {
    const int32_t C = b->channels - c;
    if (C >= 3 && most >= 3)
      c ? pass(3, R, true, b, c) : pass(3, R, false, b, c);
    else if (C >= 2 && most >= 2)
      c ? pass(2, R, true, b, c) : pass(2, R, false, b, c);
    else
      c ? pass(1, R, true, b, c) : pass(1, R, false, b, c);
  }
}

void few_taps_convolve(const few_taps_rows *rows) {
  if (rows->R == 3)
    passes(3, rows);
  else if (rows->R == 5)
    passes(5, rows);
  else if (rows->R == 7)
    passes(7, rows);
  else
    passes(9, rows);
}

/* Three passes load and store so many sums that blocks are as fast. */
bool few_taps_pay(int32_t channels, int32_t R) { return channels <= 2 * pass_channels(R); }
