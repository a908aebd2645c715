/* The definition of the block's convolution, written to be read; every other algorithm is held
 * against it. Sums are in double precision. */
#include <float.h>

#include "convolution/convolution.h"

/* The mixed weight of output channel o and tap i of [C/G, R, R]. */
static double mixed_weight(const convolution *work, int32_t o, int32_t i) {
  double sum = 0;
  for (int32_t k = 0; k < work->shape->K; k++)
    sum += (double)work->a[k] * (double)kernels_channel(work->kernels, k, o)[(size_t)i * LANES];
  return sum;
}

static double mixed_bias(const convolution *work, int32_t o) {
  double sum = 0;
  if (work->bias)
    for (int32_t k = 0; k < work->shape->K; k++)
      sum += (double)work->a[k] * (double)work->bias[(size_t)k * work->shape->O + o];
  return sum;
}

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const int32_t depth = work->kernels->depth, R = s->R;
  double *weight = work->workspace; /* [C/G, R, R], of one output channel */

  const channel_block last = kernels_block(work->kernels, work->end_block - 1);
  for (int32_t o = kernels_block(work->kernels, work->first_block).first; o < last.first + last.count; o++) {
    const double bias = mixed_bias(work, o);
    const float *group = work->x + (size_t)(o / (s->O / s->G)) * (s->C / s->G) * s->H * s->W;
    for (int32_t i = 0; i < depth; i++) weight[i] = mixed_weight(work, o, i);

    for (int32_t oy = work->first_row; oy < work->end_row; oy++)
      for (int32_t ox = 0; ox < s->Wo; ox++) {
        double sum = bias;
        for (int32_t c = 0; c < s->C / s->G; c++)
          for (int32_t r = 0; r < R; r++)
            for (int32_t t = 0; t < R; t++) {
              const int32_t iy = oy * s->stride - s->padding + r * s->dilation;
              const int32_t ix = ox * s->stride - s->padding + t * s->dilation;
              if (iy < 0 || iy >= s->H || ix < 0 || ix >= s->W) continue; /* zero padding */
              sum += weight[(c * R + r) * R + t] * (double)group[((size_t)c * s->H + iy) * s->W + ix];
            }
        work->y[((size_t)o * s->Ho + oy) * s->Wo + ox] = (float)sum;
      }
  }
}

static bool always(const geometry *shape) {
  (void)shape;
  return true;
}

static uint64_t workspace(const geometry *s) {
  return (uint64_t)sizeof(double) * (size_t)(s->C / s->G) * s->R * s->R;
}

static double cost(const geometry *shape) {
  (void)shape;
  return DBL_MAX;
}

const algorithm reference_algorithm = {DK_ALGORITHM_REFERENCE, 1, always, cost, workspace, convolve, false};
