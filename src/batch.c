/* A batch of convolutions, divided among threads.
 *
 * parallel.c says how much work is worth dividing. With samples enough each is one thread's work. Fewer
 * are divided:
 *
 *     1. into groups, or blocks of depthwise channels, where there are many: nothing is done again
 *     2. into output rows, where there are many pixels, and rows divide as evenly as blocks, or blocks
 *        are few: each part mixes the kernels again
 *     3. by the algorithm itself, where it can: threads then wait for each other's transforms
 *     4. into blocks of output channels: each part pads and transforms the input again
 *
 * Parts are taken in turn, since a thread may be late, or on a slower processor. Where something is done
 * again there are few of them: for each thread a large one and a small one. */
#include "convolution.h"
#include "parallel.h"
#include "small.h"

enum {
  MANY_PIXELS = 1024, /* of output: mixing again is then the smaller waste */
  MANY = 2,           /* things for each thread */
  MOST_PARTS = 4,     /* for each thread */
};
static const double LARGE_SHARE = 0.7; /* of a sample, of all large parts together */

typedef struct batch {
  const algorithm *chosen;
  convolution first;   /* the first sample's work */
  int32_t total, step; /* rows or blocks, and how many of them stay together */
  bool by_rows;
  int32_t parts, large; /* of each sample; how many of them are large ones, or 0: all are equal */
} batch;

/* The first row or block of a part. The last part is a step or more, lest a few rows of it be computed
 * otherwise than one thread would. */
SMALL static int32_t part_begin(const batch *b, int32_t part) {
  if (part == b->parts) return b->total;
  const int32_t steps = max_i32(b->total / b->step, 1), large = min_i32(part, b->large);
  const double share = b->large ? (LARGE_SHARE * large + (1 - LARGE_SHARE) * (part - large)) / b->large
                                : (double)part / b->parts;
  return min_i32((int32_t)(steps * share + 0.5), steps - 1) * b->step;
}

SMALL static void convolve_part(const void *argument, int32_t index, int32_t thread) {
  const batch *b = argument;
  const geometry *s = b->first.shape;
  const int32_t n = index / b->parts, begin = part_begin(b, index % b->parts);
  const int32_t end = part_begin(b, index % b->parts + 1);
  if (begin == end) return;
  convolution work = b->first;
  if (b->by_rows)
    work.first_row = begin, work.end_row = end;
  else
    work.first_block = begin, work.end_block = end;
  work.x += (size_t)n * s->C * s->H * s->W;
  work.a += (size_t)n * s->K;
  work.y += (size_t)n * s->O * s->Ho * s->Wo;
  work.workspace = thread_space(&b->first, thread);
  b->chosen->convolve(&work);
}

/* How evenly parts can share things, 1 at best. */
static double balance(int32_t things, int32_t parts) {
  return (double)things / (parts * ((things - 1) / parts + 1));
}

/* Of the whole batch. */
static double multiply_adds(const geometry *s) {
  return (double)s->N * s->Ho * s->Wo * s->O * (s->C / s->G) * s->R * s->R;
}

/* Divides the work. Returns the context whose threads take parts, or NULL. */
SMALL static dk_context *divide(batch *b, dk_context *context) {
  const geometry *s = b->first.shape;
  const int32_t threads = parallel_threads(context), blocks = b->total;
  if (!parallel_pays(context, multiply_adds(s))) return NULL;
  if (s->N % threads == 0 || s->N > 4 * threads) return context;

  /* How many things have inputs and kernels of their own. */
  const int32_t separate = s->G == 1 ? 1 : s->C == s->G ? blocks : s->G;
  if (separate >= MANY * threads) {
    b->step = blocks / separate;
    b->parts = min_i32(separate, MOST_PARTS * threads);
    return context;
  }

  const int32_t row_step = ROW_STEP * s->dilation, row_steps = max_i32(s->Ho / row_step, 1);
  const bool even = balance(row_steps, threads) >= balance(blocks, threads);
  b->by_rows = (int64_t)s->Ho * s->Wo >= MANY_PIXELS && (even || blocks < threads);
  if (!b->by_rows && b->chosen->shares && blocks / s->G >= MANY * threads) {
    b->first.context = context;
    return NULL;
  }
  b->total = b->by_rows ? s->Ho : blocks;
  b->step = b->by_rows ? row_step : 1;
  b->large = min_i32(threads, b->by_rows ? row_steps : blocks);
  b->parts = 2 * b->large;
  return context;
}

/* Of one thread: parts begin at whole cache lines. */
static uint64_t part_workspace(const algorithm *chosen, const geometry *shape) {
  return round_up(chosen->workspace(shape), 64);
}

uint64_t batch_workspace(const dk_context *context, const algorithm *chosen, const geometry *shape) {
  const bool divided = parallel_may_pay(context, multiply_adds(shape));
  return part_workspace(chosen, shape) * (uint32_t)(divided ? parallel_threads(context) : 1);
}

SMALL void convolve_batch(dk_context *context, const algorithm *chosen, const geometry *shape,
                          const packed_kernels *kernels, const float *bias, const float *x,
                          const float *a, float *y, void *workspace) {
  batch b = {.chosen = chosen,
             .first = {.shape = shape, .end_block = kernels->blocks, .end_row = shape->Ho,
                       .kernels = kernels, .bias = bias, .x = x, .a = a, .y = y,
                       .workspace = workspace,
                       .workspace_bytes = (size_t)part_workspace(chosen, shape)},
             .total = kernels->blocks, .step = kernels->blocks, .parts = 1};
  dk_context *const threads = divide(&b, context);
  parallel_for(threads, shape->N * b.parts, convolve_part, &b);
}
