/* Winograd convolution of 3x3 kernels with stride 2, no dilation, any groups but depthwise: even and odd rows
 * and columns of the input are transformed apart, in tiles of 4x4 outputs (convolution/tiles.c). */
#include "convolution/convolution.h"
#include "convolution/costs.h"
#include "convolution/tiles.h"

static bool polyphase_covers(const geometry *shape) {
  return geometry_is_uniform(shape) && shape->Rh == 3 && shape->stride_h == 2 && shape->dilation_h == 1 &&
         direct_algorithm.covers(shape);
}

static double polyphase_cost(const geometry *shape) {
  const tiles_costs costs = {.kernels = POLYPHASE_KERNELS,
                             .inputs = POLYPHASE_INPUTS,
                             .outputs = POLYPHASE_OUTPUTS,
                             .product = POLYPHASE_PRODUCT};
  return tiles_cost(shape, winograd_polyphase.tile, &costs);
}

static uint64_t polyphase_workspace(const geometry *shape) {
  return tiles_workspace(shape, winograd_polyphase.tile);
}

static uint64_t polyphase_prepared_bytes(const geometry *shape) {
  return tiles_prepared_bytes(shape, winograd_polyphase.tile);
}

static void polyphase_prepare(const geometry *shape, const packed_kernels *kernels, void *prepared) {
  tiles_prepare(&winograd_polyphase, shape, kernels, prepared);
}

static void polyphase_convolve(const convolution *work) {
  tiles_convolve(&polyphase_algorithm, &winograd_polyphase, work);
}

const algorithm polyphase_algorithm = {.id = DK_ALGORITHM_POLYPHASE,
                                       .name = "polyphase",
                                       .tile = 4,
                                       .prefix = PREFIX_SCALE,
                                       .shares = true,
                                       .covers = polyphase_covers,
                                       .cost = polyphase_cost,
                                       .workspace = polyphase_workspace,
                                       .convolve = polyphase_convolve,
                                       .prepared_bytes = polyphase_prepared_bytes,
                                       .prepare = polyphase_prepare};
