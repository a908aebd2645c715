/* What convolution algorithms share: the shape of the work, the packed kernels, and the interface
 * by which the planner knows each algorithm. */
#ifndef DK_CONVOLUTION_H
#define DK_CONVOLUTION_H

#include <stdbool.h>

#include "dynakernel.h"
#include "kernels.h"

typedef struct geometry {
  int32_t N, C, O, G, K, R;
  int32_t stride, padding, dilation;
  int32_t H, W, Ho, Wo;
} geometry;

/* One sample's work. */
typedef struct convolution {
  const geometry *shape;
  const packed_kernels *kernels;
  const float *bias; /* [K, O] or NULL */
  const float *x;    /* [C, H, W] */
  const float *a;    /* [K] */
  float *y;          /* [O, Ho, Wo] */
  void *workspace;   /* as many bytes as the algorithm asked for, aligned to 64 */
} convolution;

/* Every algorithm computes y = conv2d(x, mixed kernels, mixed bias). */
typedef struct algorithm {
  dk_algorithm id;
  int32_t tile;
  bool (*covers)(const geometry *shape);      /* can it do this at all? */
  bool (*pays)(const geometry *shape);        /* is it the fastest of those after it? */
  size_t (*workspace)(const geometry *shape); /* bytes */
  void (*convolve)(const convolution *work);
} algorithm;

extern const algorithm reference_algorithm; /* convolve_reference.c */
extern const algorithm direct_algorithm;    /* convolve_direct.c */
extern const algorithm pointwise_algorithm; /* convolve_pointwise.c */
extern const algorithm depthwise_algorithm; /* convolve_depthwise.c */
extern const algorithm winograd2_algorithm; /* convolve_winograd.c */
extern const algorithm winograd4_algorithm;
extern const algorithm toomcook_algorithm; /* convolve_toomcook.c */

/* The first algorithm of the planner's table that covers this shape and pays, or the forced one;
 * NULL where the forced one does not cover it. */
const algorithm *plan_convolution(const geometry *shape, dk_algorithm forced);

static inline int32_t min_i32(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t max_i32(int32_t a, int32_t b) { return a > b ? a : b; }
static inline size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

#endif
