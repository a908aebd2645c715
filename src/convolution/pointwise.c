/* Pointwise convolution: kernels of 1x1, a matrix product of the weights and the planes
 * (convolution/panels.c). */
#include "convolution/convolution.h"
#include "convolution/panels.h"

static bool pointwise_covers(const geometry *shape) {
  return geometry_taps(shape) == 1 && direct_algorithm.covers(shape);
}

static double pointwise_cost(const geometry *shape) {
  (void)shape;
  return ALWAYS;
}

static void pointwise_convolve(const convolution *work) { panels_convolve(&pointwise_algorithm, work); }

const algorithm pointwise_algorithm = {.id = DK_ALGORITHM_POINTWISE,
                                       .name = "pointwise",
                                       .tile = 1,
                                       .prefix = PREFIX_SCALE | PREFIX_ADD | PREFIX_CLAMP,
                                       .covers = pointwise_covers,
                                       .cost = pointwise_cost,
                                       .workspace = panels_workspace,
                                       .convolve = pointwise_convolve};
