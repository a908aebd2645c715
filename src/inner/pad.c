/* See inner/pad.h. */
#include "inner/pad.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/simd.h"
#include "base/sizes.h"

static int32_t clamp(int64_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : (int32_t)value;
}

/* Keeps the compiler from turning these loops into calls of memcpy and memset: rows are so short that the
 * calls cost more than the copying. */
#if defined(__clang__)
#define WITHOUT_CALLS __attribute__((no_builtin("memcpy", "memset")))
#else
#define WITHOUT_CALLS
#endif

/* Unrolled by hand: the compiler's unrolling costs short rows more than their copying. */
WITHOUT_CALLS void copy_row(const float *input, int32_t step, int32_t count, float *out) {
  DK_ASSERT(step >= 1 && count >= 0);
  /* The last vector ends with the row and copies some values a second time. */
  const int32_t last = count - 4;
  int32_t i = 0;
  if (last >= 0 && step == 1) {
#pragma clang loop unroll(disable)
    for (; i + 16 <= count; i += 16) {
      const v128_t a = wasm_v128_load(input + i), b = wasm_v128_load(input + i + 4);
      const v128_t c = wasm_v128_load(input + i + 8), d = wasm_v128_load(input + i + 12);
      wasm_v128_store(out + i, a);
      wasm_v128_store(out + i + 4, b);
      wasm_v128_store(out + i + 8, c);
      wasm_v128_store(out + i + 12, d);
    }
#pragma clang loop unroll(disable)
    for (; i < last; i += 4) wasm_v128_store(out + i, wasm_v128_load(input + i));
    wasm_v128_store(out + last, wasm_v128_load(input + last));
  } else if (last >= 0 && step == 2) {
    /* x0 x1 x2 x3 | x4 x5 x6 x7 -> x0 x2 x4 x6. The last vector loads x3 x4 x5 x6 instead, because x7 may lie
     * beyond the row. */
#pragma clang loop unroll(disable)
    for (; i < last; i += 4)
      wasm_v128_store(out + i, wasm_i32x4_shuffle(wasm_v128_load(input + 2 * i),
                                                  wasm_v128_load(input + 2 * i + 4), 0, 2, 4, 6));
    wasm_v128_store(out + last, wasm_i32x4_shuffle(wasm_v128_load(input + 2 * last),
                                                   wasm_v128_load(input + 2 * last + 3), 0, 2, 5, 7));
  } else {
    const float *value = input;
#pragma clang loop unroll(disable)
    for (; i < last; i += 4, value += 4 * step) {
      const float a = value[0], b = value[step], c = value[2 * step], d = value[3 * step];
      out[i] = a;
      out[i + 1] = b;
      out[i + 2] = c;
      out[i + 3] = d;
    }
#pragma clang loop unroll(disable)
    for (; i < count; i++, value += step) out[i] = *value;
  }
}

/* Writes out [width]: places begin .. end - 1 hold every step-th value of input, the others zero. */
WITHOUT_CALLS static void fill_row(const float *input, int32_t step, int32_t begin, int32_t end,
                                   int32_t width, float *out) {
  DK_ASSERT(width >= 4 && 0 <= begin && begin <= end && end <= width);
  /* Zeros are written as whole vectors; the row's values then overwrite some of them. */
  const v128_t zeros = wasm_f32x4_splat(0);
  wasm_v128_store(out, zeros);
  wasm_v128_store(out + width - 4, zeros);
#pragma clang loop unroll(disable)
  for (int32_t i = 4; i < begin; i += 4) wasm_v128_store(out + min_i32(i, width - 4), zeros);
#pragma clang loop unroll(disable)
  for (int32_t i = width - 4; i > end; i -= 4) wasm_v128_store(out + max_i32(i - 4, 0), zeros);
  copy_row(input, step, end - begin, out + begin);
}

void pad_rows(const float *x, int32_t H, int32_t W, int32_t top, int32_t left, int32_t rows, int32_t phases,
              int32_t width, float *out) {
  DK_ASSERT(phases >= 1 && width >= 4);
  const size_t row_floats = (size_t)phases * width;
  for (int32_t phase = 0; phase < phases; phase++) {
    /* Place i of this phase is input column i * phases - lead; places begin .. end - 1 lie in the input. */
    const int64_t lead = -(int64_t)left - phase;
    const int32_t begin = clamp(lead <= 0 ? 0 : (lead + phases - 1) / phases, 0, width);
    const int32_t end = clamp(((int64_t)W + lead + phases - 1) / phases, begin, width);
    float *row = out + (size_t)phase * width;
    for (int32_t y = top; y < top + rows; y++, row += row_floats) {
      const bool inside = y >= 0 && y < H && begin < end;
      const float *input = inside ? x + (size_t)y * W + ((int64_t)begin * phases - lead) : NULL;
      fill_row(input, phases, begin, inside ? end : begin, width, row);
    }
  }
}

window pad_window(const float *x, int32_t H, int32_t W, int32_t top, int32_t left, int32_t rows,
                  int32_t width, float *out) {
  DK_ASSERT(width >= 4);
  /* A window without padding needs no copy. */
  if (top >= 0 && left >= 0 && rows <= H - top && width <= W - left)
    return (window){x + (size_t)top * W + left, W};

  /* Columns begin .. end - 1 of the window lie in x. */
  const int32_t begin = clamp(-(int64_t)left, 0, width);
  const int32_t end = clamp((int64_t)W - left, begin, width);
  float *row = out;
  for (int32_t y = top; y < top + rows; y++, row += width) {
    const bool inside = y >= 0 && y < H && begin < end;
    const float *input = inside ? x + (size_t)y * W + (left + begin) : NULL;
    fill_row(input, 1, begin, inside ? end : begin, width, row);
  }
  return (window){out, width};
}
