/* Local response norm: y = x / (bias + alpha / size * sum of squares of neighbouring channels) ^ beta. */
#include <math.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/sizes.h"
#include "inner/binary.h"
#include "inner/unary.h"
#include "network/layers/layers.h"
#include "network/layers/nest.h"

enum {
  LRN_WORK = 30,   /* multiply-adds that take as long as one element, for channels beside each other */
  LRN_PIXELS = 512 /* that are computed at once */
};

typedef struct lrn_work {
  const view *x, *y;
  int32_t size;
  float scale, bias, beta;
  bool positive; /* whether the base of the power always is */
  size_t pixels; /* of a plane */
  int32_t parts;
} lrn_work;

/* Some pixels of channel c. x and y are those of channel 0. */
SMALL static void lrn_pixels(const lrn_work *work, const float *x, int32_t c, size_t count, float *y) {
  const ptrdiff_t channel = work->x->stride[1];
  const int32_t first = max_i32(0, c - (work->size - 1) / 2);
  const int32_t last = min_i32(work->x->shape[1] - 1, c + work->size / 2);
  float sum[LRN_PIXELS], square[LRN_PIXELS];
  binary_apply(DK_OP_MULTIPLY, x + first * channel, 1, x + first * channel, 1, count, sum);
  for (int32_t i = first + 1; i <= last; i++) {
    binary_apply(DK_OP_MULTIPLY, x + i * channel, 1, x + i * channel, 1, count, square);
    binary_apply(DK_OP_ADD, sum, 1, square, 1, count, sum);
  }
  binary_apply(DK_OP_MULTIPLY, sum, 1, &work->scale, 0, count, sum);
  binary_apply(DK_OP_ADD, sum, 1, &work->bias, 0, count, sum);

  x += c * channel;
  y += c * work->y->stride[1];
  if (work->positive) {
    /* x e^(-beta ln sum) */
    unary_apply(DK_OP_LOG, NULL, sum, count, sum);
    binary_apply(DK_OP_MULTIPLY, sum, 1, &work->beta, 0, count, sum);
    unary_apply(DK_OP_NEGATE, NULL, sum, count, sum);
    unary_apply(DK_OP_EXP, NULL, sum, count, sum);
    binary_apply(DK_OP_MULTIPLY, x, 1, sum, 1, count, y);
  } else {
    binary_apply(DK_OP_POWER, sum, 1, &work->beta, 0, count, sum);
    binary_apply(DK_OP_DIVIDE, x, 1, sum, 1, count, y);
  }
}

SMALL static void lrn_part(const void *argument, int32_t index, int32_t thread) {
  (void)thread;
  const lrn_work *work = argument;
  const int32_t C = work->x->shape[1];
  const int64_t planes = (int64_t)work->x->shape[0] * C;
  const int64_t end = planes * (index + 1) / work->parts;
  for (int64_t i = planes * index / work->parts; i < end; i++) {
    const float *x = work->x->data + i / C * work->x->stride[0];
    float *y = work->y->data + i / C * work->y->stride[0];
    for (size_t first = 0; first < work->pixels; first += LRN_PIXELS) {
      const size_t count = work->pixels - first < LRN_PIXELS ? work->pixels - first : LRN_PIXELS;
      lrn_pixels(work, x + first, (int32_t)(i % C), count, y + first);
    }
  }
}

SMALL void lrn_run(dk_context *context, int32_t size, float alpha, float beta, float bias, const view *x,
                   const view *y) {
  DK_ASSERT(size >= 1 && view_is_planar(x) && view_is_planar(y));
  lrn_work work = {.x = x, .y = y, .size = size, .scale = alpha / (float)size, .bias = bias, .beta = beta};
  work.positive = alpha >= 0 && bias > 0;
  const int64_t planes = (int64_t)x->shape[0] * x->shape[1];
  const size_t elements = view_elements(x);
  work.pixels = elements / (size_t)planes;
  work.parts = nest_parts(context, (double)(LRN_WORK + size) * (double)elements, planes);
  parallel_for(context, work.parts, lrn_part, &work);
}
