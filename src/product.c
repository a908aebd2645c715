/* See product.h. Register blocks of 4 rows x 8 columns: eight accumulators, two vectors of x and a
 * splatted weight fill the registers of a processor that has sixteen. */
#include "product.h"

#include <string.h>

#include "kernels.h"
#include "simd.h"

enum { COLUMNS = 8 };

/* M rows, a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void product_rows(const int M, const float *w,
                                                               const float *bias, const float *x,
                                                               size_t x_row, int32_t depth,
                                                               int32_t columns, float *y,
                                                               size_t y_row) {
  for (int32_t j = 0; j < columns; j += COLUMNS) {
    /* The last block ends with the row and computes a few columns once more. */
    const int32_t column = j + COLUMNS <= columns || columns < COLUMNS ? j : columns - COLUMNS;
    const float *input = x + column, *weight = w;
    v128_t sum[4][2];
    for (int m = 0; m < M; m++)
      sum[m][0] = sum[m][1] = bias ? wasm_v128_load32_splat(bias + m) : wasm_f32x4_splat(0);

#pragma clang loop unroll(disable)
    for (int32_t c = 0; c < depth; c++, input += x_row, weight += LANES) {
      const v128_t left = wasm_v128_load(input), right = wasm_v128_load(input + 4);
      for (int m = 0; m < M; m++) {
        const v128_t v = wasm_v128_load32_splat(weight + m);
        sum[m][0] = madd(v, left, sum[m][0]);
        sum[m][1] = madd(v, right, sum[m][1]);
      }
    }

    float *out = y + column;
    for (int m = 0; m < M; m++, out += y_row) {
      if (columns >= COLUMNS) {
        wasm_v128_store(out, sum[m][0]);
        wasm_v128_store(out + 4, sum[m][1]);
      } else {
        float narrow[COLUMNS];
        wasm_v128_store(narrow, sum[m][0]);
        wasm_v128_store(narrow + 4, sum[m][1]);
        memcpy(out, narrow, sizeof(float) * (size_t)columns);
      }
    }
  }
}

void product(const float *w, const float *bias, const float *x, size_t x_row, int32_t depth,
             int32_t columns, int32_t count, float *y, size_t y_row) {
  for (; count >= 4; count -= 4) {
    product_rows(4, w, bias, x, x_row, depth, columns, y, y_row);
    w += 4, y += 4 * y_row;
    if (bias) bias += 4;
  }
  if (count == 3) product_rows(3, w, bias, x, x_row, depth, columns, y, y_row);
  if (count == 2) product_rows(2, w, bias, x, x_row, depth, columns, y, y_row);
  if (count == 1) product_rows(1, w, bias, x, x_row, depth, columns, y, y_row);
}
