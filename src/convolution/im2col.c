/* im2col: what each tap reads is copied side by side, and convolution is a matrix product
 * (convolution/panels.c). */
#include "base/attributes.h"
#include "convolution/convolution.h"
#include "convolution/costs.h"
#include "convolution/panels.h"

static bool im2col_covers(const geometry *shape) { return direct_algorithm.covers(shape); }

/* If taps do not overlap, copying costs next to nothing beside the products: each input is copied once. */
SMALL static double im2col_cost(const geometry *shape) {
  const int32_t O = shape->O / shape->G, pixels = shape->Ho * shape->Wo;
  const double taps = (double)(shape->C / shape->G) * shape->Rh * shape->Rw, vectors = (pixels - 1) / 4 + 1;
  const bool overlap = shape->dilation_h * (shape->Rh - 1) >= shape->stride_h ||
                       shape->dilation_w * (shape->Rw - 1) >= shape->stride_w;
  const double copies = overlap ? taps * (IM2COL_COPY * vectors + IM2COL_COPY_ROW * shape->Ho) : 0;
  const int32_t lanes = pixels < 16 ? round_up_i32(O, 4) : O;
  return copies + IM2COL_TAP * vectors * taps * lanes;
}

static void im2col_convolve(const convolution *work) { panels_convolve(&im2col_algorithm, work); }

const algorithm im2col_algorithm = {.id = DK_ALGORITHM_IM2COL,
                                    .name = "im2col",
                                    .tile = 1,
                                    .prefix = PREFIX_SCALE | PREFIX_ADD | PREFIX_CLAMP,
                                    .covers = im2col_covers,
                                    .cost = im2col_cost,
                                    .workspace = panels_workspace,
                                    .convolve = im2col_convolve};
