/* The layers of a network that are no convolution. Each function computes one layer, and divides the work
 * among the context's threads if it pays. NAME_reference is the portable function beside it.
 *
 * x and y are views of the shapes that the op of the same name has in dynakernel.h. Unless a function says
 * otherwise, x and y of rank 4 may be planar (base/view.h), and others are contiguous. y does not overlap x.
 * workspace is aligned to 64. */
#ifndef DK_LAYERS_H
#define DK_LAYERS_H

#include "base/view.h"
#include "convolution/mixing.h"
#include "dynakernel.h"
#include "inner/attend.h"
#include "inner/epilogue.h"

/* Stride, padding, dilation and size of a window that moves over planes. [v, h] */
typedef struct sliding_window {
  int32_t kernel[2], stride[2], dilation[2];
  int32_t padding[4]; /* top, left, bottom, right */
} sliding_window;

/* ------------------------------------------------------------------------ elementwise.c */

/* y = op(a, b), for ADD .. PRELU. a and b have the rank and shape of y, and any strides (0 broadcasts). y is
 * planar or contiguous. */
void binary_run(dk_context *context, dk_op op, const view *a, const view *b, const view *y);
void binary_run_reference(dk_op op, const view *a, const view *b, const view *y);

/* y = the steps on x: a layer of activations, batch norm, and operands that fit epilogue_step. x and y have
 * one shape: [N, C, ...], planar, or any other rank, contiguous, which counts as [1, 1, elements]. y may be
 * x. */
void chain_run(dk_context *context, const epilogue *steps, const view *x, const view *y);
void chain_run_reference(const epilogue *steps, const view *x, const view *y);

/* ------------------------------------------------------------------------------- copy.c */

/* y = x, for views of one shape and any strides. Copies whole runs where both are contiguous, and transposes
 * by tiles. */
void copy_run(dk_context *context, const view *x, const view *y);
void copy_run_reference(const view *x, const view *y);

/* ------------------------------------------------------------------------ rearrange.c */

enum { PAD_CONSTANT, PAD_EDGE, PAD_REFLECT };

/* Pads by `before` elements at the start of each axis; a negative number cuts off. mode as in DK_OP_PAD. x
 * and y have any strides. */
void pad_run(dk_context *context, int32_t mode, float value, const int32_t *before, const view *x,
             const view *y);
void pad_run_reference(int32_t mode, float value, const int32_t *before, const view *x, const view *y);

enum { RESIZE_NEAREST, RESIZE_BILINEAR };
enum { RESIZE_HALF_PIXEL, RESIZE_ALIGN_CORNERS, RESIZE_ASYMMETRIC, RESIZE_HALF_PIXEL_OR_0 };
enum { ROUND_FLOOR, ROUND_CEIL, ROUND_HALF_DOWN, ROUND_HALF_UP };

/* mode, coordinates and rounding as in DK_OP_RESIZE. If a scale is the ratio of the lengths in single
 * precision, the exact ratio counts. x and y are planar. */
typedef struct resizing {
  int32_t mode, coordinates, rounding;
  float scale[2];
} resizing;
void resize_run(dk_context *context, const resizing *how, const view *x, const view *y, void *workspace);
uint64_t resize_workspace(const resizing *how, const view *x, const view *y);

/* Returns how many times each row (axis 0) or column (1) is repeated, or 0 if the numbers differ. length and
 * target: those of x and y along the axis. */
int32_t resize_repeats(const resizing *how, int32_t axis, int32_t length, int32_t target);
void resize_run_reference(const resizing *how, const view *x, const view *y);

/* --------------------------------------------------------------------------- reduce.c */

/* REDUCE_MEAN, REDUCE_SUM or REDUCE_MAX over the axes whose bits are set. y is contiguous and has the length
 * 1 there (the caller adds such axes if the output lacks them). x may be planar. Sums are exact to a few
 * units in the last place, as sum_floats'. */
void reduce_run(dk_context *context, dk_op op, uint32_t axes, const view *x, const view *y);
void reduce_reference(dk_op op, uint32_t axes, const view *x, const view *y);

/* ------------------------------------------------------------------------- pooling.c */

/* AVERAGE_POOL or MAX_POOL. */
void window_pool_run(dk_context *context, dk_op op, const sliding_window *how, bool padding_counts,
                     const view *x, const view *y);
void window_pool_reference(dk_op op, const sliding_window *how, bool padding_counts, const view *x,
                           const view *y);

/* --------------------------------------------------------------- softmax.c, normalise.c */

void softmax_run(dk_context *context, int32_t axis, const view *x, const view *y);
void softmax_reference(int32_t axis, const view *x, const view *y);

/* x and y are [N, C, ...], planar. */
void lrn_run(dk_context *context, int32_t size, float alpha, float beta, float bias, const view *x,
             const view *y);
void lrn_reference(int32_t size, float alpha, float beta, float bias, const view *x, const view *y);

/* ------------------------------------------------------------------------- products.c */

/* y = x W^T + bias, then the steps, for which y is [rows, O, 1]: n is the row, c the output feature. x [rows,
 * I] and y [rows, O], with any stride between rows and 1 within; kernels: packed as those of a 1x1
 * convolution with K = 1; bias [O] or NULL; steps may be NULL. */
void linear_run(dk_context *context, const packed_kernels *kernels, const float *bias, const epilogue *steps,
                const view *x, const view *y);
void linear_reference(const float *weight, const float *bias, const epilogue *steps, const view *x,
                      const view *y);

/* y = a b. a and b have the rank of y (at least 2), their outer dimensions broadcast by stride 0; the
 * innermost stride of b and y is 1, all others are any. */
void matmul_run(dk_context *context, const view *a, const view *b, const view *y, void *workspace);
uint64_t matmul_workspace(const dk_context *context, const view *a, const view *b, const view *y);
void matmul_reference(const view *a, const view *b, const view *y);

/* ------------------------------------------------------------------------- transposed.c */

/* Transposed convolution: a product for each pixel, then its windows are added up. x [N, C, H, W]; kernels
 * of transposed_layout; bias [O] or NULL; steps may be NULL. */
void transposed_run(dk_context *context, const sliding_window *how, int32_t groups,
                    const packed_kernels *kernels, const float *bias, const epilogue *steps, const view *x,
                    const view *y, void *workspace);
uint64_t transposed_workspace(const dk_context *context, const sliding_window *how, int32_t groups,
                              const view *x, const view *y);
void transposed_reference(const sliding_window *how, int32_t groups, const float *weight, const float *bias,
                          const epilogue *steps, const view *x, const view *y);

/* The layout of the kernels: a 1x1 convolution from C to O * Rh * Rw channels in `groups` groups. Returns
 * false if there would be more than MAX_ELEMENTS values. */
bool transposed_layout(int32_t C, int32_t O, int32_t groups, int32_t Rh, int32_t Rw, packed_kernels *kernels);

/* Returns the address within kernels->data of element `index` of weight [C, O/G, Rh, Rw]. */
float *transposed_element(const packed_kernels *kernels, int32_t C, int32_t groups, size_t index);

/* -------------------------------------------------------------------------- attention.c */

/* DK_OP_ATTENTION. x [N, C, H, W] may be planar; outputs [h]: [N, head], or NULL if there is no such head. */
void network_attention_run(dk_context *context, const attend_branch *branch, const view *x,
                           float *const outputs[HEADS], void *workspace);
uint64_t network_attention_workspace(const attend_branch *branch, const view *x);
void network_attention_reference(const attend_branch *branch, const view *x, float *const outputs[HEADS]);

#endif
