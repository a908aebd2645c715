/* See check_layers_sums.h. Lengths lie around the vectors of 4 and the sixteen columns, and beyond the chunks
 * that are computed at a time. */
#include "check_layers_sums.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "layer_tensor.h"
#include "network/layers/layers.h"

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof *(array)))

/* Any shape with at most so many elements. */
static void any_shape(check *c, int32_t rank, int32_t most, int32_t *shape) {
  for (int32_t i = 0; i < rank; i++) shape[i] = 1;
  for (int32_t left = rank; left > 0; left--) {
    const int32_t i = below(c, rank);
    const int32_t length = 1 + below(c, below(c, 2) ? 70 : 6);
    if (shape[i] == 1 && length <= most) shape[i] = length, most /= length;
  }
}

static const char *shape_text(const int32_t *shape, int32_t rank) {
  static char text[96];
  int place = 0;
  text[0] = 0;
  for (int32_t i = 0; i < rank; i++)
    place += snprintf(text + place, sizeof text - (size_t)place, i ? ",%d" : "%d", (int)shape[i]);
  return text;
}

/* ---------------------------------------------------------------------------------- reduce */

static void check_reduce(check *c, dk_context *context, int32_t rank, const int32_t *shape, uint32_t axes,
                         int32_t spread, bool special) {
  static const dk_op ops[] = {DK_OP_REDUCE_MEAN, DK_OP_REDUCE_SUM, DK_OP_REDUCE_MAX};
  static const double tolerance[] = {1e-6, 2e-5, 0};
  tensor x = tensor_make(c, rank, shape, spread);
  tensor_fill(c, &x, special);
  int32_t reduced[MAX_RANK];
  for (int32_t i = 0; i < rank; i++) reduced[i] = axes >> i & 1 ? 1 : shape[i];
  tensor got = tensor_make(c, rank, reduced, 0), want = tensor_like(&got);
  for (int32_t i = 0; i < COUNT(ops); i++) {
    begin(c, "reduce op=%d shape=%s axes=%x spread=%d special=%d", (int)ops[i], shape_text(shape, rank), axes,
          spread, special);
    reduce_run(context, ops[i], axes, &x.v, &got.v);
    reduce_reference(ops[i], axes, &x.v, &want.v);
    expect_tensor(c, &got, &want, tolerance[i], "y");
  }
  tensor_free(&x), tensor_free(&got), tensor_free(&want);
}

static void check_reduce_random(check *c, dk_context *context) {
  int32_t shape[MAX_RANK];
  const int32_t rank = below(c, MAX_RANK + 1), spread = below(c, rank + 1);
  any_shape(c, rank, 2000, shape);
  check_reduce(c, context, rank, shape, (uint32_t)below(c, 1 << rank), spread, below(c, 8) == 0);
}

/* ---------------------------------------------------------------------------------- pooling */

/* The outputs along an axis. The last window may be cut off, but begins inside or in the padding before. */
static int32_t pooled(const sliding_window *how, int axis, int32_t length, bool cut) {
  const int32_t room = length + how->padding[axis] + how->padding[2 + axis] -
                       (how->kernel[axis] - 1) * how->dilation[axis] - 1;
  int32_t outputs = (room + (cut ? how->stride[axis] - 1 : 0)) / how->stride[axis] + 1;
  if (cut && (outputs - 1) * how->stride[axis] >= length + how->padding[axis]) outputs--;
  return outputs;
}

static void check_pooling(check *c, dk_context *context, const sliding_window *how, const int32_t *shape,
                          bool cut, bool special) {
  int32_t out[4] = {shape[0], shape[1]};
  for (int axis = 0; axis < 2; axis++) out[2 + axis] = pooled(how, axis, shape[2 + axis], cut);
  tensor x = tensor_make(c, 4, shape, 2), got = tensor_make(c, 4, out, 2), want = tensor_like(&got);
  tensor_fill(c, &x, special);
  for (int kind = 0; kind < 3; kind++) {
    const dk_op op = kind < 2 ? DK_OP_AVERAGE_POOL : DK_OP_MAX_POOL;
    begin(c,
          "pooling op=%d shape=%s kernel=%d,%d stride=%d,%d dilation=%d,%d padding=%d,%d,%d,%d cut=%d "
          "counts=%d special=%d",
          (int)op, shape_text(shape, 4), how->kernel[0], how->kernel[1], how->stride[0], how->stride[1],
          how->dilation[0], how->dilation[1], how->padding[0], how->padding[1], how->padding[2],
          how->padding[3], cut, kind == 1, special);
    window_pool_run(context, op, how, kind == 1, &x.v, &got.v);
    window_pool_reference(op, how, kind == 1, &x.v, &want.v);
    expect_tensor(c, &got, &want, op == DK_OP_MAX_POOL ? 0 : 1e-6, "y");
  }
  tensor_free(&x), tensor_free(&got), tensor_free(&want);
}

static void check_pooling_random(check *c, dk_context *context) {
  sliding_window how;
  int32_t shape[4] = {1 + below(c, 2), 1 + below(c, 4), 0, 0};
  const bool usual = below(c, 2);
  for (int axis = 0; axis < 2; axis++) {
    how.kernel[axis] = usual ? 2 + below(c, 2) : 1 + below(c, 7);
    how.stride[axis] = usual ? 1 + below(c, 2) : 1 + below(c, 4);
    how.dilation[axis] = usual || how.kernel[axis] == 1 ? 1 : 1 + below(c, 3);
    /* Padding is at most the reach of the window, so that windows lie in the padding alone too. */
    const int32_t reach = (how.kernel[axis] - 1) * how.dilation[axis];
    how.padding[axis] = below(c, reach + 2);
    how.padding[2 + axis] = below(c, reach + 2);
    shape[2 + axis] = 1 + below(c, 40);
    if (shape[2 + axis] + how.padding[axis] + how.padding[2 + axis] <= reach) shape[2 + axis] += reach;
  }
  check_pooling(c, context, &how, shape, below(c, 2), below(c, 6) == 0);
}

/* Rows longer than a combined row, and windows wider than one. */
static void check_pooling_wide(check *c, dk_context *context) {
  const int32_t shape[4] = {1, 1, 3, 2500 + below(c, 9)};
  for (int32_t stride = 1; stride <= 5; stride++) {
    const sliding_window narrow = {{2, 3}, {1, stride}, {1, 2}, {1, 2, 0, 1}};
    const sliding_window wide = {{2, 1100}, {1, 97 * stride}, {1, 1}, {0, 600, 1, 700}};
    check_pooling(c, context, &narrow, shape, true, false);
    check_pooling(c, context, &wide, shape, true, false);
  }
  const sliding_window far = {{2, 2}, {1, 1500}, {1, 1}, {0, 0, 0, 0}};
  check_pooling(c, context, &far, shape, true, false);
}

/* ------------------------------------------------------------------ softmax, local response norm */

static void check_softmax(check *c, dk_context *context, int32_t rank, const int32_t *shape, int32_t axis,
                          int32_t spread, bool special) {
  begin(c, "softmax shape=%s axis=%d spread=%d special=%d", shape_text(shape, rank), axis, spread, special);
  tensor x = tensor_make(c, rank, shape, spread), got = tensor_make(c, rank, shape, spread);
  tensor want = tensor_like(&got);
  tensor_fill(c, &x, special);
  /* differences up to 200, where exponentials vanish */
  const float scale = below(c, 4) ? 1 : 50;
  for (size_t i = 0; i < x.floats; i++) x.memory[i] *= scale;
  softmax_run(context, axis, &x.v, &got.v);
  softmax_reference(axis, &x.v, &want.v);
  expect_tensor(c, &got, &want, 1e-6, "y");
  tensor_free(&x), tensor_free(&got), tensor_free(&want);
}

static void check_softmax_random(check *c, dk_context *context) {
  int32_t shape[MAX_RANK];
  const int32_t rank = 1 + below(c, MAX_RANK), axis = below(c, rank);
  any_shape(c, rank, 3000, shape);
  /* Of rank 4 planar, else contiguous */
  check_softmax(c, context, rank, shape, axis, rank == 4 ? 2 : 0, below(c, 8) == 0);
}

static void check_lrn(check *c, dk_context *context) {
  int32_t shape[MAX_RANK];
  const int32_t rank = 2 + below(c, 4), size = 1 + below(c, 7);
  any_shape(c, rank, 2500, shape);
  if (below(c, 20) == 0 && rank > 2) shape[rank - 1] = 500 + below(c, 600), shape[0] = 1, shape[1] = 3;
  /* The base of the power is always positive, or always negative with a power that exists. */
  const bool negative = below(c, 4) == 0;
  const float sign = negative ? -1 : 1, alpha = sign * uniform(c, 0, 2), bias = sign * uniform(c, 0.5, 2);
  const float beta = negative ? (float)below(c, 3) : below(c, 2) ? 0.75f : uniform(c, -1, 2);
  const bool special = below(c, 8) == 0;
  begin(c, "lrn shape=%s size=%d alpha=%g beta=%g bias=%g special=%d", shape_text(shape, rank), size,
        (double)alpha, (double)beta, (double)bias, special);
  tensor x = tensor_make(c, rank, shape, 2), got = tensor_make(c, rank, shape, 2), want = tensor_like(&got);
  tensor_fill(c, &x, special);
  lrn_run(context, size, alpha, beta, bias, &x.v, &got.v);
  lrn_reference(size, alpha, beta, bias, &x.v, &want.v);
  expect_tensor(c, &got, &want, 3e-6, "y");
  tensor_free(&x), tensor_free(&got), tensor_free(&want);
}

int check_layers_sums(uint32_t seed, int count) {
  check c = {.random = {seed}};
  dk_context *context = context_of(3);
  for (int i = 0; i < count; i++) {
    check_reduce_random(&c, context);
    check_pooling_random(&c, context);
    check_softmax_random(&c, context);
    if (i % 4 == 0) check_lrn(&c, context);
  }
  check_pooling_wide(&c, context);

  /* Layers that are large enough to be divided among threads */
  const int32_t planes[4] = {2, 30, 61, 67}, tokens[3] = {3, 1200, 71}, long_rows[2] = {30, 5001};
  const int32_t pairs[2] = {70001, 3};
  check_reduce(&c, context, 4, planes, 0xC, 2, false);
  check_reduce(&c, context, 3, tokens, 0x2, 0, false);
  check_reduce(&c, context, 2, long_rows, 0x2, 0, false);
  check_softmax(&c, context, 2, long_rows, 1, 0, false);
  check_softmax(&c, context, 2, pairs, 1, 0, false);
  check_softmax(&c, context, 4, planes, 1, 2, false);
  const sliding_window usual = {{3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}};
  check_pooling(&c, context, &usual, planes, false, false);
  dk_context_destroy(context);
  return c.failures;
}
