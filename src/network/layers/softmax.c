/* Softmax: the exponentials of the differences to the maximum, divided by their sum. If the axis is the
 * innermost, rows are computed one by one. Otherwise many neighbouring columns are computed at once. Rows of
 * a few elements are copied as columns, since vectors across them are full. */
#include <math.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/sizes.h"
#include "inner/binary.h"
#include "inner/sums.h"
#include "inner/unary.h"
#include "network/layers/layers.h"
#include "network/layers/nest.h"

enum {
  SOFTMAX_WORK = 8,      /* multiply-adds that take as long as one element */
  SOFTMAX_COLUMNS = 128, /* that are computed at once */
  SOFTMAX_SHORT = 32,    /* elements of a row that is copied, at most */
  SOFTMAX_COPY = 1024,   /* of a copy */
};

/* The axis. */
typedef struct softmax_axis {
  int32_t length;
  ptrdiff_t x_stride, y_stride;
} softmax_axis;

SMALL static void softmax_row(const float *x, int32_t length, float *y) {
  const size_t count = (size_t)length;
  exp_differences(x, greatest_float(x, count), count, y);
  const float share = (float)(1 / sum_floats(y, count));
  binary_apply(DK_OP_MULTIPLY, y, 1, &share, 0, count, y);
}

/* Columns of neighbours, SOFTMAX_COLUMNS at most. y may be x. */
SMALL static void softmax_columns(const softmax_axis *axis, const float *x, int32_t columns, float *y) {
  const size_t count = (size_t)columns;
  float most[SOFTMAX_COLUMNS], sum[SOFTMAX_COLUMNS];
  for (size_t j = 0; j < count; j++) most[j] = x[j], sum[j] = 0;
  for (int32_t i = 1; i < axis->length; i++)
    binary_apply(DK_OP_MAXIMUM, most, 1, x + i * axis->x_stride, 1, count, most);
  for (int32_t i = 0; i < axis->length; i++) {
    float *out = y + i * axis->y_stride;
    binary_apply(DK_OP_SUBTRACT, x + i * axis->x_stride, 1, most, 1, count, out);
    unary_apply(DK_OP_EXP, NULL, out, count, out);
    binary_apply(DK_OP_ADD, sum, 1, out, 1, count, sum);
  }
  for (int32_t i = 0; i < axis->length; i++) {
    float *out = y + i * axis->y_stride;
    binary_apply(DK_OP_DIVIDE, out, 1, sum, 1, count, out);
  }
}

/* Columns that lie x_step floats apart in x and y_step floats in y. */
SMALL static void softmax_copied(const softmax_axis *axis, const float *x, ptrdiff_t x_step, int32_t columns,
                                 float *y, ptrdiff_t y_step) {
  float copy[SOFTMAX_COPY];
  const softmax_axis copied = {axis->length, columns, columns};
  DK_ASSERT(axis->length * columns <= SOFTMAX_COPY);
  for (int32_t j = 0; j < columns; j++)
#pragma clang loop unroll(disable)
    for (int32_t i = 0; i < axis->length; i++) copy[i * columns + j] = x[j * x_step + i * axis->x_stride];
  softmax_columns(&copied, copy, columns, copy);
  for (int32_t j = 0; j < columns; j++)
#pragma clang loop unroll(disable)
    for (int32_t i = 0; i < axis->length; i++) y[j * y_step + i * axis->y_stride] = copy[i * columns + j];
}

/* Columns of `loops` that lie beside each other. */
SMALL static void softmax_piece(const nest *loops, float *const *place, int32_t count, const void *argument) {
  const softmax_axis *axis = argument;
  const ptrdiff_t y_step = loops->stride[0][loops->rank - 1], x_step = loops->stride[1][loops->rank - 1];
  float *y = place[0];
  const float *x = place[1];
  const int32_t fitting = axis->length <= SOFTMAX_SHORT ? SOFTMAX_COPY / axis->length : 0;
  if (y_step == 1 && x_step == 1 && count > 1) {
    softmax_columns(axis, x, count, y);
  } else if (fitting && count > 1) {
    for (int32_t j = 0; j < count; j += fitting)
      softmax_copied(axis, x + j * x_step, x_step, min_i32(count - j, fitting), y + j * y_step, y_step);
  } else {
    for (int32_t j = 0; j < count; j++, x += x_step, y += y_step) {
      if (axis->x_stride == 1 && axis->y_stride == 1)
        softmax_row(x, axis->length, y);
      else
        softmax_columns(axis, x, 1, y);
    }
  }
}

SMALL void softmax_run(dk_context *context, int32_t axis, const view *x, const view *y) {
  DK_ASSERT(axis >= 0 && axis < x->rank && x->rank == y->rank);
  const softmax_axis work = {x->shape[axis], x->stride[axis], y->stride[axis]};
  const uint32_t others = ~(1u << axis);
  const view rest_x = view_axes(x, others), rest_y = view_axes(y, others);
  const view *const operands[] = {&rest_y, &rest_x};
  const nest loops = nest_make(operands, 2);
  nest_run(context, &loops, 1, SOFTMAX_COLUMNS, SOFTMAX_WORK * (double)work.length, softmax_piece, &work);
}
