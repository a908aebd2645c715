/* What convolution algorithms share: the shape of the work, the packed kernels, and the interface
 * by which the planner knows each algorithm. */
#ifndef DK_CONVOLUTION_H
#define DK_CONVOLUTION_H

#include <math.h>
#include <stdbool.h>

#include "dynakernel.h"
#include "kernels.h"
#include "parallel.h"
#include "sizes.h"

typedef struct geometry {
  int32_t N, C, O, G, K, R;
  int32_t stride, padding, dilation;
  int32_t H, W, Ho, Wo;
} geometry;

/* Work on one sample: the outputs of some blocks of channels and some rows. */
typedef struct convolution {
  const geometry *shape;
  dk_context *context;            /* whose threads share the work; NULL: only the calling one does it */
  int32_t first_block, end_block; /* of kernels->blocks; never empty, nor are the rows */
  int32_t first_row, end_row;     /* of Ho; first_row is a multiple of ROW_STEP * dilation, and
                                     the work has eight outputs a channel, if the image does */
  const packed_kernels *kernels;
  const float *bias; /* [K, O] or NULL */
  const float *x;    /* [C, H, W] */
  const float *a;    /* [K] */
  float *y;          /* [O, Ho, Wo] */
  void *workspace;        /* aligned to 64: the first thread's, then the other ones' */
  size_t workspace_bytes; /* of one thread: as many as the algorithm asked for, or some more */
} convolution;

static inline float *thread_space(const convolution *work, int32_t thread) {
  return (float *)((char *)work->workspace + (size_t)thread * work->workspace_bytes);
}

/* The groups that the work touches, and one group's share of its blocks. Not for depthwise kernels,
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

/* Parts of one sample begin at such rows: whole tiles of every algorithm. */
enum { ROW_STEP = 4 };

/* Every algorithm computes y = conv2d(x, mixed kernels, mixed bias). */
typedef struct algorithm {
  dk_algorithm id;
  int32_t tile;
  bool (*covers)(const geometry *shape);      /* can it do this at all? */
  double (*cost)(const geometry *shape);      /* how long it takes (planner.c) */
  uint64_t (*workspace)(const geometry *shape); /* bytes, for a shape that is not extreme */
  void (*convolve)(const convolution *work);
  bool shares; /* can it share a sample's work among a context's threads? */
} algorithm;

/* Costs where a rule is enough. NEVER is for what would be slow or too inexact: it is computed only where
 * it is forced. */
#define ALWAYS 0.0
#define NEVER INFINITY

extern const algorithm reference_algorithm; /* convolve_reference.c */
extern const algorithm direct_algorithm;    /* convolve_direct.c */
extern const algorithm im2col_algorithm;    /* convolve_im2col.c */
extern const algorithm pointwise_algorithm;
extern const algorithm depthwise_algorithm; /* convolve_depthwise.c */
extern const algorithm winograd2_algorithm; /* convolve_winograd.c */
extern const algorithm winograd4_algorithm;
extern const algorithm polyphase_algorithm;
extern const algorithm toomcook_algorithm; /* convolve_toomcook.c */
extern const algorithm depthwise_toomcook_algorithm; /* convolve_depthwise_toomcook.c */
extern const algorithm karatsuba_algorithm; /* convolve_karatsuba.c */

/* What one thread computes in at most, bytes. */
enum { MOST_WORKSPACE = INT32_MAX / MAX_THREADS };

/* Whether one group's padded input has more than 2^28 values, as paddings, dilations and strides of
 * thousands make it: sizes that follow from it may then not fit 32 bits. */
bool extreme(const geometry *shape);

/* The algorithm of least cost of those that cover this shape and have room, or the forced one, whether or
 * not it has room; NULL where that does not cover it. */
const algorithm *plan_convolution(const geometry *shape, dk_algorithm forced);

/* Whether the planner's table has an algorithm of this number. */
bool planner_has(int32_t id);

/* The whole batch, on the context's threads: x [N, C, H, W], a [N, K], bias [K, O] or NULL ->
 * y [N, O, Ho, Wo]. workspace is batch_workspace's many bytes, aligned to 64. */
void convolve_batch(dk_context *context, const algorithm *chosen, const geometry *shape,
                    const packed_kernels *kernels, const float *bias, const float *x,
                    const float *a, float *y, void *workspace);
uint64_t batch_workspace(const dk_context *context, const algorithm *chosen, const geometry *shape);

#endif
