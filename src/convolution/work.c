/* What algorithms share: the kernels and biases that they multiply by. */
#include "base/attributes.h"
#include "convolution/convolution.h"

const float *convolution_kernels(const convolution *work, int32_t block, int32_t begin, int32_t count,
                                 float *mixed) {
  static const float one = 1;
  const packed_kernels *kernels = work->kernels;
  const float *scale = work->steps->scale;
  if (!work->a && !scale) return kernels->data + ((size_t)block * kernels->depth + begin) * LANES;

  kernels_mix(kernels, block, begin, count, work->a ? work->a : &one, mixed);
  if (!scale) return mixed;

  /* Scale each of the eight lanes. */
  const channel_block channels = kernels_block(kernels, block);
  float lanes[LANES] = {0};
  for (int32_t i = 0; i < channels.count; i++) lanes[i] = scale[channels.first + i];
  const v128_t low = wasm_v128_load(lanes), high = wasm_v128_load(lanes + 4);
  float *out = mixed;
#pragma clang loop unroll(disable)
  for (const float *end = mixed + (size_t)count * LANES; out != end; out += LANES) {
    wasm_v128_store(out, wasm_f32x4_mul(low, wasm_v128_load(out)));
    wasm_v128_store(out + 4, wasm_f32x4_mul(high, wasm_v128_load(out + 4)));
  }
  return mixed;
}

SMALL void convolution_bias(const convolution *work, int32_t block, float *bias) {
  static const float one = 1;
  const channel_block channels = kernels_block(work->kernels, block);
  const float *scale = work->steps->scale, *shift = work->steps->shift;
  kernels_mix_bias(work->kernels, block, work->bias, work->a ? work->a : &one, bias);
  for (int32_t i = 0; i < channels.count; i++) {
    if (scale) bias[i] *= scale[channels.first + i];
    if (shift) bias[i] += shift[channels.first + i];
  }
}
