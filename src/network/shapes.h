/* What the checks of nodes share (shapes.c, shapes_products.c). */
#ifndef DK_SHAPES_H
#define DK_SHAPES_H

#include "network/description.h"

/* A node that is checked, and the shapes of its first inputs and its first output. */
typedef struct shape_check {
  const description *described;
  const node *checked;
  const value *x, *second, *third, *y; /* NULL if there is none */
} shape_check;

enum { LONGEST = 1 << 15 }; /* of a window, stride, dilation or padding: products of two fit an int32_t */

static inline bool shapes_equal(const value *a, const value *b) {
  return a->rank == b->rank && !memcmp(a->shape, b->shape, sizeof(int32_t) * (size_t)a->rank);
}

/* Whether a value is missing, or has exactly these lengths. */
static inline bool shape_is(const value *checked, int32_t rank, const int32_t *lengths) {
  return !checked ||
         (checked->rank == rank && !memcmp(checked->shape, lengths, sizeof(int32_t) * (size_t)rank));
}
static inline bool shape_is_vector(const value *checked, int32_t length) {
  return shape_is(checked, 1, &length);
}
static inline bool shape_is_matrix(const value *checked, int32_t rows, int32_t columns) {
  return shape_is(checked, 2, (int32_t[]){rows, columns});
}

static inline bool shapes_are_constant(const value *checked) {
  return !checked || checked->kind == VALUE_CONSTANT;
}

static inline dk_status shape_status(bool fits) { return fits ? DK_OK : DK_ERROR_SHAPE; }

/* Length `axis` of a shape that is aligned at its end with one of `rank` dimensions. */
static inline int32_t shape_aligned(const value *of, int32_t rank, int32_t axis) {
  const int32_t own = axis - (rank - of->rank);
  return own < 0 ? 1 : of->shape[own];
}

/* Whether `of` broadcasts to y. */
static inline bool shape_broadcasts(const value *of, const value *y) {
  if (of->rank > y->rank) return false;
  for (int32_t axis = 0; axis < y->rank; axis++) {
    const int32_t length = shape_aligned(of, y->rank, axis);
    if (length != 1 && length != y->shape[axis]) return false;
  }
  return true;
}

/* Whether `window` holds a window as dk_op describes it: stride, padding, dilation, of a kernel of R taps
 * along an axis. */
static inline bool shape_window_is_valid(const int32_t *window, const int32_t *R) {
  for (int32_t i = 0; i < 2; i++)
    if (R[i] < 1 || R[i] > LONGEST || window[i] < 1 || window[i] > LONGEST || window[6 + i] < 1 ||
        window[6 + i] > LONGEST)
      return false;
  for (int32_t i = 2; i < 6; i++)
    if (window[i] < 0 || window[i] > LONGEST) return false;
  return true;
}

/* How many places a window has along an axis. `spare`: how many elements of it may hang over the end. */
static inline int32_t shape_places(const int32_t *window, const int32_t *R, int32_t axis, int32_t length,
                                   int32_t spare) {
  const int64_t padded = (int64_t)length + window[2 + axis] + window[4 + axis] + spare;
  const int64_t reach = (int64_t)window[6 + axis] * (R[axis] - 1) + 1;
  return padded < reach ? 0 : (int32_t)((padded - reach) / window[axis] + 1);
}

/* ------------------------------------------------------------------- shapes_products.c */

dk_status shape_check_convolution(const shape_check *at);
dk_status shape_check_transposed(const shape_check *at);
dk_status shape_check_attention(const shape_check *at);
dk_status shape_check_batch_norm(const shape_check *at);
dk_status shape_check_linear(const shape_check *at);
dk_status shape_check_matmul(const shape_check *at);

#endif
