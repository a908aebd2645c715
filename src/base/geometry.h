/* The shape of a convolution, and the width of a block of output channels. */
#ifndef DK_GEOMETRY_H
#define DK_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

/* Output channels of a block. Packed kernels hold one value of each, side by side. */
enum { LANES = 8 };

/* x [N, C, H, W], K kernels [O, C/G, Rh, Rw] -> y [N, O, Ho, Wo]. h is the vertical direction, w the
 * horizontal one. A direction with one tap has dilation 1. */
typedef struct geometry {
  int32_t N, C, O, G, K;
  int32_t Rh, Rw;
  int32_t stride_h, stride_w, dilation_h, dilation_w;
  int32_t top, left, bottom, right; /* rows and columns of zero padding */
  int32_t H, W, Ho, Wo;
} geometry;

/* One direction of a convolution. */
typedef struct axis {
  int32_t R, stride, dilation;
  int32_t before, after;   /* padding */
  int32_t inputs, outputs; /* H and Ho, or W and Wo */
} axis;

static inline axis geometry_down(const geometry *shape) {
  return (axis){shape->Rh,     shape->stride_h, shape->dilation_h, shape->top,
                shape->bottom, shape->H,        shape->Ho};
}

static inline axis geometry_across(const geometry *shape) {
  return (axis){shape->Rw,    shape->stride_w, shape->dilation_w, shape->left,
                shape->right, shape->W,        shape->Wo};
}

/* Taps of one input channel. */
static inline int32_t geometry_taps(const geometry *shape) { return shape->Rh * shape->Rw; }

/* Whether kernel, stride and dilation are the same in both directions. Padding and image may differ. The
 * algorithms that transform their inputs cover only such shapes; they read Rh, stride_h and dilation_h. */
static inline bool geometry_is_uniform(const geometry *shape) {
  return shape->Rh == shape->Rw && shape->stride_h == shape->stride_w &&
         shape->dilation_h == shape->dilation_w;
}

#endif
