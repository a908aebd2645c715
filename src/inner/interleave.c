/* See inner/interleave.h. */
#include "inner/interleave.h"

#include "base/assert.h"
#include "base/sizes.h"
#include "inner/transpose.h"

static void interleave_zeros(float *out, int32_t pixels, int32_t step) {
#pragma clang loop unroll(disable)
  for (int32_t i = 0; i < pixels; i++, out += step) wasm_v128_store(out, wasm_f32x4_splat(0));
}

v128_t interleave(const float *const x[4], int32_t H, int32_t W, int32_t top, int32_t left, int32_t rows,
                  int32_t width, int32_t step, float *out) {
  DK_ASSERT(rows >= 0 && width >= 0);
  /* Pixels begin .. end - 1 of a row lie in the planes; the others are padding. */
  const int32_t begin = min_i32(max_i32(-left, 0), width);
  const int32_t end = max_i32(min_i32(W - left, width), begin);
  const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  v128_t watch = wasm_f32x4_splat(0);
  for (int32_t y = top; y < top + rows; y++, out += (size_t)width * step) {
    const bool inside = y >= 0 && y < H;
    const size_t row = inside ? (size_t)y * W : 0;
    interleave_zeros(out, inside ? begin : width, step);
    if (!inside) continue;
    interleave_zeros(out + step * end, width - end, step);

    int32_t i = begin;
#pragma clang loop unroll(disable)
    for (; end - begin >= 4 && i < end; i += 4) {
      /* The last vectors end with the row. */
      const int32_t column = min_i32(i, end - 4);
      const size_t pixel = row + (size_t)(column + left);
      v128_t v[4] = {wasm_v128_load(x0 + pixel), wasm_v128_load(x1 + pixel), wasm_v128_load(x2 + pixel),
                     wasm_v128_load(x3 + pixel)};
      const v128_t sum = wasm_f32x4_add(wasm_f32x4_add(v[0], v[1]), wasm_f32x4_add(v[2], v[3]));
      watch = wasm_f32x4_add(watch, sum);
      transpose4(v);
      for (int k = 0; k < 4; k++) wasm_v128_store(out + step * (column + k), v[k]);
    }
#pragma clang loop unroll(disable)
    for (; i < end; i++) { /* rows of fewer than four pixels */
      const size_t pixel = row + (size_t)(i + left);
      const v128_t v = wasm_f32x4_make(x0[pixel], x1[pixel], x2[pixel], x3[pixel]);
      watch = wasm_f32x4_add(watch, v);
      wasm_v128_store(out + step * i, v);
    }
  }
  return watch;
}
