/* See inner/rows_few_taps.h. Blocks of four output channels (inner/rows_direct.c) load an input once for all
 * four; this loads it once for each. But it loads no weights, and it does not start and end a block every
 * eight columns, which takes as long as about four taps. */
#include "inner/rows_few_taps.h"

#include "base/assert.h"
#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

enum {
  MOST_WEIGHTS = 10, /* in registers: sixteen, minus the sums and the operands of a product */

  /* The most taps that one chain of fused multiply-adds adds up. V8 loads all inputs of a chain before it
   * computes, the last tap's first, because the sum is the last operand. Longer chains do not fit the
   * registers beside the weights. Without fusion the sum is the first operand, and V8 loads each input when
   * it needs it. */
  MOST_CHAIN = 5,
};

/* Four columns of a row. x points to the input of the first tap of the first channel. */
INLINE v128_t rows_few_taps_sum(const int C, const int R, const bool add, const int column, const v128_t *w,
                                const float *x, size_t channel, const float *y) {
  v128_t sum = add ? madd(w[0], wasm_v128_load(x + column), wasm_v128_load(y + column))
                   : wasm_f32x4_mul(w[0], wasm_v128_load(x + column));
  v128_t before = sum; /* the sum of the chains that are done */
  bool several = false;
  for (int c = 0; c < C; c++, x += channel)
    for (int q = c ? 0 : 1; q < R; q++) {
      const v128_t value = wasm_v128_load(x + (column + q));
      if (MADD_FUSES && q % MOST_CHAIN == 0) {
        before = several ? wasm_f32x4_add(before, sum) : sum;
        several = true;
        sum = wasm_f32x4_mul(w[c * R + q], value);
      } else {
        sum = madd(w[c * R + q], value, sum);
      }
    }
  return several ? wasm_f32x4_add(before, sum) : sum;
}

/* Input channels first .. first + C - 1 of all rows. Callers pass constants for C and R. If add, the sums are
 * added to y. */
INLINE void rows_few_taps_pass(const int C, const int R, const bool add, const rows_few_taps *work,
                               int32_t first) {
  const size_t channel = work->input_channel, input_row = work->input_row, y_row = work->y_row;
  const size_t weight_row = (size_t)work->channels * R * LANES;
  const int32_t rows = work->rows, columns = work->columns;
  const float *input = work->input + first * channel, *weight = work->weight + first * R * LANES;
  float *y = work->y;
  for (int32_t i = 0; i < rows; i++, input += input_row, weight += weight_row, y += y_row) {
    /* The weights of this row stay in registers. */
    v128_t w[MOST_WEIGHTS];
    for (int j = 0; j < C * R; j++) w[j] = wasm_v128_load32_splat(weight + j * LANES);
    const float *x = input, *const end = input + columns;
    float *out = y;
    if (MADD_FUSES) {
      /* Each turn stores what the turn before has computed; the first stores what is there. LLVM otherwise
       * computes one half between the stores, which V8 then cannot pair, or loads all inputs of one half
       * before the other. */
      v128_t left = wasm_v128_load(out), right = wasm_v128_load(out + 4);
      int32_t step = 0;
#pragma clang loop unroll(disable)
      for (; x < end; x += 8) {
        wasm_v128_store(out, left);
        wasm_v128_store(out + 4, right);
        out += step;
        left = rows_few_taps_sum(C, R, add, 0, w, x, channel, out);
        right = rows_few_taps_sum(C, R, add, 4, w, x, channel, out);
        step = 8;
      }
      wasm_v128_store(out, left);
      wasm_v128_store(out + 4, right);
    } else {
#pragma clang loop unroll(disable)
      for (; x < end; x += 8, out += 8) {
        wasm_v128_store(out, rows_few_taps_sum(C, R, add, 0, w, x, channel, out));
        wasm_v128_store(out + 4, rows_few_taps_sum(C, R, add, 4, w, x, channel, out));
      }
    }
  }
}

/* The first pass writes y; the next ones add to it. */
INLINE void rows_few_taps_write_or_add(const int C, const int R, const rows_few_taps *work, int32_t first) {
  if (first)
    rows_few_taps_pass(C, R, true, work, first);
  else
    rows_few_taps_pass(C, R, false, work, first);
}

static void rows_few_taps_1x3(const rows_few_taps *work, int32_t first) {
  rows_few_taps_write_or_add(1, 3, work, first);
}
static void rows_few_taps_2x3(const rows_few_taps *work, int32_t first) {
  rows_few_taps_write_or_add(2, 3, work, first);
}
static void rows_few_taps_3x3(const rows_few_taps *work, int32_t first) {
  rows_few_taps_write_or_add(3, 3, work, first);
}
static void rows_few_taps_1x5(const rows_few_taps *work, int32_t first) {
  rows_few_taps_write_or_add(1, 5, work, first);
}
static void rows_few_taps_2x5(const rows_few_taps *work, int32_t first) {
  rows_few_taps_write_or_add(2, 5, work, first);
}
static void rows_few_taps_1x7(const rows_few_taps *work, int32_t first) {
  rows_few_taps_write_or_add(1, 7, work, first);
}
static void rows_few_taps_1x9(const rows_few_taps *work, int32_t first) {
  rows_few_taps_write_or_add(1, 9, work, first);
}

/* The most input channels of one pass. */
static int32_t rows_few_taps_channels(int32_t R) { return R == 3 ? 3 : R == 5 ? 2 : 1; }

void rows_few_taps_convolve(const rows_few_taps *work) {
  DK_ASSERT(work->R == 3 || work->R == 5 || work->R == 7 || work->R == 9);
  DK_ASSERT(work->rows >= 1 && work->channels >= 1 && work->columns >= 1);
  /* [R][C]. A table keeps these separate functions (base/attributes.h says why). */
  static void (*const passes[][4])(const rows_few_taps *, int32_t) = {
      [3] = {[1] = rows_few_taps_1x3, [2] = rows_few_taps_2x3, [3] = rows_few_taps_3x3},
      [5] = {[1] = rows_few_taps_1x5, [2] = rows_few_taps_2x5},
      [7] = {[1] = rows_few_taps_1x7},
      [9] = {[1] = rows_few_taps_1x9},
  };
  const int32_t most = rows_few_taps_channels(work->R);
  for (int32_t c = 0; c < work->channels; c += most) {
    const int32_t left = work->channels - c;
    passes[work->R][left < most ? left : most](work, c);
  }
}

/* With three passes the loads and stores of the sums cost as much as blocks do. */
bool rows_few_taps_pay(int32_t channels, int32_t R) { return channels <= 2 * rows_few_taps_channels(R); }
