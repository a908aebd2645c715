/* Packing and mixing. See convolution/mixing.h for the layout. */
#include "convolution/mixing.h"

#include "base/assert.h"
#include "base/attributes.h"
#include "base/simd.h"
#include "base/sizes.h"

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

float *kernels_channel(const packed_kernels *kernels, int32_t k, int32_t o) {
  const int32_t within = o % kernels->run;
  const int32_t block = o / kernels->run * kernels->run_blocks + within / LANES;
  return kernels->data + ((size_t)block * kernels->K + k) * kernels->depth * LANES + within % LANES;
}

void kernels_pack(packed_kernels *kernels, int32_t k, int32_t first, int32_t count, const float *weight) {
  for (int32_t o = 0; o < count; o++) {
    float *packed = kernels_channel(kernels, k, first + o);
    for (int32_t i = 0; i < kernels->depth; i++) packed[(size_t)i * LANES] = *weight++;
  }
}

void kernels_unpack(const packed_kernels *kernels, int32_t k, int32_t first, int32_t count, float *weight) {
  for (int32_t o = 0; o < count; o++) {
    const float *packed = kernels_channel(kernels, k, first + o);
    for (int32_t i = 0; i < kernels->depth; i++) *weight++ = packed[(size_t)i * LANES];
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
  const size_t stride = (size_t)kernels->depth * LANES;
  const float *data = kernels->data + (size_t)block * kernels->K * stride + (size_t)begin * LANES;
  const float *a = mixture->kernels ? mixture->kernels : &ONE;
  const channel_block channels = kernels_block(kernels, block);
  for (int32_t i = 0; i < count * LANES; i++) {
    const int32_t lane = i % LANES, o = channels.first + lane;
    double sum = 0;
    for (int32_t k = 0; k < kernels->K; k++) sum += (double)a[k] * data[k * stride + i];
    if (lane < channels.count) {
      sum *= mixture_scale(kernels, mixture, o, begin + i / LANES);
      if (scale) sum *= scale[o];
    }
    mixed[i] = (float)sum;
  }
}

/* The usual four kernels: mixed [floats] = sum over k < 4 of a[k] * w[k * stride + ..]. Memory is the limit:
 * the fewer instructions a cache line takes, the more lines are loaded at once. */
static void mix_four(const float *w, size_t stride, int32_t floats, const float *a, float *mixed) {
  const v128_t a0 = wasm_v128_load32_splat(a), a1 = wasm_v128_load32_splat(a + 1);
  const v128_t a2 = wasm_v128_load32_splat(a + 2), a3 = wasm_v128_load32_splat(a + 3);
  const float *w1 = w + stride, *w2 = w1 + stride, *w3 = w2 + stride;
#pragma clang loop unroll(disable)
  for (float *const end = mixed + floats; mixed != end; mixed += LANES) {
    for (int half = 0; half < LANES; half += 4) {
      v128_t sum = wasm_f32x4_mul(a0, wasm_v128_load(w + half));
      sum = madd(a1, wasm_v128_load(w1 + half), sum);
      sum = madd(a2, wasm_v128_load(w2 + half), sum);
      wasm_v128_store(mixed + half, madd(a3, wasm_v128_load(w3 + half), sum));
    }
    w += LANES;
    w1 += LANES;
    w2 += LANES;
    w3 += LANES;
  }
}

/* Any number of kernels: mixed [floats] = sum over k of a[k] * w[k * stride + ..]. */
static void mix_many(const float *data, size_t stride, int32_t floats, int32_t K, const float *a,
                     float *mixed) {
  /* Two taps at a time: four sums hide the latency of the multiply-adds. */
  int32_t i = 0;
  for (; i + 16 <= floats; i += 16) {
    v128_t s0 = wasm_f32x4_splat(0), s1 = s0, s2 = s0, s3 = s0;
    const float *w = data + i;
#pragma clang loop unroll(disable)
    for (int32_t k = 0; k < K; k++, w += stride) {
      const v128_t ak = wasm_v128_load32_splat(a + k);
      s0 = madd(ak, wasm_v128_load(w), s0);
      s1 = madd(ak, wasm_v128_load(w + 4), s1);
      s2 = madd(ak, wasm_v128_load(w + 8), s2);
      s3 = madd(ak, wasm_v128_load(w + 12), s3);
    }
    wasm_v128_store(mixed + i, s0);
    wasm_v128_store(mixed + i + 4, s1);
    wasm_v128_store(mixed + i + 8, s2);
    wasm_v128_store(mixed + i + 12, s3);
  }

  /* The last tap of an odd number. */
  for (; i < floats; i += 4) {
    v128_t sum = wasm_f32x4_splat(0);
    for (int32_t k = 0; k < K; k++)
      sum = madd(wasm_v128_load32_splat(a + k), wasm_v128_load(data + k * stride + i), sum);
    wasm_v128_store(mixed + i, sum);
  }
}

/* Scaled mixtures: mixed [count, 8] = lanes [8] * factors[i] * sum over k of a[k] * w[k * stride + ..].
 * factors [count] may be NULL: 1. */
static void mix_scaled(const float *w, size_t stride, int32_t count, int32_t K, const float *a,
                       const v128_t *lanes, const float *factors, float *mixed) {
  for (int32_t i = 0; i < count; i++, w += LANES, mixed += LANES) {
    const v128_t factor = factors ? wasm_v128_load32_splat(factors + i) : wasm_f32x4_splat(1);
    v128_t low = wasm_f32x4_splat(0), high = low;
    const float *next = w;
#pragma clang loop unroll(disable)
    for (int32_t k = 0; k < K; k++, next += stride) {
      const v128_t ak = wasm_v128_load32_splat(a + k);
      low = madd(ak, wasm_v128_load(next), low);
      high = madd(ak, wasm_v128_load(next + 4), high);
    }
    wasm_v128_store(mixed, wasm_f32x4_mul(low, wasm_f32x4_mul(lanes[0], factor)));
    wasm_v128_store(mixed + 4, wasm_f32x4_mul(high, wasm_f32x4_mul(lanes[1], factor)));
  }
}

/* The same for the usual four kernels. */
static void mix_four_scaled(const float *w, size_t stride, int32_t count, const float *a, const v128_t *lanes,
                            const float *factors, float *mixed) {
  const float *w1 = w + stride, *w2 = w1 + stride, *w3 = w2 + stride;
  v128_t weights[8]; /* a[k] * lanes */
  for (int k = 0; k < 4; k++)
    for (int half = 0; half < 2; half++)
      weights[2 * k + half] = wasm_f32x4_mul(wasm_v128_load32_splat(a + k), lanes[half]);
#pragma clang loop unroll(disable)
  for (int32_t i = 0; i < count; i++) {
    const v128_t factor = factors ? wasm_v128_load32_splat(factors + i) : wasm_f32x4_splat(1);
    for (int half = 0; half < 2; half++) {
      const int at = half * 4;
      v128_t sum = wasm_f32x4_mul(weights[half], wasm_v128_load(w + at));
      sum = madd(weights[2 + half], wasm_v128_load(w1 + at), sum);
      sum = madd(weights[4 + half], wasm_v128_load(w2 + at), sum);
      sum = madd(weights[6 + half], wasm_v128_load(w3 + at), sum);
      wasm_v128_store(mixed + at, wasm_f32x4_mul(sum, factor));
    }
    w += LANES, w1 += LANES, w2 += LANES, w3 += LANES, mixed += LANES;
  }
}

/* kernels_mix with factors. A run of weights has one common factor, and a factor of each weight: the taps of
 * one input channel have s of the channel, and q. With one tap, all input channels are a run: they have q,
 * and s. */
static void kernels_mix_scaled(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count,
                               const dk_mixture *mixture, const float *scale, float *mixed) {
  const int32_t K = kernels->K, taps = kernels->taps;
  const size_t stride = (size_t)kernels->depth * LANES;
  const float *a = mixture->kernels ? mixture->kernels : &ONE;
  const float *data = kernels->data + (size_t)block * K * stride + (size_t)begin * LANES;
  const float *inputs = reads_one_input(kernels) ? NULL : mixture_group_inputs(kernels, block, mixture);
  const float *common = taps == 1 ? mixture->taps : inputs, *each = taps == 1 ? inputs : mixture->taps;
  /* If nothing changes from channel to channel, all of them are a run too. */
  const int32_t run = taps == 1 || (!common && !each) ? kernels->depth : taps;
  float lane_factors[LANES];
  mixture_lanes(kernels, block, mixture, scale, lane_factors);
  const v128_t low = wasm_v128_load(lane_factors), high = wasm_v128_load(lane_factors + 4);

  for (int32_t end = begin + count; begin < end;) {
    const int32_t first = begin % run, weights = min_i32(run - first, end - begin);
    const v128_t factor = wasm_f32x4_splat(common ? common[begin / run] : 1);
    const v128_t lanes[2] = {wasm_f32x4_mul(low, factor), wasm_f32x4_mul(high, factor)};
    if (K == 4)
      mix_four_scaled(data, stride, weights, a, lanes, each ? each + first : NULL, mixed);
    else
      mix_scaled(data, stride, weights, K, a, lanes, each ? each + first : NULL, mixed);
    data += (size_t)weights * LANES;
    mixed += (size_t)weights * LANES;
    begin += weights;
  }
}

void kernels_mix(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count,
                 const dk_mixture *mixture, const float *scale, float *mixed) {
  const int32_t K = kernels->K;
  const size_t stride = (size_t)kernels->depth * LANES;
  DK_ASSERT(block >= 0 && block < kernels->blocks);
  DK_ASSERT(begin >= 0 && count >= 1 && begin + count <= kernels->depth);
  DK_ASSERT(mixture->kernels || K == 1);
  if (scale || !mixture_is_unscaled(mixture)) {
    kernels_mix_scaled(kernels, block, begin, count, mixture, scale, mixed);
    return;
  }
  const float *data = kernels->data + (size_t)block * K * stride + (size_t)begin * LANES;
  const float *a = mixture->kernels ? mixture->kernels : &ONE;
  if (K == 4)
    mix_four(data, stride, count * LANES, a, mixed);
  else
    mix_many(data, stride, count * LANES, K, a, mixed);
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
