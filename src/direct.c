/* See direct.h. Register blocks of 4 output channels x 8 output columns:
 *
 *     for every tap of every channel    two vectors of input, four weights splatted,
 *                                       eight multiply-adds
 *
 * Eight accumulators leave room in sixteen registers. The loop over taps must stay a loop: unrolled,
 * V8 spills the accumulators. */
#include "direct.h"

#include <string.h>

#include "kernels.h"
#include "simd.h"

/* M output channels, M a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void convolve_rows(const int M, const direct_rows *b) {
  /* The last block of a row ends with the row and computes a few columns once more. */
  const int32_t last = b->Wo < DIRECT_COLUMNS ? 0 : b->Wo - DIRECT_COLUMNS;
  for (int32_t row = 0; row < b->rows; row++) {
    for (int32_t x = 0; x < b->Wo; x += DIRECT_COLUMNS) {
      const int32_t column = x < last ? x : last;
      const float *input = b->input + row * b->row_step + column;
      const float *w = b->weight;
      v128_t sum[4][2];
      for (int m = 0; m < M; m++)
        sum[m][0] = sum[m][1] =
            b->bias ? wasm_v128_load32_splat(b->bias + m) : wasm_f32x4_splat(0);

#pragma clang loop unroll(disable)
      for (int32_t i = 0; i < b->taps; i++, w += LANES) {
        const float *tap = input + b->offset[i];
        const v128_t left = wasm_v128_load(tap), right = wasm_v128_load(tap + 4);
        for (int m = 0; m < M; m++) {
          const v128_t weight = wasm_v128_load32_splat(w + m);
          sum[m][0] = madd(weight, left, sum[m][0]);
          sum[m][1] = madd(weight, right, sum[m][1]);
        }
      }

      float *y = b->y + (size_t)row * b->Wo + column;
      for (int m = 0; m < M; m++, y += b->y_plane) {
        if (b->Wo >= DIRECT_COLUMNS) {
          wasm_v128_store(y, sum[m][0]);
          wasm_v128_store(y + 4, sum[m][1]);
        } else {
          float narrow[DIRECT_COLUMNS];
          wasm_v128_store(narrow, sum[m][0]);
          wasm_v128_store(narrow + 4, sum[m][1]);
          memcpy(y, narrow, sizeof(float) * (size_t)b->Wo);
        }
      }
    }
  }
}

void direct_convolve(const direct_rows *rows, int32_t count) {
  direct_rows b = *rows;
  for (; count >= 4; count -= 4) {
    convolve_rows(4, &b);
    b.weight += 4, b.y += 4 * b.y_plane;
    if (b.bias) b.bias += 4;
  }
  if (count == 3) convolve_rows(3, &b);
  if (count == 2) convolve_rows(2, &b);
  if (count == 1) convolve_rows(1, &b);
}
