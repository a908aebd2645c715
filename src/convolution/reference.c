/* The definition of the block's convolution, written to be read. Every other algorithm is compared with it.
 * Sums are in double precision. */
#include <float.h>

#include "convolution/convolution.h"

/* The weight of kernel k in the mixture. */
static double reference_attention(const convolution *work, int32_t k) {
  return work->mixture.kernels ? (double)work->mixture.kernels[k] : 1;
}

/* The mixed and scaled weight i, of [C/G, Rh, Rw], of output channel o. */
static double reference_weight(const convolution *work, int32_t o, int32_t i) {
  double sum = 0;
  for (int32_t k = 0; k < work->shape->K; k++)
    sum += reference_attention(work, k) *
           (double)kernels_get(work->kernels, kernels_index(work->kernels, k, o, i));
  return sum * mixture_scale(work->kernels, &work->mixture, o, i);
}

static double reference_bias(const convolution *work, int32_t o) {
  double sum = 0;
  if (work->bias)
    for (int32_t k = 0; k < work->shape->K; k++)
      sum += reference_attention(work, k) * (double)work->bias[(size_t)k * work->shape->O + o];
  return sum;
}

static void reference_convolve(const convolution *work) {
  const geometry *shape = work->shape;
  const int32_t depth = work->kernels->depth, channels = shape->C / shape->G;
  const size_t plane = work->x_channel;
  double *weight = work->workspace; /* [C/G, Rh, Rw], of one output channel */
  assert_work(&reference_algorithm, work);

  const channel_block last = kernels_block(work->kernels, work->end_block - 1);
  for (int32_t o = kernels_block(work->kernels, work->first_block).first; o < last.first + last.count; o++) {
    /* Mix the kernels of this output channel. */
    const double bias = reference_bias(work, o);
    for (int32_t i = 0; i < depth; i++) weight[i] = reference_weight(work, o, i);

    /* Convolve the channels of its group. */
    const float *group = work->x + (size_t)(o / (shape->O / shape->G)) * channels * plane;
    for (int32_t oy = work->first_row; oy < work->end_row; oy++)
      for (int32_t ox = 0; ox < shape->Wo; ox++) {
        double sum = bias;
        for (int32_t c = 0; c < channels; c++)
          for (int32_t r = 0; r < shape->Rh; r++)
            for (int32_t q = 0; q < shape->Rw; q++) {
              const int32_t iy = oy * shape->stride_h - shape->top + r * shape->dilation_h;
              const int32_t ix = ox * shape->stride_w - shape->left + q * shape->dilation_w;
              if (iy < 0 || iy >= shape->H || ix < 0 || ix >= shape->W) continue; /* zero padding */
              sum += weight[(c * shape->Rh + r) * shape->Rw + q] *
                     (double)group[c * plane + (size_t)iy * shape->W + ix];
            }
        work->y[o * work->y_channel + (size_t)oy * shape->Wo + ox] = (float)sum;
      }
    convolution_finish(work, o, (size_t)work->first_row * shape->Wo,
                       (size_t)(work->end_row - work->first_row) * shape->Wo);
  }
}

static bool reference_covers(const geometry *shape) {
  (void)shape;
  return true;
}

static uint64_t reference_workspace(const geometry *shape) {
  return (uint64_t)sizeof(double) * (size_t)(shape->C / shape->G) * shape->Rh * shape->Rw;
}

/* More than any other algorithm. */
static double reference_cost(const geometry *shape) {
  (void)shape;
  return DBL_MAX;
}

const algorithm reference_algorithm = {.id = DK_ALGORITHM_REFERENCE,
                                       .name = "reference",
                                       .tile = 1,
                                       .covers = reference_covers,
                                       .cost = reference_cost,
                                       .workspace = reference_workspace,
                                       .convolve = reference_convolve};
