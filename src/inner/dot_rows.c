/* See inner/dot_rows.h. Four rows at a time have a vector of sums each. Transposed, the four vectors add up
 * to a vector of the results. */
#include "inner/dot_rows.h"

#include "base/assert.h"
#include "base/sizes.h"
#include "inner/transpose.h"

void dot_rows(const float *a, ptrdiff_t a_row, const float *b, int32_t rows, int32_t depth, float *y,
              ptrdiff_t y_row) {
  DK_ASSERT(rows >= 1 && depth >= 1);
  const int32_t whole = depth / 4 * 4;
  for (int32_t first = 0; first < rows; first += 4, a += 4 * a_row, y += 4 * y_row) {
    /* Of fewer than four rows the last is computed several times. */
    const int32_t count = min_i32(rows - first, 4);
    const float *a0 = a, *a1 = a + (count > 1 ? a_row : 0);
    const float *a2 = count > 2 ? a1 + a_row : a1, *a3 = count > 3 ? a2 + a_row : a2;
    v128_t sum[4];
    for (int i = 0; i < 4; i++) sum[i] = wasm_f32x4_splat(0);
#pragma clang loop unroll(disable)
    for (int32_t k = 0; k < whole; k += 4) {
      const v128_t value = wasm_v128_load(b + k);
      sum[0] = madd(value, wasm_v128_load(a0 + k), sum[0]);
      sum[1] = madd(value, wasm_v128_load(a1 + k), sum[1]);
      sum[2] = madd(value, wasm_v128_load(a2 + k), sum[2]);
      sum[3] = madd(value, wasm_v128_load(a3 + k), sum[3]);
    }
    transpose4(sum);
    v128_t result = wasm_f32x4_add(wasm_f32x4_add(sum[0], sum[1]), wasm_f32x4_add(sum[2], sum[3]));
#pragma clang loop unroll(disable)
    for (int32_t k = whole; k < depth; k++)
      result = madd(wasm_v128_load32_splat(b + k), wasm_f32x4_make(a0[k], a1[k], a2[k], a3[k]), result);
    if (y_row == 1 && count == 4) {
      wasm_v128_store(y, result);
      continue;
    }
    float results[4];
    wasm_v128_store(results, result);
#pragma clang loop unroll(disable)
    for (int32_t i = 0; i < count; i++) y[i * y_row] = results[i];
  }
}
