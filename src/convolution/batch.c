/* A batch of convolutions, divided among threads.
 *
 * base/parallel.c says how much work is worth dividing; `division` says in what ways. Tasks are taken in
 * turn, since a thread may be late, or on a slower processor. */
#include "base/attributes.h"
#include "base/parallel.h"
#include "convolution/convolution.h"

enum {
  MANY_PIXELS = 1024, /* of output: mixing again is then the smaller waste */
  MANY = 2,           /* things for each thread */
  MOST_PARTS = 4,     /* for each thread */
};
static const double LARGE_SHARE = 0.7; /* of a sample, of all large parts together */

/* How a batch is divided into tasks, in the order in which a division is preferred. */
typedef enum division {
  ALONE,     /* not at all: the calling thread computes it */
  BY_SAMPLE, /* a sample is a task: there are as many as suit the threads */
  BY_GROUP,  /* a group is a part, or a block of depthwise channels: nothing is computed again */
  BY_ROWS,   /* each part mixes the kernels again */
  INSIDE,    /* the algorithm shares a sample's work: threads wait for each other's transforms */
  BY_BLOCKS, /* of output channels: each part pads and transforms the input again */
} division;

typedef struct batch {
  const algorithm *chosen;
  convolution first; /* the first sample's work */
  size_t x_sample, y_sample;
  bool by_rows;        /* whether parts are rows, or blocks of channels */
  int32_t total, step; /* rows or blocks of a sample, and how many of them stay together */
  int32_t parts;       /* of a sample */
  int32_t large;       /* how many of them are large; 0: all are equal */
} batch;

/* The first row or block of a part. The last part has a step or more: one thread computes a few rows less
 * than a step in another way. */
SMALL static int32_t batch_part_begin(const batch *divided, int32_t part) {
  if (part == divided->parts) return divided->total;
  const int32_t steps = max_i32(divided->total / divided->step, 1), large = min_i32(part, divided->large);
  double share = (double)part / divided->parts;
  if (divided->large) share = (LARGE_SHARE * large + (1 - LARGE_SHARE) * (part - large)) / divided->large;
  return min_i32((int32_t)(steps * share + 0.5), steps - 1) * divided->step;
}

/* Part index % parts of sample index / parts. */
SMALL static void batch_convolve_part(const void *argument, int32_t index, int32_t thread) {
  const batch *divided = argument;
  const int32_t n = index / divided->parts, part = index % divided->parts;
  const int32_t begin = batch_part_begin(divided, part), end = batch_part_begin(divided, part + 1);
  if (begin == end) return;

  convolution work = divided->first;
  if (divided->by_rows) {
    work.first_row = begin;
    work.end_row = end;
  } else {
    work.first_block = begin;
    work.end_block = end;
  }
  work.sample += n;
  work.x += n * divided->x_sample;
  work.y += n * divided->y_sample;
  work.mixture = mixture_of_sample(work.kernels, &work.mixture, n);
  work.workspace = thread_space(&divided->first, thread);
  divided->chosen->convolve(&work);
}

/* How evenly parts can share things, 1 at best. */
static double batch_balance(int32_t things, int32_t parts) {
  return (double)things / (parts * ((things - 1) / parts + 1));
}

/* How many groups there are, or blocks of depthwise kernels: things that have inputs and kernels of their
 * own. */
static int32_t batch_separate(const geometry *shape, int32_t blocks) {
  if (shape->G == 1) return 1;
  return shape->C == shape->G ? blocks : shape->G;
}

/* Whole tiles of rows that a part may begin with. */
static int32_t batch_row_step(const geometry *shape) { return ROW_STEP * shape->dilation_h; }
static int32_t batch_row_steps(const geometry *shape) {
  return max_i32(shape->Ho / batch_row_step(shape), 1);
}

/* How long the whole batch takes, in the unit of base/parallel.h. An algorithm whose cost is a rule is as
 * fast as its multiply-adds. */
static double batch_work(const algorithm *chosen, const geometry *shape) {
  const double weights = (double)shape->O * (shape->C / shape->G) * geometry_taps(shape);
  const double cost = chosen->cost(shape) * shape->G * MULTIPLY_ADDS;
  const bool counted = cost > UNLESS_ALWAYS * shape->G * MULTIPLY_ADDS && cost < NEVER;
  const double one = counted ? cost : weights * shape->Ho * shape->Wo;
  return shape->N * (shape->K > 1 ? one + weights * shape->K : one);
}

static division batch_choose(int32_t threads, const algorithm *chosen, const geometry *shape,
                             const packed_kernels *kernels) {
  const int32_t blocks = kernels->blocks;
  if (threads == 1) return ALONE;
  if (shape->N % threads == 0 || shape->N > 4 * threads) return BY_SAMPLE;
  if (batch_separate(shape, blocks) >= MANY * threads) return BY_GROUP;

  /* Rows if there are many pixels, and rows divide as evenly as blocks or blocks are few. */
  const bool even = batch_balance(batch_row_steps(shape), threads) >= batch_balance(blocks, threads);
  if ((int64_t)shape->Ho * shape->Wo >= MANY_PIXELS && (even || blocks < threads)) return BY_ROWS;
  if (chosen->shares && blocks / shape->G >= MANY * threads) return INSIDE;
  return BY_BLOCKS;
}

/* A large and a small part for each thread, if something is computed again for each part. */
static void batch_divide_unevenly(batch *divided, int32_t total, int32_t step, int32_t steps,
                                  int32_t threads) {
  divided->total = total;
  divided->step = step;
  divided->large = min_i32(threads, steps);
  divided->parts = 2 * divided->large;
}

SMALL static void batch_divide(batch *divided, division how, int32_t threads) {
  const geometry *shape = divided->first.shape;
  const int32_t blocks = divided->first.kernels->blocks;
  if (how == BY_GROUP) {
    const int32_t separate = batch_separate(shape, blocks);
    divided->step = blocks / separate;
    divided->parts = min_i32(separate, MOST_PARTS * threads);
  } else if (how == BY_ROWS) {
    divided->by_rows = true;
    batch_divide_unevenly(divided, shape->Ho, batch_row_step(shape), batch_row_steps(shape), threads);
  } else if (how == BY_BLOCKS) {
    batch_divide_unevenly(divided, blocks, 1, blocks, threads);
  }
}

/* Of one thread: parts begin at whole cache lines. */
static uint64_t batch_part_workspace(const algorithm *chosen, const geometry *shape) {
  return round_up(chosen->workspace(shape), 64);
}

uint64_t batch_workspace(const dk_context *context, const algorithm *chosen, const geometry *shape) {
  /* Work that is never divided needs the workspace of one thread. */
  const int32_t threads = parallel_threads(context);
  const bool divided = threads > 1 && parallel_may_pay(context, batch_work(chosen, shape));
  return batch_part_workspace(chosen, shape) * (uint32_t)(divided ? threads : 1);
}

SMALL convolution_call contiguous_call(const algorithm *chosen, const geometry *shape,
                                       const packed_kernels *kernels, const float *bias, const float *x,
                                       const dk_mixture *mixture, float *y, void *workspace) {
  const size_t x_plane = (size_t)shape->H * shape->W, y_plane = (size_t)shape->Ho * shape->Wo;
  return (convolution_call){.chosen = chosen,
                            .shape = shape,
                            .kernels = kernels,
                            .bias = bias,
                            .mixture = *mixture,
                            .x = x,
                            .x_sample = shape->C * x_plane,
                            .x_channel = x_plane,
                            .y = y,
                            .y_sample = shape->O * y_plane,
                            .y_channel = y_plane,
                            .workspace = workspace};
}

uint64_t convolution_prepared_bytes(const algorithm *chosen, const geometry *shape) {
  return chosen->prepared_bytes && shape->K == 1 ? chosen->prepared_bytes(shape) : 0;
}

void convolution_prepare(const algorithm *chosen, const geometry *shape, const packed_kernels *kernels,
                         void *prepared) {
  DK_ASSERT(convolution_prepared_bytes(chosen, shape) > 0 && (uintptr_t)prepared % 64 == 0);
  chosen->prepare(shape, kernels, prepared);
}

SMALL void convolve_batch(dk_context *context, const convolution_call *call) {
  const algorithm *chosen = call->chosen;
  const geometry *shape = call->shape;
  const packed_kernels *kernels = call->kernels;
  DK_ASSERT(shape->N >= 1 && shape->Ho >= 1 && shape->Wo >= 1);
  DK_ASSERT(kernels->blocks >= 1 && kernels->K == shape->K && kernels->O == shape->O);
  DK_ASSERT(kernels->depth == shape->C / shape->G * geometry_taps(shape));
  DK_ASSERT(kernels->taps == geometry_taps(shape) && kernels->G == shape->G);
  DK_ASSERT(call->mixture.kernels || shape->K == 1);
  DK_ASSERT(!call->prepared || (!call->mixture.kernels && mixture_is_unscaled(&call->mixture) &&
                                convolution_prepared_bytes(chosen, shape) > 0));
  DK_ASSERT(call->x_channel >= (size_t)shape->H * shape->W &&
            call->y_channel >= (size_t)shape->Ho * shape->Wo);
  DK_ASSERT((uintptr_t)call->workspace % 64 == 0);

  /* Prepared kernels cannot be scaled. */
  const int32_t prefix = call->prepared ? chosen->prefix & ~PREFIX_SCALE : chosen->prefix;
  const epilogue_prefix steps = epilogue_split(call->steps, prefix);
  const int32_t threads =
      parallel_threads(context) > 1 ? parallel_team(context, batch_work(chosen, shape)) : 1;
  const division how = batch_choose(threads, chosen, shape, kernels);
  batch divided = {.chosen = chosen,
                   .first = {.shape = shape,
                             .context = how == INSIDE ? context : NULL,
                             .end_block = kernels->blocks,
                             .end_row = shape->Ho,
                             .kernels = kernels,
                             .prepared = call->prepared,
                             .bias = call->bias,
                             .mixture = call->mixture,
                             .x = call->x,
                             .y = call->y,
                             .x_channel = call->x_channel,
                             .y_channel = call->y_channel,
                             .steps = &steps,
                             .sample = call->first_sample,
                             .workspace = call->workspace,
                             .workspace_bytes = (size_t)batch_part_workspace(chosen, shape)},
                   .x_sample = call->x_sample,
                   .y_sample = call->y_sample,
                   .total = kernels->blocks,
                   .step = kernels->blocks,
                   .parts = 1};
  batch_divide(&divided, how, threads);

  /* One sample after the other on this thread, or all tasks on all threads. */
  dk_context *const sharing = how == ALONE || how == INSIDE ? NULL : context;
  parallel_for(sharing, shape->N * divided.parts, batch_convolve_part, &divided);
}
