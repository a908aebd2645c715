/* What all convolution algorithms share: the description by which the planner knows an algorithm, and the
 * work that an algorithm is given. */
#ifndef DK_CONVOLUTION_H
#define DK_CONVOLUTION_H

#include <math.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/geometry.h"
#include "base/parallel.h"
#include "base/sizes.h"
#include "convolution/mixing.h"
#include "dynakernel.h"
#include "inner/prefix.h"

/* Work on one sample: the outputs of some blocks of channels and of some rows. */
typedef struct convolution {
  const geometry *shape;
  dk_context *context;            /* whose threads share the work; NULL: only the calling one does it */
  int32_t first_block, end_block; /* of kernels->blocks; never empty */
  int32_t first_row, end_row; /* of Ho; never empty. first_row is a multiple of ROW_STEP * dilation_h. There
                                 are at least eight outputs a channel, unless the whole image has fewer. */
  const packed_kernels *kernels;
  const void *prepared; /* what the algorithm's prepare wrote, or NULL */
  const float *bias;    /* [K, O] or NULL */
  dk_mixture mixture;   /* of this sample */
  const float *x;       /* [C, H, W], planes x_channel floats apart */
  float *y;             /* [O, Ho, Wo], planes y_channel floats apart */
  size_t x_channel, y_channel;
  const epilogue_prefix *steps; /* the prefix has only what the algorithm takes */
  int32_t sample;               /* n, by which steps find their operands */
  void *workspace;              /* aligned to 64: the first thread's part, then those of the other threads */
  size_t workspace_bytes;       /* of one thread: at least what the algorithm asks for, a multiple of 64 */
} convolution;

static inline float *thread_space(const convolution *work, int32_t thread) {
  return (float *)((char *)work->workspace + (size_t)thread * work->workspace_bytes);
}

/* The groups that the work touches, and the blocks of one group that it computes. Not for depthwise kernels,
 * whose blocks span groups. */
static inline int32_t blocks_per_group(const convolution *work) {
  return work->kernels->blocks / work->shape->G;
}
static inline int32_t first_group(const convolution *work) {
  return work->first_block / blocks_per_group(work);
}
static inline int32_t end_group(const convolution *work) {
  return (work->end_block - 1) / blocks_per_group(work) + 1;
}
static inline int32_t group_first_block(const convolution *work, int32_t g) {
  const int32_t first = g * blocks_per_group(work);
  return first > work->first_block ? first : work->first_block;
}
static inline int32_t group_end_block(const convolution *work, int32_t g) {
  const int32_t end = (g + 1) * blocks_per_group(work);
  return end < work->end_block ? end : work->end_block;
}

/* Parts of one sample begin at multiples of so many rows: whole tiles of every algorithm. */
enum { ROW_STEP = 4 };

/* An algorithm computes y = conv2d(x, mixed kernels, mixed bias) and applies the steps to each part of y.
 * CONTRIBUTING.md says how to add one. */
typedef struct algorithm {
  dk_algorithm id;
  const char *name;    /* of the id, in lower case; the file is convolution/NAME.c */
  dk_algorithm family; /* an id that forces this algorithm as well as its own does; 0: none */
  int32_t tile;        /* outputs in a row that are computed as one, along each transformed axis; else 1 */
  bool shares;         /* whether it can share a sample's work among a context's threads */
  bool specialised;    /* whether it has inner loops of their own for each kernel size and stride */
  int32_t prefix;      /* the PREFIX_ parts that it applies to its sums (inner/prefix.h) */
  bool (*covers)(const geometry *shape);        /* whether it can convolve this shape */
  double (*cost)(const geometry *shape);        /* how long that takes (convolution/costs.h) */
  uint64_t (*workspace)(const geometry *shape); /* bytes for one thread; for a shape that is not extreme */
  void (*convolve)(const convolution *work);
  /* For constant kernels, or NULL: how many bytes convolve reads instead of transforming the kernels, 0 if
   * that does not pay for the shape; and a function that writes them, at an address aligned to 64. */
  uint64_t (*prepared_bytes)(const geometry *shape);
  void (*prepare)(const geometry *shape, const packed_kernels *kernels, void *prepared);
} algorithm;

extern const algorithm reference_algorithm, direct_algorithm, im2col_algorithm, pointwise_algorithm,
    depthwise_algorithm, winograd_algorithm, polyphase_algorithm, toomcook_algorithm,
    toomcook_depthwise_algorithm, karatsuba_algorithm;

/* Costs by a rule instead of a count. An algorithm that is NEVER chosen would be slow or too inexact: it runs
 * only if it is forced. */
#define ALWAYS 0.0
#define UNLESS_ALWAYS 1.0 /* for kernels that no algorithm with a count covers */
#define NEVER INFINITY

/* What an algorithm's convolve may rely on. */
static inline void assert_work(const algorithm *chosen, const convolution *work) {
  const geometry *shape = work->shape;
  DK_ASSERT(chosen->covers(shape));
  DK_ASSERT(work->first_block >= 0 && work->first_block < work->end_block);
  DK_ASSERT(work->end_block <= work->kernels->blocks);
  DK_ASSERT(work->first_row >= 0 && work->first_row < work->end_row && work->end_row <= shape->Ho);
  DK_ASSERT(work->first_row % (ROW_STEP * shape->dilation_h) == 0);
  DK_ASSERT((int64_t)(work->end_row - work->first_row) * shape->Wo >= 8 ||
            work->end_row - work->first_row == shape->Ho);
  DK_ASSERT((uintptr_t)work->workspace % 64 == 0 && work->workspace_bytes % 64 == 0);
  DK_ASSERT(work->workspace_bytes >= chosen->workspace(shape));
}

/* ------------------------------------------------------------------- convolution/planner.c */

/* At most so many bytes of workspace for one thread. */
enum { MOST_WORKSPACE = INT32_MAX / MAX_THREADS };

/* Whether the padded input of one group has more than 2^28 values, as paddings, dilations and strides of
 * thousands make it: sizes that follow from it may then not fit 32 bits. */
bool is_extreme(const geometry *shape);

/* The cheapest algorithm that covers the shape and has room. If one is forced: the first algorithm of that id
 * or family that covers the shape, whether it has room or not; NULL if there is none. */
const algorithm *plan_convolution(const geometry *shape, dk_algorithm forced);

/* ---------------------------------------------------------------------- convolution/work.c */

/* The kernels of a block that an algorithm multiplies by, weights begin .. begin + count - 1: [count, 8].
 * They are mixed into `mixed`, with the prefix's scale. A single kernel without factors and scale is returned
 * where it lies. */
const float *convolution_kernels(const convolution *work, int32_t block, int32_t begin, int32_t count,
                                 float *mixed);

/* bias [8]: the mixed bias of a block, with the prefix's scale and shift, 0 in empty lanes. */
void convolution_bias(const convolution *work, int32_t block, float *bias);

/* Applies the steps that are not in the prefix to pixels first .. first + count - 1 of output channel o,
 * which lie in y. The algorithm calls it as soon as it has written them. */
static inline void convolution_finish(const convolution *work, int32_t o, size_t first, size_t count) {
  float *y = work->y + o * work->y_channel + first;
  if (work->steps->rest.count) epilogue_apply(&work->steps->rest, work->sample, o, first, count, y, y);
}

/* The same for some rows of the channels of a block. */
static inline void convolution_finish_rows(const convolution *work, channel_block channels, int32_t first_row,
                                           int32_t rows) {
  const size_t Wo = (size_t)work->shape->Wo;
  if (!work->steps->rest.count) return;
  for (int32_t i = 0; i < channels.count; i++)
    convolution_finish(work, channels.first + i, first_row * Wo, rows * Wo);
}

/* --------------------------------------------------------------------- convolution/batch.c */

typedef struct convolution_call {
  const algorithm *chosen;
  const geometry *shape;
  const packed_kernels *kernels;
  const void *prepared;       /* from convolution_prepare, or NULL */
  const float *bias;          /* [K, O] or NULL */
  dk_mixture mixture;         /* of N samples */
  const float *x;             /* [N, C, H, W] */
  size_t x_sample, x_channel; /* strides in floats; planes are contiguous */
  float *y;                   /* [N, O, Ho, Wo]; neither x nor an operand of a step overlaps it */
  size_t y_sample, y_channel;
  const epilogue *steps; /* or NULL: applied to each part of the output while it is in a cache */
  int32_t first_sample;  /* the n of the first sample, by which steps find their operands */
  void *workspace;       /* batch_workspace bytes, aligned to 64 */
} convolution_call;

/* How many bytes convolution_prepare writes; 0: there is nothing to prepare, or it does not pay. */
uint64_t convolution_prepared_bytes(const algorithm *chosen, const geometry *shape);

/* Transforms constant kernels (K = 1) once for all calls. prepared is aligned to 64. */
void convolution_prepare(const algorithm *chosen, const geometry *shape, const packed_kernels *kernels,
                         void *prepared);

/* The call with contiguous x and y, without steps. */
convolution_call contiguous_call(const algorithm *chosen, const geometry *shape,
                                 const packed_kernels *kernels, const float *bias, const float *x,
                                 const dk_mixture *mixture, float *y, void *workspace);

/* The whole batch, on the context's threads. */
void convolve_batch(dk_context *context, const convolution_call *call);
uint64_t batch_workspace(const dk_context *context, const algorithm *chosen, const geometry *shape);

#endif
