/* Sums, means and maxima over axes. Axes that lie behind each other in memory become one: [H, W] of a plane
 * does (network/layers/nest.h). The innermost axis then decides how a sum is computed:
 *
 *   it is added up      value by value, with vectors if the values are neighbours
 *   it is kept          sixteen neighbouring sums at a time, with vectors across them */
#include <math.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "inner/sums.h"
#include "network/layers/layers.h"
#include "network/layers/nest.h"

enum {
  REDUCE_WORK = 4,  /* multiply-adds that take as long as adding one value */
  REDUCE_PIECE = 4, /* sums that are computed one by one, and stay together */
};

typedef struct reduce_work {
  dk_op op;
  nest added;     /* of one operand, x */
  int64_t outer;  /* places of all loops over added but the innermost */
  double divisor; /* of each sum */
} reduce_work;

/* The offset in x of place `index` of all loops over added but the innermost. */
SMALL static ptrdiff_t reduce_offset(const nest *added, int64_t index) {
  ptrdiff_t offset = 0;
  for (int32_t i = added->rank - 2; i >= 0 && index; i--) {
    offset += index % added->shape[i] * added->stride[0][i];
    index /= added->shape[i];
  }
  return offset;
}

/* The greater, or NaN if one is NaN. */
static double reduce_greater(double a, double b) { return a != a || a > b ? a : b; }

SMALL static float reduce_one(const reduce_work *work, const float *x) {
  const bool maximum = work->op == DK_OP_REDUCE_MAX;
  const int32_t length = work->added.shape[work->added.rank - 1];
  const ptrdiff_t stride = work->added.stride[0][work->added.rank - 1];
  double result = maximum ? -INFINITY : 0;
  for (int64_t i = 0; i < work->outer; i++) {
    const float *value = x + reduce_offset(&work->added, i);
    if (stride == 1) {
      result = maximum ? reduce_greater((double)greatest_float(value, (size_t)length), result)
                       : result + sum_floats(value, (size_t)length);
      continue;
    }
#pragma clang loop unroll(disable)
    for (int32_t j = 0; j < length; j++)
      result =
          maximum ? reduce_greater((double)value[j * stride], result) : result + (double)value[j * stride];
  }
  return (float)(result / work->divisor);
}

/* Sixteen neighbouring columns. The first `known` results are not stored. */
SMALL static void reduce_sixteen(const reduce_work *work, const float *x, int32_t known, float *y) {
  const int32_t length = work->added.shape[work->added.rank - 1];
  const ptrdiff_t stride = work->added.stride[0][work->added.rank - 1];
  double total[SUM_COLUMNS] = {0};
  float greatest[SUM_COLUMNS];
  for (int32_t j = 0; j < SUM_COLUMNS; j++) greatest[j] = -INFINITY;
  for (int64_t i = 0; i < work->outer; i++) {
    const float *row = x + reduce_offset(&work->added, i);
    if (work->op == DK_OP_REDUCE_MAX)
      greatest_columns(row, stride, length, greatest);
    else
      sum_columns(row, stride, length, total);
  }
  for (int32_t j = known; j < SUM_COLUMNS; j++)
    y[j] = work->op == DK_OP_REDUCE_MAX ? greatest[j] : (float)(total[j] / work->divisor);
}

SMALL static bool reduce_by_columns(const nest *kept) {
  return kept->stride[1][kept->rank - 1] == 1 && kept->shape[kept->rank - 1] >= SUM_COLUMNS;
}

SMALL static void reduce_piece(const nest *kept, float *const *place, int32_t count, const void *argument) {
  const ptrdiff_t stride = kept->stride[1][kept->rank - 1];
  if (reduce_by_columns(kept)) {
    /* The last sixteen end with their row, and hold some columns of those before. */
    const int32_t known = SUM_COLUMNS - count;
    reduce_sixteen(argument, place[1] - known, known, place[0] - known);
    return;
  }
  for (int32_t i = 0; i < count; i++) place[0][i] = reduce_one(argument, place[1] + i * stride);
}

SMALL void reduce_run(dk_context *context, dk_op op, uint32_t axes, const view *x, const view *y) {
  DK_ASSERT(op == DK_OP_REDUCE_MEAN || op == DK_OP_REDUCE_SUM || op == DK_OP_REDUCE_MAX);
  DK_ASSERT(view_is_contiguous(y) && x->rank == y->rank);
  const view kept_y = view_axes(y, ~axes), kept_x = view_axes(x, ~axes), added_x = view_axes(x, axes);
  const view *const added = &added_x, *const operands[] = {&kept_y, &kept_x};
  reduce_work work = {.op = op, .added = nest_make(&added, 1), .divisor = 1};
  const size_t values = view_elements(&added_x);
  work.outer = (int64_t)values / work.added.shape[work.added.rank - 1];
  if (op == DK_OP_REDUCE_MEAN) work.divisor = (double)values;
  const nest kept = nest_make(operands, 2);
  nest_run(context, &kept, 1, reduce_by_columns(&kept) ? SUM_COLUMNS : REDUCE_PIECE,
           REDUCE_WORK * (double)values, reduce_piece, &work);
}
