/* See inner/rows_few_taps.h. Where blocks of output channels load an input once for four of them, this loads
 * it for each; but it loads no weights, and has no block to begin and end every eight columns, which
 * takes as long as some four taps. */
#include "inner/rows_few_taps.h"

#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

enum {
  MOST_WEIGHTS = 10, /* in registers: sixteen less the sums and what is being multiplied */

  /* Taps of a channel that one chain of fused multiply-adds adds up. WebAssembly's compilers load all of a
   * chain's inputs before they compute, the last tap's first, since the sum is the last operand: longer
   * chains do not fit the registers beside the weights. Without fusion the sum is the first operand, and
   * inputs are loaded as they are needed. */
  MOST_CHAIN = 5,
};

/* Input channels first .. first + C - 1 of all rows; C and R are constants wherever this is inlined.
 * add: to what is in y. */
INLINE void pass(const int C, const int R, const bool add, const rows_few_taps *b, int32_t first) {
  const size_t channel = b->input_channel, input_row = b->input_row, y_row = b->y_row;
  const size_t weight_row = (size_t)b->channels * R * LANES;
  const int32_t rows = b->rows, columns = b->columns;
  const float *input = b->input + first * channel, *weight = b->weight + first * R * LANES;
  float *y = b->y;
  for (int32_t i = 0; i < rows; i++, input += input_row, weight += weight_row, y += y_row) {
    v128_t w[MOST_WEIGHTS];
    for (int j = 0; j < C * R; j++) w[j] = wasm_v128_load32_splat(weight + j * LANES);
    const float *x = input;
    float *to = y, *const end = y + columns;
#pragma clang loop unroll(disable)
    for (; to < end; x += 8, to += 8)
      for (int v = 0; v < 8; v += 4) {
        const float *row = x + v;
        v128_t sum = add ? madd(w[0], wasm_v128_load(row), wasm_v128_load(to + v))
                         : wasm_f32x4_mul(w[0], wasm_v128_load(row));
        v128_t before = sum; /* the chains that are done */
        bool several = false;
        for (int c = 0; c < C; c++, row += channel)
          for (int q = c ? 0 : 1; q < R; q++) {
            const v128_t value = wasm_v128_load(row + q);
            if (MADD_FUSES && q % MOST_CHAIN == 0) {
              before = several ? wasm_f32x4_add(before, sum) : sum;
              several = true;
              sum = wasm_f32x4_mul(w[c * R + q], value);
            } else {
              sum = madd(w[c * R + q], value, sum);
            }
          }
        if (several) sum = wasm_f32x4_add(before, sum);
        wasm_v128_store(to + v, sum);
      }
  }
}

/* The first pass writes y, the next ones add to it. */
INLINE void first_or_next(const int C, const int R, const rows_few_taps *b, int32_t first) {
  if (first)
    pass(C, R, true, b, first);
  else
    pass(C, R, false, b, first);
}

static void pass_1x3(const rows_few_taps *b, int32_t first) { first_or_next(1, 3, b, first); }
static void pass_2x3(const rows_few_taps *b, int32_t first) { first_or_next(2, 3, b, first); }
static void pass_3x3(const rows_few_taps *b, int32_t first) { first_or_next(3, 3, b, first); }
static void pass_1x5(const rows_few_taps *b, int32_t first) { first_or_next(1, 5, b, first); }
static void pass_2x5(const rows_few_taps *b, int32_t first) { first_or_next(2, 5, b, first); }
static void pass_1x7(const rows_few_taps *b, int32_t first) { first_or_next(1, 7, b, first); }
static void pass_1x9(const rows_few_taps *b, int32_t first) { first_or_next(1, 9, b, first); }

/* As many input channels as one pass takes. */
static int32_t pass_channels(int32_t R) { return R == 3 ? 3 : R == 5 ? 2 : 1; }

void rows_few_taps_convolve(const rows_few_taps *b) {
  /* [R][C]. Through a table, so that each stays a function of its own (see base/attributes.h). */
  static void (*const passes[][4])(const rows_few_taps *, int32_t) = {
      [3] = {[1] = pass_1x3, [2] = pass_2x3, [3] = pass_3x3},
      [5] = {[1] = pass_1x5, [2] = pass_2x5},
      [7] = {[1] = pass_1x7},
      [9] = {[1] = pass_1x9},
  };
  const int32_t most = pass_channels(b->R);
  for (int32_t c = 0; c < b->channels; c += most) {
    const int32_t left = b->channels - c;
    passes[b->R][left < most ? left : most](b, c);
  }
}

/* Three passes load and store so many sums that blocks are as fast. */
bool rows_few_taps_pay(int32_t channels, int32_t R) { return channels <= 2 * pass_channels(R); }
