/* From the gradient of the mixed kernel to those of the K kernels and of the factors of the mixture. */
#include "backward/backward.h"
#include "base/attributes.h"
#include "base/simd.h"
#include "base/sizes.h"
#include "inner/mix.h"
#include "inner/transpose.h"

/* The sum of gradient [depth, 8] * kernel k of a block (inner/mix.h). Each BLOCK of weights is added up in
 * float32, the blocks in double. */
static double mixture_dot(const float *gradient, const float *kernels, int32_t K, int32_t depth, int32_t k) {
  enum { BLOCK = 128 };
  double sum = 0;
  for (int32_t i = 0; i < depth;) {
    const int32_t end = min_i32(depth, i + BLOCK);
    v128_t s0 = wasm_f32x4_splat(0), s1 = s0;
#pragma clang loop unroll(disable)
    for (; i < end; i++) {
      const float *x = gradient + (size_t)i * LANES, *w = kernels + mix_index(K, depth, false, k, i);
      s0 = madd(wasm_v128_load(x), wasm_v128_load(w), s0);
      s1 = madd(wasm_v128_load(x + 4), wasm_v128_load(w + 4), s1);
    }
    const v128_t s = wasm_f32x4_add(s0, s1);
    sum += sum_lanes(s);
  }
  return sum;
}

/* sum [count] += scale * values [count] */
static void mixture_add(float scale, const float *values, int32_t count, float *sum) {
  const v128_t s = wasm_f32x4_splat(scale);
  int32_t i = 0;
#pragma clang loop unroll(disable)
  for (; i + 4 <= count; i += 4)
    wasm_v128_store(sum + i, madd(s, wasm_v128_load(values + i), wasm_v128_load(sum + i)));
  for (; i < count; i++) sum[i] += scale * values[i];
}

/* block [depth, 8] -> out [8, depth]: one output channel after another. */
static void mixture_unpack(const float *block, int32_t depth, float *out) {
  for (int32_t lane = 0; lane < LANES; lane += 4) {
    const float *taps = block + lane;
    float *channel = out + (size_t)lane * depth;
    int32_t i = 0;
    for (; i + 4 <= depth; i += 4, taps += 4 * LANES) {
      v128_t v[4];
      for (int k = 0; k < 4; k++) v[k] = wasm_v128_load(taps + k * LANES);
      transpose4(v);
      for (int k = 0; k < 4; k++) wasm_v128_store(channel + (size_t)k * depth + i, v[k]);
    }
    for (; i < depth; i++, taps += LANES)
      for (int k = 0; k < 4; k++) channel[(size_t)k * depth + i] = taps[k];
  }
}

/* The factors of a block's eight output channels: low and high lanes. */
typedef struct mixture_vectors {
  v128_t half[2];
} mixture_vectors;

SMALL static mixture_vectors mixture_lane_vectors(const packed_kernels *kernels, int32_t block,
                                                  const dk_mixture *factors) {
  float lanes[LANES];
  mixture_lanes(kernels, block, factors, NULL, lanes);
  return (mixture_vectors){{wasm_v128_load(lanes), wasm_v128_load(lanes + 4)}};
}

/* Adds the gradient of s of one input channel, or of the input channel of each lane. products [2]: gw * f * q
 * * u, added up over taps. */
SMALL static void mixture_add_inputs(const packed_kernels *kernels, channel_block o, int32_t c,
                                     const v128_t *products, double *inputs) {
  float lanes[LANES];
  wasm_v128_store(lanes, products[0]);
  wasm_v128_store(lanes + 4, products[1]);
  for (int32_t i = 0; i < o.count; i++)
    inputs[kernels_input(kernels, o.first + i, c * kernels->taps)] += lanes[i];
}

/* Adds the gradients of f, s and q through one block, and scales gw [depth, 8] to gu. u [depth, 8]. Sums over
 * the taps of an input channel are in float32, the others in double. */
SMALL static void mixture_scale_gradient(const packed_kernels *kernels, int32_t block,
                                         const dk_mixture *mixture, const float *u, float *gw,
                                         const mixture_sums *sums) {
  const channel_block o = kernels_block(kernels, block);
  const int32_t taps = kernels->taps, channels = kernels->depth / taps;
  const float *group_inputs = reads_one_input(kernels) ? NULL : mixture_group_inputs(kernels, block, mixture);
  const mixture_vectors f = mixture_lane_vectors(kernels, block, &(dk_mixture){.outputs = mixture->outputs});
  mixture_vectors s = mixture_lane_vectors(kernels, block, &(dk_mixture){.inputs = mixture->inputs});
  double outputs[LANES] = {0};

  for (int32_t c = 0; c < channels; c++) {
    if (group_inputs) s.half[0] = s.half[1] = wasm_f32x4_splat(group_inputs[c]);
    v128_t by_output[2] = {wasm_f32x4_splat(0), wasm_f32x4_splat(0)};
    v128_t by_input[2] = {wasm_f32x4_splat(0), wasm_f32x4_splat(0)};
    for (int32_t t = 0; t < taps; t++) {
      const v128_t q = wasm_f32x4_splat(mixture->taps ? mixture->taps[t] : 1);
      double by_tap = 0;
      for (int half = 0; half < 2; half++, gw += 4, u += 4) {
        const v128_t g = wasm_v128_load(gw), product = wasm_f32x4_mul(g, wasm_v128_load(u));
        const v128_t fs = wasm_f32x4_mul(f.half[half], s.half[half]);
        by_output[half] = madd(product, wasm_f32x4_mul(s.half[half], q), by_output[half]);
        by_input[half] = madd(product, wasm_f32x4_mul(f.half[half], q), by_input[half]);
        by_tap += sum_lanes(wasm_f32x4_mul(product, fs));
        wasm_v128_store(gw, wasm_f32x4_mul(g, wasm_f32x4_mul(fs, q)));
      }
      if (sums->taps) sums->taps[t] += by_tap;
    }
    if (sums->inputs) mixture_add_inputs(kernels, o, c, by_input, sums->inputs);
    float lanes[LANES];
    wasm_v128_store(lanes, by_output[0]);
    wasm_v128_store(lanes + 4, by_output[1]);
    for (int32_t i = 0; i < LANES; i++) outputs[i] += lanes[i];
  }
  for (int32_t i = 0; sums->outputs && i < o.count; i++) sums->outputs[o.first + i] = (float)outputs[i];
}

void mixture_gradient(const packed_kernels *kernels, const packed_kernels *gw, int32_t first_block,
                      int32_t end_block, const dk_mixture *mixture, const mixture_sums *sums, float *weight,
                      float *scratch) {
  const int32_t K = kernels->K, depth = kernels->depth;
  const size_t floats = (size_t)depth * LANES;
  for (int32_t block = first_block; block < end_block; block++) {
    const channel_block o = kernels_block(kernels, block);
    float *gradient = gw->data + (size_t)block * floats;
    /* The factors, from the mixture without them. */
    if (!mixture_is_unscaled(mixture)) {
      kernels_mix(kernels, block, 0, depth, &(dk_mixture){.kernels = mixture->kernels}, NULL, scratch);
      mixture_scale_gradient(kernels, block, mixture, scratch, gradient, sums);
    }
    /* The attention: the mixed kernel's gradient times each kernel. */
    for (int32_t k = 0; sums->kernels && k < K; k++)
      sums->kernels[k] += mixture_dot(gradient, kernels->data + (size_t)block * K * floats, K, depth, k);
    if (!weight) continue;
    /* The kernels: the mixed kernel's gradient times each attention weight. */
    mixture_unpack(gradient, depth, scratch);
    for (int32_t k = 0; k < K; k++)
      mixture_add(mixture->kernels ? mixture->kernels[k] : 1, scratch, o.count * depth,
                  weight + ((size_t)k * kernels->O + o.first) * depth);
  }
}
