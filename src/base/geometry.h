/* The shape of a convolution, and the width of a block of output channels. */
#ifndef DK_GEOMETRY_H
#define DK_GEOMETRY_H

#include <stdint.h>

/* Output channels of a block. Packed kernels hold one value of each, side by side. */
enum { LANES = 8 };

/* x [N, C, H, W], K kernels [O, C/G, R, R] -> y [N, O, Ho, Wo]. */
typedef struct geometry {
  int32_t N, C, O, G, K, R;
  int32_t stride, padding, dilation;
  int32_t H, W, Ho, Wo;
} geometry;

#endif
