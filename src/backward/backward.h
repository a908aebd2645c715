/* The gradients of a convolution y = conv2d(x, w), of one sample. */
#ifndef DK_BACKWARD_H
#define DK_BACKWARD_H

#include "convolution/convolution.h"

/* ------------------------------------------------------------------- backward/weight.c */

/* The gradient of the mixed kernel: x [C, H, W], gy [O, Ho, Wo] -> gw, packed as one kernel (K = 1). Writes
 * blocks first_block .. end_block - 1 of gw. workspace holds weight_gradient_workspace's many bytes and is
 * aligned to 64. */
uint64_t weight_gradient_workspace(const geometry *shape, const packed_kernels *gw);
void weight_gradient(const geometry *shape, const float *x, const float *gy, const packed_kernels *gw,
                     int32_t first_block, int32_t end_block, void *workspace);

/* ---------------------------------------------------------- backward/weight_winograd.c */

/* The same by Winograd's algorithm, added to gw, for at most `blocks` blocks. Returns false if a value is not
 * finite, or huge; gw then holds anything. */
bool weight_gradient_winograd_pays(const geometry *shape);
uint64_t weight_gradient_winograd_workspace(const geometry *shape, int32_t blocks);
bool weight_gradient_winograd(const geometry *shape, const float *x, const float *gy,
                              const packed_kernels *gw, int32_t first_block, int32_t end_block,
                              void *workspace);

/* -------------------------------------------------------------------- backward/input.c */

/* One axis of the transposed convolution. */
typedef struct phased_axis {
  axis forward;
  int32_t period;      /* taps r and r + period read the same rows modulo the stride */
  int32_t phases;      /* residues of rows that some tap reads */
  int32_t R, dilation; /* of the kernel of each phase */
  int32_t first;       /* the least v of a row of the input (backward/input.c) */
  int32_t places;      /* how many v there are: the rows of a phase */
  int32_t margin;      /* rows of zeros before gy; if negative, that many are cut off */
  int32_t end_margin;  /* the same behind gy */
} phased_axis;

/* The plan of the transposed convolution, as a convolution of stride 1. */
typedef struct input_gradient {
  geometry forward;
  geometry shape;             /* of the convolution that computes the gradient */
  const algorithm *algorithm; /* of that convolution */
  phased_axis down, across;
  bool phased;            /* a stride is above 1: phases must be interleaved */
  bool framed;            /* gy must be copied with its zeros */
  size_t frame, output;   /* floats of that copy, and of the output before its phases are interleaved */
  packed_kernels kernels; /* data is NULL */
  size_t kernel_floats;   /* of kernels */
  size_t bytes;           /* of the workspace */
} input_gradient;

/* Errors: MEMORY. */
dk_status input_gradient_plan(const dk_context *context, const geometry *forward, input_gradient *plan);

/* gx [C, H, W] = transposed convolution of gy [O, Ho, Wo] with the mixture of one sample. */
void input_gradient_compute(dk_context *context, const input_gradient *plan, const packed_kernels *kernels,
                            const dk_mixture *mixture, const float *gy, float *gx, void *workspace);

/* ----------------------------------------------------------------- backward/mixture.c */

/* The gradients of a mixture's factors. Each is NULL if it is not wanted. */
typedef struct mixture_sums {
  double *kernels; /* of a, [K]; added to, and so are those of s and q */
  double *inputs;  /* of s, [C] */
  double *taps;    /* of q, [Rh*Rw] */
  float *outputs;  /* of f, [O]; those of the blocks are written */
} mixture_sums;

/* The gradient through the mixture of one sample (convolution/mixing.h), for blocks first_block .. end_block
 * -
 * 1. u is the sum over k, without f, s and q, and gu its gradient:
 *
 *     gu = gw * f * s * q
 *     ga[k] += <gu, weight[k]>      weight_gradient[k] += a[k] * gu
 *     gf[o] = sum over c, t of gw * s * q * u;  gs and gq likewise
 *
 * gw becomes gu. weight_gradient [K, O, C/G, Rh, Rw] may be NULL. scratch [depth, 8]. */
void mixture_gradient(const packed_kernels *kernels, const packed_kernels *gw, int32_t first_block,
                      int32_t end_block, const dk_mixture *mixture, const mixture_sums *sums,
                      float *weight_gradient, float *scratch);

#endif
