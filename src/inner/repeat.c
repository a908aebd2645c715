/* See inner/repeat.h. */
#include "inner/repeat.h"

#include <stdbool.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/simd.h"
#include "base/sizes.h"

/* Each row of x becomes R * times rows. Callers pass a constant for R: a vector is stored to R rows in turn.
 */
INLINE void repeat_each(const int R, const float *x, int32_t rows, int32_t W, int32_t factor, int32_t times,
                        float *y) {
  const size_t width = (size_t)W * (size_t)factor;
  for (int32_t turn = 0; turn < rows * times; turn++, y += (size_t)(R - 1) * width) {
    const float *row = x + (ptrdiff_t)(times == 1 ? turn : turn / times) * W;
    int32_t i = 0;
    if (factor == 2) {
#pragma clang loop unroll(disable)
      for (; i + 4 <= W; i += 4, y += 8) {
        const v128_t values = wasm_v128_load(row + i);
        const v128_t low = wasm_i32x4_shuffle(values, values, 0, 0, 1, 1);
        const v128_t high = wasm_i32x4_shuffle(values, values, 2, 2, 3, 3);
        for (int r = 0; r < R; r++) {
          wasm_v128_store(y + r * width, low);
          wasm_v128_store(y + r * width + 4, high);
        }
      }
    } else if (factor % 4 == 0) {
#pragma clang loop unroll(disable)
      for (; i < W; i++) {
        const v128_t value = wasm_v128_load32_splat(row + i);
#pragma clang loop unroll(disable)
        for (int32_t k = 0; k < factor; k += 4, y += 4)
          for (int r = 0; r < R; r++) wasm_v128_store(y + r * width, value);
      }
    }

    /* Other factors, and the last elements of a row. */
#pragma clang loop unroll(disable)
    for (; i < W; i++)
#pragma clang loop unroll(disable)
      for (int32_t k = 0; k < factor; k++, y++)
        for (int r = 0; r < R; r++) y[r * width] = row[i];
  }
}

static void repeat_one(const float *x, int32_t rows, int32_t W, int32_t factor, int32_t times, float *y) {
  repeat_each(1, x, rows, W, factor, times, y);
}
static void repeat_two(const float *x, int32_t rows, int32_t W, int32_t factor, int32_t times, float *y) {
  repeat_each(2, x, rows, W, factor, times, y);
}
SMALL void repeat_rows(const float *x, int32_t rows, int32_t W, const int32_t repeat[2], float *y) {
  const bool even = repeat[0] % 2 == 0;
  (even ? repeat_two : repeat_one)(x, rows, W, repeat[1], even ? repeat[0] / 2 : repeat[0], y);
}

/* Pixels first .. first + count - 1 of a row. */
SMALL static void repeat_part(const float *x, int32_t factor, int32_t first, int32_t count, float *y) {
  int32_t within = first % factor;
  x += first / factor;
  while (count > 0 && within > 0) {
    *y++ = *x;
    count--;
    if (++within == factor) within = 0, x++;
  }
  const int32_t whole = count / factor;
  repeat_rows(x, 1, whole, (int32_t[]){1, factor}, y);
  for (int32_t i = whole * factor; i < count; i++) y[i] = x[whole];
}

SMALL void repeat_pixels(const float *x, const int32_t repeat[2], int32_t width, size_t first, size_t count,
                         float *y) {
  DK_ASSERT(repeat[0] >= 1 && repeat[1] >= 1 && width % repeat[1] == 0);
  const int32_t W = width / repeat[1], row = (int32_t)(first / (size_t)width);
  const int32_t begin = (int32_t)(first % (size_t)width);
  int32_t left = (int32_t)count, alike = repeat[0] - row % repeat[0]; /* pixels; rows that read x */
  x += (ptrdiff_t)(row / repeat[0]) * W;
  if (begin > 0) {
    const int32_t columns = min_i32(width - begin, left);
    repeat_part(x, repeat[1], begin, columns, y);
    y += columns;
    left -= columns;
    alike--;
  }

  /* Rows until a row of x has been read as often as it is repeated, then whole rows of x, then what is left.
   */
  const int32_t rows = left / width;
  const int32_t head = alike < repeat[0] ? min_i32(alike, rows) : 0, whole = (rows - head) / repeat[0];
  const int32_t tail = rows - head - whole * repeat[0];
  if (head > 0) repeat_rows(x, 1, W, (int32_t[]){head, repeat[1]}, y);
  y += head * width;
  if (alike == head || alike == 0) x += W;
  repeat_rows(x, whole, W, repeat, y);
  x += (ptrdiff_t)whole * W, y += whole * repeat[0] * width;
  if (tail > 0) repeat_rows(x, 1, W, (int32_t[]){tail, repeat[1]}, y);
  repeat_part(x, repeat[1], 0, left - rows * width, y + tail * width);
}
