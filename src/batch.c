/* A batch of convolutions, divided among threads.
 *
 * With fewer samples than threads, each sample is divided into parts: of its output rows, in which
 * case every part mixes the kernels again, or of its blocks of output channels, in which case every
 * part pads and transforms the input again. */
#include "convolution.h"
#include "parallel.h"

enum {
  LEAST_WORK = 1 << 21, /* multiply-adds: below, handing work over costs more than it saves */
  MANY_PIXELS = 1024,   /* of output: mixing again is then the smaller waste */
};

typedef struct batch {
  const algorithm *chosen;
  convolution first; /* the first sample's work */
  size_t workspace;  /* bytes of one thread's */
  int32_t parts;     /* of each sample */
  bool by_rows;
} batch;

/* The end of part number index of count, of total things of which step stay together. */
static int32_t share_end(int32_t total, int32_t step, int32_t index, int32_t count) {
  const int64_t steps = (total - 1) / step + 1;
  return (int32_t)min_i32((int32_t)(steps * (index + 1) / count) * step, total);
}

static void convolve_part(const void *argument, int32_t index, int32_t thread) {
  const batch *b = argument;
  const geometry *s = b->first.shape;
  const int32_t n = index / b->parts, part = index % b->parts;
  convolution work = b->first;
  if (b->by_rows) {
    const int32_t step = ROW_STEP * s->dilation;
    work.first_row = part ? share_end(s->Ho, step, part - 1, b->parts) : 0;
    work.end_row = share_end(s->Ho, step, part, b->parts);
  } else {
    work.first_block = part ? share_end(work.kernels->blocks, 1, part - 1, b->parts) : 0;
    work.end_block = share_end(work.kernels->blocks, 1, part, b->parts);
  }
  work.x += (size_t)n * s->C * s->H * s->W;
  work.a += (size_t)n * s->K;
  work.y += (size_t)n * s->O * s->Ho * s->Wo;
  work.workspace = (char *)work.workspace + (size_t)thread * b->workspace;
  b->chosen->convolve(&work);
}

/* How evenly parts can share things, 1 at best. */
static double balance(int32_t things, int32_t parts) {
  return (double)things / (parts * ((things - 1) / parts + 1));
}

/* Into how many parts each sample is divided, and how. False where handing over does not pay. */
static bool divide(batch *b, int32_t threads) {
  const geometry *s = b->first.shape;
  const int32_t blocks = b->first.kernels->blocks;
  const int32_t row_steps = (s->Ho - 1) / (ROW_STEP * s->dilation) + 1;
  const double work = (double)s->Ho * s->Wo * s->O * b->first.kernels->depth;
  b->parts = 1;
  if (work * s->N < LEAST_WORK) return false;
  if (s->N % threads == 0 || s->N > 4 * threads) return true;

  const bool pixels = (int64_t)s->Ho * s->Wo >= MANY_PIXELS;
  const double rows_balance = balance(row_steps, threads), blocks_balance = balance(blocks, threads);
  const bool depthwise = s->C == s->G; /* each block has inputs of its own: nothing is done again */
  const bool even = rows_balance > blocks_balance || (rows_balance == blocks_balance && !depthwise);
  b->by_rows = pixels && (even || blocks < threads);
  b->parts = min_i32(threads, b->by_rows ? row_steps : blocks);
  return true;
}

/* Of one thread: parts begin at whole cache lines. */
static uint64_t part_workspace(const algorithm *chosen, const geometry *shape) {
  return round_up(chosen->workspace(shape), 64);
}

uint64_t batch_workspace(const dk_context *context, const algorithm *chosen, const geometry *shape) {
  return part_workspace(chosen, shape) * (uint32_t)parallel_threads(context);
}

void convolve_batch(dk_context *context, const algorithm *chosen, const geometry *shape,
                    const packed_kernels *kernels, const float *bias, const float *x,
                    const float *a, float *y, void *workspace) {
  batch b = {.chosen = chosen,
             .first = {.shape = shape, .end_block = kernels->blocks, .end_row = shape->Ho,
                       .kernels = kernels, .bias = bias, .x = x, .a = a, .y = y,
                       .workspace = workspace},
             .workspace = (size_t)part_workspace(chosen, shape)};
  if (divide(&b, parallel_threads(context)))
    parallel_for(context, shape->N * b.parts, convolve_part, &b);
  else
    for (int32_t n = 0; n < shape->N; n++) convolve_part(&b, n, 0);
}
