/* What algorithms share: the kernels and biases that they multiply by. */
#include "base/attributes.h"
#include "convolution/convolution.h"

const float *convolution_kernels(const convolution *work, int32_t block, int32_t begin, int32_t count,
                                 float *mixed) {
  const packed_kernels *kernels = work->kernels;
  const float *scale = work->steps->scale;
  if (kernels->data && !work->mixture.kernels && !scale && mixture_is_unscaled(&work->mixture))
    return kernels->data + ((size_t)block * kernels->depth + begin) * LANES;
  kernels_mix(kernels, block, begin, count, &work->mixture, scale, mixed);
  return mixed;
}

SMALL void convolution_bias(const convolution *work, int32_t block, float *bias) {
  const channel_block channels = kernels_block(work->kernels, block);
  const float *scale = work->steps->scale, *shift = work->steps->shift;
  kernels_mix_bias(work->kernels, block, work->bias, work->mixture.kernels, bias);
  for (int32_t i = 0; i < channels.count; i++) {
    if (scale) bias[i] *= scale[channels.first + i];
    if (shift) bias[i] += shift[channels.first + i];
  }
}
