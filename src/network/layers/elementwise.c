/* Layers that compute each element by itself. */
#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/sizes.h"
#include "inner/binary.h"
#include "network/layers/layers.h"
#include "network/layers/nest.h"

enum {
  PIECE = 1 << 14, /* elements that one thread computes at a time at least, if a row has as many */
  GATHERED = 256,  /* elements that are gathered if they do not lie side by side */
  WORK = 4,        /* multiply-adds that take as long as one step on one element */
};

/* ----------------------------------------------------------------------------------- binary */

/* Elements of any steps: gathers the operands, and spreads the results. */
SMALL static void elementwise_gathered(dk_op op, const float *a, ptrdiff_t a_step, const float *b,
                                       ptrdiff_t b_step, int32_t count, float *y, ptrdiff_t y_step) {
  float left[GATHERED], right[GATHERED];
  for (int32_t first = 0; first < count; first += GATHERED) {
    const int32_t length = min_i32(count - first, GATHERED);
    nest_gather(a + first * a_step, a_step, length, left);
    nest_gather(b + first * b_step, b_step, length, right);
    binary_apply(op, left, 1, right, 1, (size_t)length, left);
    for (int32_t i = 0; i < length; i++) y[(first + i) * y_step] = left[i];
  }
}

SMALL static void elementwise_row(const nest *loops, float *const *place, int32_t count,
                                  const void *argument) {
  const dk_op op = *(const dk_op *)argument;
  const int32_t inner = loops->rank - 1;
  const int32_t y_step = loops->stride[0][inner], a_step = loops->stride[1][inner],
                b_step = loops->stride[2][inner];
  if (y_step == 1 && (a_step == 0 || a_step == 1) && (b_step == 0 || b_step == 1))
    binary_apply(op, place[1], (size_t)a_step, place[2], (size_t)b_step, (size_t)count, place[0]);
  else
    elementwise_gathered(op, place[1], a_step, place[2], b_step, count, place[0], y_step);
}

SMALL void binary_run(dk_context *context, dk_op op, const view *a, const view *b, const view *y) {
  DK_ASSERT(a->rank == y->rank && b->rank == y->rank);
  const view *const operands[] = {y, a, b};
  const nest loops = nest_make(operands, 3);
  nest_run(context, &loops, 1, PIECE, WORK, elementwise_row, &op);
}

/* ------------------------------------------------------------------------------------ chain */

typedef struct chain {
  epilogue steps;
  int32_t C;
  size_t planes, pixels;
  ptrdiff_t x_stride[2], y_stride[2]; /* of n and c */
  const float *x;
  float *y;
  int32_t parts;
} chain;

/* Elements first .. end - 1 of all planes, one after the other. */
SMALL static void elementwise_chain_part(const void *argument, int32_t part, int32_t thread) {
  (void)thread;
  const chain *job = argument;
  const int64_t elements = (int64_t)(job->planes * job->pixels);
  const size_t end = (size_t)(elements * (part + 1) / job->parts);
  size_t i = (size_t)(elements * part / job->parts), first = i % job->pixels;
  int32_t n = (int32_t)(i / job->pixels) / job->C, c = (int32_t)(i / job->pixels) % job->C;
  while (i < end) {
    const size_t count = end - i < job->pixels - first ? end - i : job->pixels - first;
    const float *x = job->x + n * job->x_stride[0] + c * job->x_stride[1] + first;
    float *y = job->y + n * job->y_stride[0] + c * job->y_stride[1] + first;
    epilogue_apply(&job->steps, n, c, first, count, x, y);
    i += count;
    first = 0;
    if (++c == job->C) c = 0, n++;
  }
}

/* Whether all operands lie as the contiguous elements do, or are one number, so that the steps need not know
 * of planes. The operands' steps are then those of [1, 1, elements]. */
SMALL static bool elementwise_flatten(chain *job, const view *x, const view *y) {
  if (!view_is_contiguous(x) || !view_is_contiguous(y)) return false;
  for (int32_t i = 0; i < job->steps.count; i++) {
    epilogue_step *step = &job->steps.step[i];
    if (step->op >= DK_OP_RELU) continue;
    if (step->op == DK_OP_BATCH_NORM || step->repeat[1] > 0) return false;
    const int32_t strides[3] = {step->stride[0], step->stride[1], step->stride[2]};
    const size_t lengths[3] = {job->planes / (size_t)job->C, (size_t)job->C, job->pixels};
    bool alone = true, alike = true;
    size_t below = 1;
    for (int32_t j = 2; j >= 0; j--) {
      if (lengths[j] != 1) alone &= strides[j] == 0, alike &= strides[j] == (int32_t)below;
      below *= lengths[j];
    }
    if (!alone && !alike) return false;
    step->stride[2] = alone ? 0 : 1;
  }
  job->pixels *= job->planes;
  job->planes = 1, job->C = 1;
  return true;
}

SMALL void chain_run(dk_context *context, const epilogue *steps, const view *x, const view *y) {
  chain job = {.steps = *steps, .C = 1, .planes = 1, .x = x->data, .y = y->data};
  job.pixels = view_elements(x);
  if (x->rank >= 2 && job.pixels > 0) {
    DK_ASSERT(view_is_planar(x) && view_is_planar(y));
    job.C = x->shape[1];
    job.planes = (size_t)x->shape[0] * (size_t)x->shape[1];
    job.pixels /= job.planes;
    for (int32_t i = 0; i < 2; i++) job.x_stride[i] = x->stride[i], job.y_stride[i] = y->stride[i];
  }
  elementwise_flatten(&job, x, y);
  const size_t elements = job.planes * job.pixels;
  job.parts =
      nest_parts(context, (double)WORK * max_i32(steps->count, 1) * (double)elements, (int64_t)elements / 64);
  parallel_for(context, job.parts, elementwise_chain_part, &job);
}

/* ------------------------------------------------------------------------------- references */

/* The place of element `number` of a view, with the index of its first dimensions. */
static ptrdiff_t elementwise_reference_place(const view *v, size_t number, int32_t *index) {
  ptrdiff_t place = 0;
  for (int32_t i = v->rank - 1; i >= 0; i--) {
    index[i] = (int32_t)(number % (size_t)v->shape[i]);
    number /= (size_t)v->shape[i];
    place += (ptrdiff_t)index[i] * v->stride[i];
  }
  return place;
}

void binary_run_reference(dk_op op, const view *a, const view *b, const view *y) {
  int32_t index[MAX_RANK];
  for (size_t i = 0; i < view_elements(y); i++)
    binary_apply_reference(op, a->data + elementwise_reference_place(a, i, index), 0,
                           b->data + elementwise_reference_place(b, i, index), 0, 1,
                           y->data + elementwise_reference_place(y, i, index));
}

void chain_run_reference(const epilogue *steps, const view *x, const view *y) {
  int32_t index[MAX_RANK];
  const size_t planes = x->rank < 2 ? 1 : (size_t)x->shape[0] * (size_t)x->shape[1];
  const size_t pixels = view_elements(x) / planes;
  for (size_t i = 0; i < view_elements(x); i++) {
    const float *from = x->data + elementwise_reference_place(x, i, index);
    float *to = y->data + elementwise_reference_place(y, i, index);
    const bool planar = x->rank >= 2;
    epilogue_apply_reference(steps, planar ? index[0] : 0, planar ? index[1] : 0, i % pixels, 1, from, to);
  }
}
