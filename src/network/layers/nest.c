/* See network/layers/nest.h. */
#include "network/layers/nest.h"

#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/simd.h"
#include "base/sizes.h"
#include "inner/pad.h"

enum { PARTS_PER_THREAD = 4 }; /* more than one, because some threads start late */

/* ------------------------------------------------------------------------------- dimensions */

SMALL view view_axes(const view *v, uint32_t axes) {
  view some = {.data = v->data};
  for (int32_t i = 0; i < v->rank; i++) {
    if (!(axes >> i & 1)) continue;
    some.shape[some.rank] = v->shape[i];
    some.stride[some.rank++] = v->stride[i];
  }
  return some;
}

SMALL void nest_swap(nest *loops, int32_t i, int32_t j) {
  const int32_t length = loops->shape[i];
  loops->shape[i] = loops->shape[j], loops->shape[j] = length;
  for (int32_t k = 0; k < loops->operands; k++) {
    int32_t *stride = loops->stride[k];
    const int32_t kept = stride[i];
    stride[i] = stride[j], stride[j] = kept;
  }
}

SMALL void nest_grow(nest *loops) {
  DK_ASSERT(loops->rank <= MAX_RANK);
  const int32_t last = loops->rank++;
  loops->shape[last] = 1;
  for (int32_t k = 0; k < loops->operands; k++) loops->stride[k][last] = 1;
  for (int32_t i = last; i > 0; i--) nest_swap(loops, i - 1, i);
}

/* Merges dimension i into the one inside it if it continues that one in all operands. */
SMALL static void nest_merge(nest *loops, int32_t i) {
  for (int32_t k = 0; k < loops->operands; k++)
    if (loops->stride[k][i] != (int64_t)loops->stride[k][i + 1] * loops->shape[i + 1]) return;
  loops->shape[i + 1] *= loops->shape[i];
  /* It moves to the end, where it is dropped. */
  for (int32_t j = i; j + 1 < loops->rank; j++) nest_swap(loops, j, j + 1);
  loops->rank--;
}

SMALL nest nest_make(const view *const *operands, int32_t count) {
  nest loops = {.operands = count};
  for (int32_t k = 0; k < count; k++) loops.data[k] = operands[k]->data;

  /* Each dimension moves outwards past those of smaller strides. */
  for (int32_t i = 0; i < operands[0]->rank; i++) {
    if (operands[0]->shape[i] == 1) continue;
    int32_t j = loops.rank++;
    loops.shape[j] = operands[0]->shape[i];
    for (int32_t k = 0; k < count; k++) {
      DK_ASSERT(operands[k]->shape[i] == operands[0]->shape[i]);
      loops.stride[k][j] = operands[k]->stride[i];
    }
    for (; j > 0 && loops.stride[0][j - 1] < loops.stride[0][j]; j--) nest_swap(&loops, j - 1, j);
  }
  for (int32_t i = loops.rank - 2; i >= 0; i--) nest_merge(&loops, i);
  if (loops.rank == 0) nest_grow(&loops);
  return loops;
}

/* ------------------------------------------------------------------------------------ loops */

int32_t nest_threads(const dk_context *context, double work) {
  return context && parallel_may_pay(context, work) ? parallel_threads(context) : 1;
}

SMALL int32_t nest_parts(dk_context *context, double work, int64_t units) {
  const int32_t threads = units < 2 ? 1 : parallel_team(context, work);
  if (threads == 1) return 1;
  const int64_t parts = (int64_t)PARTS_PER_THREAD * threads;
  return (int32_t)(parts < units ? parts : units);
}

typedef struct nest_job {
  const nest *loops;
  int32_t outer, piece, pieces; /* the dimension in pieces; elements of a piece; pieces */
  int64_t units;                /* pieces in all */
  int32_t parts;
  nest_body body;
  const void *argument;
} nest_job;

/* The pieces of one part. */
SMALL static void nest_part(const void *argument, int32_t part, int32_t thread) {
  (void)thread;
  const nest_job *job = argument;
  const nest *loops = job->loops;
  const int32_t operands = loops->operands;
  int64_t unit = job->units * part / job->parts;
  const int64_t end = job->units * (part + 1) / job->parts;

  /* The place of the first piece */
  int32_t index[MAX_RANK + 1], piece = (int32_t)(unit % job->pieces);
  float *origin[MAX_OPERANDS];
  int64_t rest = unit / job->pieces;
  for (int32_t k = 0; k < operands; k++) origin[k] = loops->data[k];
  for (int32_t i = job->outer - 1; i >= 0; i--) {
    index[i] = (int32_t)(rest % loops->shape[i]);
    rest /= loops->shape[i];
    for (int32_t k = 0; k < operands; k++) origin[k] += (ptrdiff_t)index[i] * loops->stride[k][i];
  }

  for (; unit < end; unit++) {
    float *place[MAX_OPERANDS];
    const int32_t first = piece * job->piece;
    for (int32_t k = 0; k < operands; k++)
      place[k] = origin[k] + (ptrdiff_t)first * loops->stride[k][job->outer];
    job->body(loops, place, min_i32(job->piece, loops->shape[job->outer] - first), job->argument);

    /* The next piece, or the first piece of the next place */
    if (++piece < job->pieces) continue;
    piece = 0;
    for (int32_t i = job->outer - 1; i >= 0; i--) {
      const bool wraps = ++index[i] == loops->shape[i];
      const ptrdiff_t steps = wraps ? 1 - loops->shape[i] : 1;
      for (int32_t k = 0; k < operands; k++) origin[k] += steps * loops->stride[k][i];
      if (!wraps) break;
      index[i] = 0;
    }
  }
}

SMALL void nest_run(dk_context *context, const nest *loops, int32_t inner, int32_t piece, double work,
                    nest_body body, const void *argument) {
  DK_ASSERT(inner >= 1 && inner <= loops->rank && piece >= 1);
  nest_job job = {.loops = loops, .outer = loops->rank - inner, .piece = piece, .body = body};
  job.argument = argument;
  job.pieces = (loops->shape[job.outer] - 1) / piece + 1;
  job.units = job.pieces;
  double elements = 1;
  for (int32_t i = 0; i < loops->rank; i++) {
    elements *= loops->shape[i];
    if (i < job.outer) job.units *= loops->shape[i];
  }
  job.parts = nest_parts(context, work * elements, job.units);
  parallel_for(context, job.parts, nest_part, &job);
}

SMALL void nest_gather(const float *input, ptrdiff_t step, int32_t count, float *out) {
  if (step > 0) {
    copy_row(input, (int32_t)step, count, out);
    return;
  }
  int32_t i = 0;
  if (step == 0) {
    const v128_t value = wasm_v128_load32_splat(input);
    for (; i + 4 <= count; i += 4) wasm_v128_store(out + i, value);
  }
#pragma clang loop unroll(disable)
  for (; i < count; i++) out[i] = input[i * step];
}
