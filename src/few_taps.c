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

/* C input channels and R are constants wherever this is inlined; add: to what is in y. */
INLINE void pass(const int C, const int R, const bool add, const few_taps_row *row,
                 const float *input, const float *weight) {
  const size_t channel = row->input_channel;
  const int32_t columns = row->columns;
  float *y = row->y;
  v128_t w[MOST_WEIGHTS];
  for (int i = 0; i < C * R; i++) w[i] = wasm_v128_load32_splat(weight + i * LANES);
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

INLINE void passes(const int R, const few_taps_row *row) {
  const int32_t most = pass_channels(R);
  for (int32_t c = 0; c < row->channels; c += most) {
    const int32_t C = row->channels - c;
    const float *input = row->input + c * row->input_channel, *weight = row->weight + c * R * LANES;
    if (C >= 3 && most >= 3)
      c ? pass(3, R, true, row, input, weight) : pass(3, R, false, row, input, weight);
    else if (C >= 2 && most >= 2)
      c ? pass(2, R, true, row, input, weight) : pass(2, R, false, row, input, weight);
    else
      c ? pass(1, R, true, row, input, weight) : pass(1, R, false, row, input, weight);
  }
}

void few_taps_convolve(const few_taps_row *row) {
  if (row->R == 3)
    passes(3, row);
  else if (row->R == 5)
    passes(5, row);
  else if (row->R == 7)
    passes(7, row);
  else
    passes(9, row);
}

/* Three passes load and store so many sums that blocks are as fast. */
bool few_taps_pay(int32_t channels, int32_t R) { return channels <= 2 * pass_channels(R); }
