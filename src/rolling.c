/* See rolling.h. Four columns at a time go from the top down. Nine weights stay in registers, and each
 * input row is loaded once for the three output rows that it touches, so that nothing is gained by a
 * copy of the input with its padding written out: rows of padding are left out, and columns of
 * padding come from shuffles. */
#include "rolling.h"

#include <stdbool.h>

#include "kernels.h"
#include "simd.h"

#define INLINE static inline __attribute__((always_inline))

enum { STRIP_ROWS = 64 }; /* whose lines stay in the first-level cache for the next four columns */

/* Which of a vector's neighbours are padding. */
typedef struct edges {
  bool left, right;
} edges;

/* w[0] * left + w[1] * middle + w[2] * right neighbours, on its own so that only one addition waits
 * for the sum that it joins.
 *
 *   middle   x0 x1 x2 x3      left   . x0 x1 x2      right   x1 x2 x3 x4
 *                             edge:  0 x0 x1 x2      edge:   x1 x2 x3 0   */
INLINE v128_t dot3(const edges at, const v128_t *w, const float *x) {
  const v128_t zero = wasm_f32x4_splat(0), middle = wasm_v128_load(x);
  const v128_t left = at.left ? wasm_i32x4_shuffle(zero, middle, 0, 4, 5, 6) : wasm_v128_load(x - 1);
  const v128_t right =
      at.right ? wasm_i32x4_shuffle(middle, zero, 1, 2, 3, 4) : wasm_v128_load(x + 1);
  return madd(w[2], right, madd(w[1], middle, wasm_f32x4_mul(w[0], left)));
}

/* Output columns column .. column + 3. The sums of two output rows are under way: upper lacks its
 * third input row, lower the second too. */
INLINE void roll_down(const edges at, const rolling_plane *b, int32_t first, int32_t end,
                      int32_t column) {
  const v128_t bias = wasm_f32x4_splat(b->bias);
  v128_t w[9];
  for (int i = 0; i < 9; i++) w[i] = wasm_v128_load32_splat(b->weight + i * LANES);

  /* Copies, since the compiler must assume that storing a vector changes *b. */
  const int32_t W = b->W, Wo = b->W - 2 + 2 * b->padding;
  const int32_t top = first - b->padding; /* input row of the first row of taps */
  const float *x = b->x + (ptrdiff_t)top * W + column + 1 - b->padding;
  float *y = b->y + (size_t)first * Wo + column;

  v128_t upper = top < 0 ? bias : wasm_f32x4_add(bias, dot3(at, w, x));
  x += W;
  upper = wasm_f32x4_add(upper, dot3(at, w + 3, x));
  v128_t lower = wasm_f32x4_add(bias, dot3(at, w, x));

  const int32_t below = b->H - 2 - top; /* input rows from the third row of taps on */
  const int32_t rows = end - first < below ? end - first : below;
#pragma clang loop unroll(disable)
  for (float *const last = y + (ptrdiff_t)rows * Wo; y < last; y += Wo) {
    x += W;
    const v128_t done = wasm_f32x4_add(upper, dot3(at, w + 6, x));
    upper = wasm_f32x4_add(lower, dot3(at, w + 3, x));
    lower = wasm_f32x4_add(bias, dot3(at, w, x));
    wasm_v128_store(y, done);
  }
  if (rows < end - first) wasm_v128_store(y, upper);
}

static void roll_inner(const rolling_plane *b, int32_t first, int32_t end, int32_t column) {
  roll_down((edges){false, false}, b, first, end, column);
}
static void roll_left(const rolling_plane *b, int32_t first, int32_t end, int32_t column) {
  roll_down((edges){true, false}, b, first, end, column);
}
static void roll_right(const rolling_plane *b, int32_t first, int32_t end, int32_t column) {
  roll_down((edges){false, true}, b, first, end, column);
}

void rolling_convolve(const rolling_plane *b) {
  /* Through a table, so that each stays a function of its own (see small.h). */
  enum { INNER, LEFT, RIGHT };
  static void (*const roll[])(const rolling_plane *, int32_t, int32_t, int32_t) = {
      [INNER] = roll_inner, [LEFT] = roll_left, [RIGHT] = roll_right};
  const int32_t Wo = b->W - 2 + 2 * b->padding, last = Wo - 4;
  for (int32_t first = b->first_row; first < b->end_row; first += STRIP_ROWS) {
    const int32_t end = b->end_row - first < STRIP_ROWS ? b->end_row : first + STRIP_ROWS;
    int32_t column = 0;
    if (b->padding) {
      roll[LEFT](b, first, end, 0);
      roll[RIGHT](b, first, end, last);
      column = 4;
    }
    for (; column <= last - b->padding; column += 4) roll[INNER](b, first, end, column);
    if (!b->padding && column < Wo) roll[INNER](b, first, end, last);
  }
}
