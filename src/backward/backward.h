/* The gradients of a convolution y = conv2d(x, w), of one sample. */
#ifndef DK_GRADIENT_H
#define DK_GRADIENT_H

#include "convolution/convolution.h"

/* ------------------------------------------------------------------- backward/weight.c */

/* gw: packed as kernels are, for one kernel (K = 1). x [C, H, W], gy [O, Ho, Wo]; blocks
 * first_block .. end_block - 1 of gw are written. workspace is aligned to 64. */
uint64_t weight_gradient_workspace(const geometry *shape, const packed_kernels *gw); /* bytes */
void weight_gradient(const geometry *shape, const float *x, const float *gy, const packed_kernels *gw,
                     int32_t first_block, int32_t end_block, void *workspace);

/* ---------------------------------------------------------- backward/weight_winograd.c */

/* The same for at most blocks blocks, added to what gw holds. Returns false where a value is not
 * finite, or huge, having left anything in gw. */
bool weight_gradient_winograd_pays(const geometry *shape);
uint64_t weight_gradient_winograd_workspace(const geometry *shape, int32_t blocks);
bool weight_gradient_winograd(const geometry *shape, const float *x, const float *gy,
                              const packed_kernels *gw, int32_t first_block, int32_t end_block,
                              void *workspace);

/* -------------------------------------------------------------------- backward/input.c */

/* The transposed convolution, as a convolution of stride 1 that the planner has an algorithm for. */
typedef struct input_gradient {
  geometry forward;
  geometry shape;             /* of the convolution that computes it */
  const algorithm *algorithm; /* for it */
  int32_t period;             /* taps r and r + period read the same rows modulo the stride */
  int32_t phases;             /* residues of rows that some tap reads */
  int32_t margin;             /* rows and columns of zeros before gy; below 0: that many cut off */
  bool framed;                /* gy must be copied with its zeros */
  size_t frame, output;       /* floats of that copy, of output before its phases interleave */
  packed_kernels kernels;     /* data NULL */
  size_t kernel_floats;       /* of theirs */
  size_t bytes;               /* of workspace */
} input_gradient;

/* Errors: MEMORY. */
dk_status input_gradient_plan(const dk_context *context, const geometry *forward, input_gradient *plan);

/* gx [C, H, W] = transposed convolution of gy [O, Ho, Wo] with the K kernels mixed by a [K]. */
void input_gradient_compute(dk_context *context, const input_gradient *plan, const packed_kernels *kernels,
                            const float *a, const float *gy, float *gx, void *workspace);

/* ----------------------------------------------------------------- backward/mixture.c */

/* Through w = sum over k of a[k] * weight[k], for blocks first_block .. end_block - 1 of kernels
 * and gw: ga[k] += <gw, weight[k]>, weight[k] += a[k] * gw. weight [K, O, C/G, R, R]; it or ga may
 * be NULL. scratch [depth, 8]. */
void mixture_gradient(const packed_kernels *kernels, const packed_kernels *gw, int32_t first_block,
                      int32_t end_block, const float *a, double *ga, float *weight, float *scratch);

#endif
