/* Packing and mixing. See convolution/mixing.h for the layout. */
#include "convolution/mixing.h"

#include "base/assert.h"
#include "base/attributes.h"
#include "base/simd.h"
#include "base/sizes.h"
#include "inner/mix.h"

enum { SCALED_WEIGHTS = 128 }; /* that are mixed, then scaled */

SMALL bool kernels_layout(int32_t K, int32_t O, int32_t G, uint64_t channels, uint64_t taps, bool depthwise,
                          packed_kernels *kernels) {
  const int32_t run = depthwise ? O : O / G, run_blocks = (run - 1) / LANES + 1;
  const uint64_t blocks = (uint64_t)run_blocks * (uint32_t)(O / run);
  if (taps > MAX_ELEMENTS || channels > MAX_ELEMENTS / taps) return false;
  const uint64_t depth = channels * taps;
  if (blocks * LANES > MAX_ELEMENTS / depth / (uint32_t)K) return false;
  *kernels = (packed_kernels){.K = K,
                              .O = O,
                              .G = G,
                              .taps = (int32_t)taps,
                              .depth = (int32_t)depth,
                              .run = run,
                              .run_blocks = run_blocks,
                              .blocks = (int32_t)blocks};
  return true;
}

size_t kernels_index(const packed_kernels *kernels, int32_t k, int32_t o, int32_t i) {
  const int32_t within = o % kernels->run;
  const int32_t block = o / kernels->run * kernels->run_blocks + within / LANES;
  return (size_t)block * kernels_block_values(kernels) +
         mix_index(kernels->K, kernels->depth, !kernels->data, k, i) + (size_t)(within % LANES);
}

float *kernels_channel(const packed_kernels *kernels, int32_t o) {
  DK_ASSERT(kernels->K == 1 && kernels->data);
  return kernels->data + kernels_index(kernels, 0, o, 0);
}

void kernels_pack(packed_kernels *kernels, int32_t k, int32_t first, int32_t count, const float *weight) {
  for (int32_t o = first; o < first + count; o++) {
    const size_t lane = kernels_index(kernels, 0, o, 0);
    for (int32_t i = 0; i < kernels->depth; i++)
      kernels_set(kernels, lane + mix_index(kernels->K, kernels->depth, !kernels->data, k, i), *weight++);
  }
}

void kernels_unpack(const packed_kernels *kernels, int32_t k, int32_t first, int32_t count, float *weight) {
  for (int32_t o = first; o < first + count; o++) {
    const size_t lane = kernels_index(kernels, 0, o, 0);
    for (int32_t i = 0; i < kernels->depth; i++)
      *weight++ = kernels_get(kernels, lane + mix_index(kernels->K, kernels->depth, !kernels->data, k, i));
  }
}

/* -------------------------------------------------------------------------------- mixtures */

static const float ONE = 1;

static const float *mixture_advance(const float *factors, int32_t n, int32_t count) {
  return factors ? factors + (size_t)n * (size_t)count : NULL;
}

SMALL dk_mixture mixture_of_sample(const packed_kernels *kernels, const dk_mixture *mixture, int32_t n) {
  const int32_t C = kernels->depth / kernels->taps * kernels->G;
  return (dk_mixture){.kernels = mixture_advance(mixture->kernels, n, kernels->K),
                      .outputs = mixture_advance(mixture->outputs, n, kernels->O),
                      .inputs = mixture_advance(mixture->inputs, n, C),
                      .taps = mixture_advance(mixture->taps, n, kernels->taps)};
}

SMALL double mixture_scale(const packed_kernels *kernels, const dk_mixture *mixture, int32_t o, int32_t i) {
  double scale = 1;
  if (mixture->outputs) scale *= mixture->outputs[o];
  if (mixture->inputs) scale *= mixture->inputs[kernels_input(kernels, o, i)];
  if (mixture->taps) scale *= mixture->taps[i % kernels->taps];
  return scale;
}

SMALL void mixture_lanes(const packed_kernels *kernels, int32_t block, const dk_mixture *mixture,
                         const float *scale, float *lanes) {
  const channel_block channels = kernels_block(kernels, block);
  for (int32_t i = 0; i < LANES; i++) lanes[i] = i < channels.count ? 1 : 0;
  for (int32_t i = 0; i < channels.count; i++) {
    const int32_t o = channels.first + i;
    if (mixture->outputs) lanes[i] *= mixture->outputs[o];
    if (scale) lanes[i] *= scale[o];
    if (mixture->inputs && reads_one_input(kernels))
      lanes[i] *= mixture->inputs[kernels_input(kernels, o, 0)];
  }
}

/* ---------------------------------------------------------------------------------- mixing */

void kernels_mix_reference(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count,
                           const dk_mixture *mixture, const float *scale, float *mixed) {
  const float *a = mixture->kernels ? mixture->kernels : &ONE;
  const channel_block channels = kernels_block(kernels, block);
  for (int32_t i = 0; i < count * LANES; i++) {
    const int32_t lane = i % LANES, o = channels.first + lane;
    double sum = 0;
    if (lane < channels.count) {
      for (int32_t k = 0; k < kernels->K; k++)
        sum += (double)a[k] * kernels_get(kernels, kernels_index(kernels, k, o, begin + i / LANES));
      sum *= mixture_scale(kernels, mixture, o, begin + i / LANES);
      if (scale) sum *= scale[o];
    }
    mixed[i] = (float)sum;
  }
}

/* Multiplies mixed weights begin .. begin + count - 1 by their factors; mixes them at the same time if
 * `apart` has kernels that lie apart. A run of weights has one common factor, and a factor of each weight:
 * the taps of one input channel have s of the channel, and q. With one tap, all input channels are a run:
 * they have q, and s. */
static void kernels_scale(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count,
                          const dk_mixture *mixture, const float *lanes, const mix_kernels *apart,
                          float *mixed) {
  const int32_t taps = kernels->taps;
  const float *inputs = reads_one_input(kernels) ? NULL : mixture_group_inputs(kernels, block, mixture);
  const float *common = taps == 1 ? mixture->taps : inputs, *each = taps == 1 ? inputs : mixture->taps;
  const float *a = mixture->kernels ? mixture->kernels : &ONE;
  const v128_t low = wasm_v128_load(lanes), high = wasm_v128_load(lanes + 4);
  /* If nothing changes from channel to channel, all of them are a run too. */
  const int32_t run = taps == 1 || (!common && !each) ? kernels->depth : taps;
  for (const int32_t end = begin + count; begin < end;) {
    const int32_t first = begin % run, weights = min_i32(run - first, end - begin);
    const v128_t factor = wasm_f32x4_splat(common ? common[begin / run] : 1);
    const float *of_each = each ? each + first : NULL;
    float scaled[LANES];
    wasm_v128_store(scaled, wasm_f32x4_mul(low, factor));
    wasm_v128_store(scaled + 4, wasm_f32x4_mul(high, factor));
    if (apart)
      mix_scaled(apart, begin, weights, a, scaled, of_each, mixed);
    else
      mix_scale(scaled, of_each, weights, mixed);
    mixed += (size_t)weights * LANES;
    begin += weights;
  }
}

void kernels_mix(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count,
                 const dk_mixture *mixture, const float *scale, float *mixed) {
  const size_t first = (size_t)block * kernels_block_values(kernels);
  const mix_kernels of_block = {.floats = kernels->data ? kernels->data + first : NULL,
                                .halves = kernels->halves ? kernels->halves + first : NULL,
                                .K = kernels->K,
                                .depth = kernels->depth};
  const float *a = mixture->kernels ? mixture->kernels : &ONE;
  DK_ASSERT(block >= 0 && block < kernels->blocks);
  DK_ASSERT(begin >= 0 && count >= 1 && begin + count <= kernels->depth);
  DK_ASSERT(mixture->kernels || kernels->K == 1);
  if (!scale && mixture_is_unscaled(mixture)) {
    mix(&of_block, begin, count, a, mixed);
    return;
  }
  float lanes[LANES];
  mixture_lanes(kernels, block, mixture, scale, lanes);
  if (mix_is_apart(kernels->K, !kernels->data)) {
    kernels_scale(kernels, block, begin, count, mixture, lanes, &of_block, mixed);
    return;
  }

  /* Multiply some weights by their factors while they are in the first-level cache. */
  for (const int32_t end = begin + count; begin < end;
       begin += SCALED_WEIGHTS, mixed += (size_t)SCALED_WEIGHTS * LANES) {
    const int32_t weights = min_i32(SCALED_WEIGHTS, end - begin);
    mix(&of_block, begin, weights, a, mixed);
    kernels_scale(kernels, block, begin, weights, mixture, lanes, NULL, mixed);
  }
}

void kernels_mix_bias(const packed_kernels *kernels, int32_t block, const float *bias, const float *a,
                      float *mixed) {
  const channel_block channels = kernels_block(kernels, block);
  for (int32_t lane = 0; lane < LANES; lane++) {
    double sum = 0;
    if (bias && lane < channels.count)
      for (int32_t k = 0; k < kernels->K; k++)
        sum += (double)(a ? a[k] : 1) * bias[(size_t)k * kernels->O + channels.first + lane];
    mixed[lane] = (float)sum;
  }
}
