/* See inner/plane_depthwise_3x3.h. Four columns at a time go from the top down. The nine weights stay in
 * registers, and each input row is loaded once for all output rows that it touches. The input is not copied
 * with its padding: rows of padding are skipped, and columns of padding come from shuffles. */
#include "inner/plane_depthwise_3x3.h"

#include <stdbool.h>
#include <stddef.h>

#include <math.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

enum { STRIP_ROWS = 64 }; /* their lines stay in the first-level cache for the next four columns */

/* Which of a vector's neighbours are padding. */
typedef struct edges {
  bool left, right;
} edges;

/* Loads the inputs of a row's three taps for four outputs. x points to the input of the first output's first
 * tap.
 *
 * stride 1     x   x0 x1 x2 x3 | x4 x5        tap 0   x0 x1 x2 x3     left edge    0 x1 x2 x3
 *                                             tap 1   x1 x2 x3 x4
 *                                             tap 2   x2 x3 x4 x5     right edge  x2 x3 x4  0
 *
 * stride 2     x   x0 x1 .. x7 | x8           tap 0   x0 x2 x4 x6     left edge    0 x2 x4 x6
 *                                             tap 1   x1 x3 x5 x7
 *                                             tap 2   x2 x4 x6 x8     right edge  x2 x4 x6  0
 *
 * At an edge x0, or x5 or x8, does not exist. At the left edge x points to x1 instead, because a pointer to
 * x0 would leave the image. */
INLINE void plane_depthwise_3x3_taps(const int stride, const edges edge, const float *x, v128_t tap[3]) {
  const v128_t zero = wasm_f32x4_splat(0);
  if (stride == 1) {
    const float *x1 = edge.left ? x : x + 1;
    tap[1] = wasm_v128_load(x1);
    tap[0] = edge.left ? wasm_i32x4_shuffle(zero, tap[1], 0, 4, 5, 6) : wasm_v128_load(x);
    tap[2] = edge.right ? wasm_i32x4_shuffle(tap[1], zero, 1, 2, 3, 4) : wasm_v128_load(x1 + 1);
    return;
  }
  if (edge.left) {
    const v128_t low = wasm_v128_load(x), high = wasm_v128_load(x + 4); /* x1 .. x8 */
    tap[1] = wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
    tap[2] = wasm_i32x4_shuffle(low, high, 1, 3, 5, 7);
    tap[0] = wasm_i32x4_shuffle(zero, tap[2], 0, 4, 5, 6);
    return;
  }
  const v128_t low = wasm_v128_load(x), high = wasm_v128_load(x + 4); /* x0 .. x7 */
  tap[0] = wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
  tap[1] = wasm_i32x4_shuffle(low, high, 1, 3, 5, 7);
  tap[2] = edge.right ? wasm_i32x4_shuffle(tap[0], zero, 1, 2, 3, 4)
                      : wasm_i32x4_shuffle(wasm_v128_load(x + 2), wasm_v128_load(x + 5), 0, 2, 5, 7);
}

/* The sum of three taps. It is computed apart, so that only one addition waits for the sum it is added to. */
INLINE v128_t plane_depthwise_3x3_dot(const v128_t *w, const v128_t tap[3]) {
  return madd(w[2], tap[2], madd(w[1], tap[1], wasm_f32x4_mul(w[0], tap[0])));
}

/* Output columns column .. column + 3 of output rows first .. end - 1 of a channel. `upper` is the sum of the
 * next output row; with vertical stride 1, `lower` is that of the row after it. With vertical stride 1 an
 * input row is the third row of taps of one output row, the second of the next and the first of the one
 * after. With stride 2 every other input row is the third of one output row and the first of the next; the
 * rows between are second rows. */
INLINE void plane_depthwise_3x3_roll(const int stride_h, const int stride_w, const edges edge,
                                     const bool clamps, const depthwise_3x3_planes *planes, int32_t channel,
                                     int32_t first, int32_t end, int32_t column) {
  const v128_t bias = wasm_v128_load32_splat(planes->bias + channel);
  const v128_t low = wasm_f32x4_splat(planes->clamp.used ? planes->clamp.low : -INFINITY);
  const v128_t high = wasm_f32x4_splat(planes->clamp.used ? planes->clamp.high : INFINITY);
  v128_t w[9], tap[3];
  for (int i = 0; i < 9; i++) w[i] = wasm_v128_load32_splat(planes->weight + channel + i * LANES);

  /* Copies: the compiler must assume that a store changes *planes. */
  const int32_t W = planes->W, Wo = planes->Wo;
  /* The input row of the first row of taps. */
  const int32_t top = first * stride_h - planes->top;
  const float *x =
      planes->x + channel * planes->x_channel + (edge.left ? 0 : column * stride_w - planes->left);
  float *y = planes->y + channel * planes->y_channel + (size_t)first * Wo + column;

  v128_t upper = bias, lower = bias;
  /* If the first row of taps is above the image, x points to the second row. */
  if (top >= 0) {
    x += (size_t)top * W;
    plane_depthwise_3x3_taps(stride_w, edge, x, tap);
    upper = wasm_f32x4_add(bias, plane_depthwise_3x3_dot(w, tap));
    x += W;
  }
  if (stride_h == 1) {
    plane_depthwise_3x3_taps(stride_w, edge, x, tap);
    upper = wasm_f32x4_add(upper, plane_depthwise_3x3_dot(w + 3, tap));
    lower = wasm_f32x4_add(bias, plane_depthwise_3x3_dot(w, tap));
  }

  /* The output rows whose third row of taps is not below the image. */
  const int32_t below = (planes->H - 3 - top + stride_h) / stride_h;
  const int32_t rows = end - first < below ? end - first : below;
  /* With vertical stride 2, x points to the second row of taps of the first output row already. */
  int32_t step = 0;
#pragma clang loop unroll(disable)
  for (float *const last = y + (ptrdiff_t)rows * Wo; y < last; y += Wo) {
    if (stride_h == 2) {
      x += step;
      plane_depthwise_3x3_taps(stride_w, edge, x, tap);
      step = W;
      upper = wasm_f32x4_add(upper, plane_depthwise_3x3_dot(w + 3, tap));
    }
    x += W;
    plane_depthwise_3x3_taps(stride_w, edge, x, tap);
    const v128_t sum = wasm_f32x4_add(upper, plane_depthwise_3x3_dot(w + 6, tap));
    wasm_v128_store(y, clamps ? clamp_vector(sum, low, high) : sum);
    if (stride_h == 2) {
      upper = wasm_f32x4_add(bias, plane_depthwise_3x3_dot(w, tap));
    } else {
      upper = wasm_f32x4_add(lower, plane_depthwise_3x3_dot(w + 3, tap));
      lower = wasm_f32x4_add(bias, plane_depthwise_3x3_dot(w, tap));
    }
  }
  if (rows == end - first) return;
  /* The last output row has no third row of taps. */
  if (stride_h == 2) {
    x += step;
    plane_depthwise_3x3_taps(stride_w, edge, x, tap);
    upper = wasm_f32x4_add(upper, plane_depthwise_3x3_dot(w + 3, tap));
  }
  wasm_v128_store(y, clamps ? clamp_vector(upper, low, high) : upper);
}

/* The same for all channels. The vertical stride is a constant too: a loop that serves both is slower by a
 * quarter. Every loop clamps, perhaps to infinities, but that of the inner columns, which are the most, with
 * one stride for both directions, which is usual. */
#define ROLL(name, stride_h, stride_w, left, right, clamps)                                                  \
  static void plane_depthwise_3x3_##name##_##stride_h##x##stride_w(                                          \
      const depthwise_3x3_planes *planes, int32_t first, int32_t end, int32_t column) {                      \
    for (int32_t channel = 0; channel < planes->channels; channel++)                                         \
      plane_depthwise_3x3_roll(stride_h, stride_w, (edges){left, right}, clamps, planes, channel, first,     \
                               end, column);                                                                 \
  }
#define ROLLS(stride_h, stride_w)                                                                            \
  ROLL(clamped, stride_h, stride_w, false, false, true)                                                      \
  ROLL(left, stride_h, stride_w, true, false, true)                                                          \
  ROLL(right, stride_h, stride_w, false, true, true)
ROLLS(1, 1)
ROLLS(1, 2)
ROLLS(2, 1)
ROLLS(2, 2)
ROLL(inner, 1, 1, false, false, false)
ROLL(inner, 2, 2, false, false, false)
#undef ROLLS
#undef ROLL

void depthwise_3x3_convolve(const depthwise_3x3_planes *planes) {
  DK_ASSERT((planes->stride_h == 1 || planes->stride_h == 2) && planes->Wo > 4);
  DK_ASSERT(planes->stride_w == 1 || planes->stride_w == 2);
  DK_ASSERT((planes->top == 0 || planes->top == 1) && (planes->left == 0 || planes->left == 1));
  DK_ASSERT(0 <= planes->first_row && planes->first_row < planes->end_row);
  DK_ASSERT(planes->channels >= 1 && planes->channels <= LANES);
  /* A table keeps these separate functions (base/attributes.h says why). */
  enum { INNER, CLAMPED, LEFT, RIGHT };
  typedef void (*roll_function)(const depthwise_3x3_planes *, int32_t, int32_t, int32_t);
#define NAMES(strides, inner)                                                                                \
  {                                                                                                          \
    plane_depthwise_3x3_##inner##_##strides, plane_depthwise_3x3_clamped_##strides,                          \
        plane_depthwise_3x3_left_##strides, plane_depthwise_3x3_right_##strides                              \
  }
  static const roll_function by_strides[][3][4] = {
      [1] = {[1] = NAMES(1x1, inner), [2] = NAMES(1x2, clamped)},
      [2] = {[1] = NAMES(2x1, clamped), [2] = NAMES(2x2, inner)}};
#undef NAMES
  const roll_function *const roll = by_strides[planes->stride_h][planes->stride_w];
  const int32_t inner = planes->clamp.used ? CLAMPED : INNER, last = planes->Wo - 4;
  const bool right = (planes->Wo - 1) * planes->stride_w + 2 - planes->left >= planes->W;
  for (int32_t first = planes->first_row; first < planes->end_row; first += STRIP_ROWS) {
    const int32_t end = planes->end_row - first < STRIP_ROWS ? planes->end_row : first + STRIP_ROWS;
    if (planes->left) roll[LEFT](planes, first, end, 0);
    for (int32_t column = planes->left ? 4 : 0; column < last; column += 4)
      roll[inner](planes, first, end, column);
    roll[right ? RIGHT : inner](planes, first, end, last);
  }
}
