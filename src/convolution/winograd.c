/* Winograd convolution of 3x3 kernels, any groups but depthwise: F(4x4, 3x3) with stride 1 and any dilation,
 * in tiles of 4x4 outputs (convolution/tiles.c). Lavin & Gray, CVPR 2016. */
#include "convolution/convolution.h"
#include "convolution/costs.h"
#include "convolution/tiles.h"

/* The error grows with the channels added up: so many take a third of what the library promises, on weights
 * and inputs of either sign. */
enum { MOST_CHANNELS = 4096 };

static bool winograd_covers(const geometry *shape) {
  return geometry_is_uniform(shape) && shape->Rh == 3 && shape->stride_h == 1 &&
         direct_algorithm.covers(shape);
}

static double winograd_cost(const geometry *shape) {
  if (shape->C / shape->G > MOST_CHANNELS) return NEVER;
  const tiles_costs costs = {.kernels = WINOGRAD_KERNELS,
                             .inputs = WINOGRAD_INPUTS,
                             .outputs = WINOGRAD_OUTPUTS,
                             .product = WINOGRAD_PRODUCT};
  return tiles_cost(shape, winograd_f4.tile, &costs);
}

static uint64_t winograd_workspace(const geometry *shape) { return tiles_workspace(shape, winograd_f4.tile); }

static uint64_t winograd_prepared_bytes(const geometry *shape) {
  return tiles_prepared_bytes(shape, winograd_f4.tile);
}

static void winograd_prepare(const geometry *shape, const packed_kernels *kernels, void *prepared) {
  tiles_prepare(&winograd_f4, shape, kernels, prepared);
}

static void winograd_convolve(const convolution *work) {
  tiles_convolve(&winograd_algorithm, &winograd_f4, work);
}

const algorithm winograd_algorithm = {.id = DK_ALGORITHM_WINOGRAD,
                                      .name = "winograd",
                                      .tile = 4,
                                      .prefix = PREFIX_SCALE,
                                      .shares = true,
                                      .covers = winograd_covers,
                                      .cost = winograd_cost,
                                      .workspace = winograd_workspace,
                                      .convolve = winograd_convolve,
                                      .prepared_bytes = winograd_prepared_bytes,
                                      .prepare = winograd_prepare};
