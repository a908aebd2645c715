/* See inner/plane_depthwise_3x3.h. Four columns at a time go from the top down. Nine weights stay in
 * registers, and each input row is loaded once for the output rows that it touches, so that nothing is gained
 * by a copy of the input with its padding written out: rows of padding are left out, and columns of padding
 * come from shuffles. */
#include "inner/plane_depthwise_3x3.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

enum { STRIP_ROWS = 64 }; /* whose lines stay in the first-level cache for the next four columns */

/* Which of a vector's neighbours are padding. */
typedef struct edges {
  bool left, right;
} edges;

/* The inputs that each of a row's three taps meets. x: what the first output's first tap meets.
 *
 * stride 1     x   x0 x1 x2 x3 | x4 x5        tap 0   x0 x1 x2 x3     left edge    0 x1 x2 x3
 *                                             tap 1   x1 x2 x3 x4
 *                                             tap 2   x2 x3 x4 x5     right edge  x2 x3 x4  0
 *
 * stride 2     x   x0 x1 .. x7 | x8           tap 0   x0 x2 x4 x6     left edge    0 x2 x4 x6
 *                                             tap 1   x1 x3 x5 x7
 *                                             tap 2   x2 x4 x6 x8     right edge  x2 x4 x6  0
 *
 * At an edge x0, or x5 or x8, is not there to be read: at the left edge x points to x1 instead, since a
 * pointer to x0 would leave the image. */
INLINE void load_taps(const int stride, const edges at, const float *x, v128_t tap[3]) {
  const v128_t zero = wasm_f32x4_splat(0);
  if (stride == 1) {
    const float *x1 = at.left ? x : x + 1;
    tap[1] = wasm_v128_load(x1);
    tap[0] = at.left ? wasm_i32x4_shuffle(zero, tap[1], 0, 4, 5, 6) : wasm_v128_load(x);
    tap[2] = at.right ? wasm_i32x4_shuffle(tap[1], zero, 1, 2, 3, 4) : wasm_v128_load(x1 + 1);
    return;
  }
  if (at.left) {
    const v128_t low = wasm_v128_load(x), high = wasm_v128_load(x + 4); /* x1 .. x8 */
    tap[1] = wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
    tap[2] = wasm_i32x4_shuffle(low, high, 1, 3, 5, 7);
    tap[0] = wasm_i32x4_shuffle(zero, tap[2], 0, 4, 5, 6);
    return;
  }
  const v128_t low = wasm_v128_load(x), high = wasm_v128_load(x + 4); /* x0 .. x7 */
  tap[0] = wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
  tap[1] = wasm_i32x4_shuffle(low, high, 1, 3, 5, 7);
  tap[2] = at.right ? wasm_i32x4_shuffle(tap[0], zero, 1, 2, 3, 4)
                    : wasm_i32x4_shuffle(wasm_v128_load(x + 2), wasm_v128_load(x + 5), 0, 2, 5, 7);
}

/* Three taps' sum, on its own so that only one addition waits for the sum that it joins. */
INLINE v128_t dot3(const v128_t *w, const v128_t tap[3]) {
  return madd(w[2], tap[2], madd(w[1], tap[1], wasm_f32x4_mul(w[0], tap[0])));
}

/* Output columns column .. column + 3. Sums of output rows are under way: of the next one, upper,
 * and with stride 1 of the one after it, lower. An input row is the third of one output row, and
 * with stride 1 the second of the next and the first of the one after it; with stride 2 every other
 * row is the third and the first, those between are second ones. */
INLINE void roll_down(const int stride, const edges at, const depthwise_3x3_plane *b, int32_t first,
                      int32_t end, int32_t column) {
  const v128_t bias = wasm_f32x4_splat(b->bias);
  v128_t w[9], tap[3];
  for (int i = 0; i < 9; i++) w[i] = wasm_v128_load32_splat(b->weight + i * LANES);

  /* Copies, since the compiler must assume that storing a vector changes *b. */
  const int32_t W = b->W, Wo = b->Wo;
  const int32_t top = first * stride - b->padding; /* input row of the first row of taps */
  const float *x = b->x + (at.left ? 0 : column * stride - b->padding);
  float *y = b->y + (size_t)first * Wo + column;

  v128_t upper = bias, lower = bias;
  if (top >= 0) { /* else the first row of taps is above the image, and x points to the second */
    load_taps(stride, at, x += (size_t)top * W, tap);
    upper = wasm_f32x4_add(bias, dot3(w, tap));
    x += W;
  }
  if (stride == 1) {
    load_taps(stride, at, x, tap);
    upper = wasm_f32x4_add(upper, dot3(w + 3, tap));
    lower = wasm_f32x4_add(bias, dot3(w, tap));
  }

  /* Output rows whose third row of taps is not below the image. */
  const int32_t below = (b->H - 3 - top + stride) / stride;
  const int32_t rows = end - first < below ? end - first : below;
  int32_t step = 0; /* to the second row of taps: with stride 2 x points to the first output row's */
#pragma clang loop unroll(disable)
  for (float *const last = y + (ptrdiff_t)rows * Wo; y < last; y += Wo) {
    if (stride == 2) {
      load_taps(stride, at, x += step, tap);
      step = W;
      upper = wasm_f32x4_add(upper, dot3(w + 3, tap));
    }
    load_taps(stride, at, x += W, tap);
    wasm_v128_store(y, wasm_f32x4_add(upper, dot3(w + 6, tap)));
    if (stride == 2) {
      upper = wasm_f32x4_add(bias, dot3(w, tap));
    } else {
      upper = wasm_f32x4_add(lower, dot3(w + 3, tap));
      lower = wasm_f32x4_add(bias, dot3(w, tap));
    }
  }
  if (rows == end - first) return;
  if (stride == 2) {
    load_taps(stride, at, x += step, tap);
    upper = wasm_f32x4_add(upper, dot3(w + 3, tap));
  }
  wasm_v128_store(y, upper);
}

static void inner_1(const depthwise_3x3_plane *b, int32_t first, int32_t end, int32_t column) {
  roll_down(1, (edges){false, false}, b, first, end, column);
}
static void left_1(const depthwise_3x3_plane *b, int32_t first, int32_t end, int32_t column) {
  roll_down(1, (edges){true, false}, b, first, end, column);
}
static void right_1(const depthwise_3x3_plane *b, int32_t first, int32_t end, int32_t column) {
  roll_down(1, (edges){false, true}, b, first, end, column);
}
static void inner_2(const depthwise_3x3_plane *b, int32_t first, int32_t end, int32_t column) {
  roll_down(2, (edges){false, false}, b, first, end, column);
}
static void left_2(const depthwise_3x3_plane *b, int32_t first, int32_t end, int32_t column) {
  roll_down(2, (edges){true, false}, b, first, end, column);
}
static void right_2(const depthwise_3x3_plane *b, int32_t first, int32_t end, int32_t column) {
  roll_down(2, (edges){false, true}, b, first, end, column);
}

void depthwise_3x3_convolve(const depthwise_3x3_plane *b) {
  /* Through tables, so that each stays a function of its own (see base/attributes.h). */
  enum { INNER, LEFT, RIGHT };
  static void (*const kernels[][3])(const depthwise_3x3_plane *, int32_t, int32_t, int32_t) = {
      [1] = {[INNER] = inner_1, [LEFT] = left_1, [RIGHT] = right_1},
      [2] = {[INNER] = inner_2, [LEFT] = left_2, [RIGHT] = right_2},
  };
  void (*const *const roll)(const depthwise_3x3_plane *, int32_t, int32_t, int32_t) = kernels[b->stride];
  const int32_t last = b->Wo - 4;
  const bool right = (b->Wo - 1) * b->stride + 2 - b->padding >= b->W;
  for (int32_t first = b->first_row; first < b->end_row; first += STRIP_ROWS) {
    const int32_t end = b->end_row - first < STRIP_ROWS ? b->end_row : first + STRIP_ROWS;
    if (b->padding) roll[LEFT](b, first, end, 0);
    for (int32_t column = b->padding ? 4 : 0; column < last; column += 4) roll[INNER](b, first, end, column);
    roll[right ? RIGHT : INNER](b, first, end, last);
  }
}
