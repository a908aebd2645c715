/* The two gradients of a convolution y = conv2d(x, w), of one sample. */
#ifndef DK_GRADIENT_H
#define DK_GRADIENT_H

#include "convolution.h"

/* ------------------------------------------------------------------- weight_gradient.c */

/* gw: packed as kernels are, for one kernel (K = 1). x [C, H, W], gy [O, Ho, Wo]; gw is added to.
 * workspace is aligned to 64. */
size_t weight_gradient_workspace(const geometry *shape); /* bytes */
void weight_gradient(const geometry *shape, const float *x, const float *gy,
                     const packed_kernels *gw, void *workspace);

/* -------------------------------------------------------------------- input_gradient.c */

/* The transposed convolution, as a convolution of stride 1 that the planner has an algorithm for.
 */
typedef struct input_gradient {
  geometry forward;
  geometry shape;             /* of the convolution that computes it */
  const algorithm *algorithm; /* for it */
  int32_t phases;             /* rows of the input, modulo the stride, that any tap reads */
  int32_t margin;             /* rows and columns of zeros before gy; below 0: that many cut off */
  bool framed;                /* gy must be copied with its zeros */
  size_t frame, output;       /* floats of that copy, of output before its phases interleave */
  packed_kernels kernels;     /* data NULL */
  size_t kernel_floats, bytes /* of workspace */;
} input_gradient;

/* Errors: MEMORY. */
dk_status input_gradient_plan(const dk_context *context, const geometry *forward,
                              input_gradient *plan);

/* gx [C, H, W] = transposed convolution of gy [O, Ho, Wo] with the K kernels mixed by a [K]. */
void input_gradient_compute(dk_context *context, const input_gradient *plan,
                            const packed_kernels *kernels, const float *a, const float *gy,
                            float *gx, void *workspace);

/* ----------------------------------------------------------------- mixture_gradient.c */

/* Through w = sum over k of a[k] * weight[k]: ga[k] += <gw, weight[k]> and
 * weight[k] += a[k] * gw; weight [K, O, C/G, R, R], either may be NULL. scratch [depth, 8]. */
void mixture_gradient(const packed_kernels *kernels, const packed_kernels *gw, const float *a,
                      double *ga, float *weight, float *scratch);

#endif
