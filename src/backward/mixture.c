/* From the gradient of the mixed kernel to those of the K kernels and of the attention. */
#include "backward/backward.h"
#include "base/assert.h"
#include "base/simd.h"
#include "inner/transpose.h"

/* The sum of x * y over count floats, a multiple of 8. Each block is added up in float32, the blocks in
 * double. */
static double mixture_dot(const float *x, const float *y, size_t count) {
  enum { BLOCK = 1024 };
  DK_ASSERT(count % 8 == 0);
  double sum = 0;
  for (size_t i = 0; i < count;) {
    const size_t end = count - i > BLOCK ? i + BLOCK : count;
    v128_t s0 = wasm_f32x4_splat(0), s1 = s0;
#pragma clang loop unroll(disable)
    for (; i < end; i += 8) {
      s0 = madd(wasm_v128_load(x + i), wasm_v128_load(y + i), s0);
      s1 = madd(wasm_v128_load(x + i + 4), wasm_v128_load(y + i + 4), s1);
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

void mixture_gradient(const packed_kernels *kernels, const packed_kernels *gw, int32_t first_block,
                      int32_t end_block, const float *a, double *ga, float *weight, float *scratch) {
  const int32_t K = kernels->K, depth = kernels->depth;
  const size_t floats = (size_t)depth * LANES;
  for (int32_t block = first_block; block < end_block; block++) {
    const channel_block o = kernels_block(kernels, block);
    const float *gradient = gw->data + (size_t)block * floats;
    /* The attention: the mixed kernel's gradient times each kernel. */
    for (int32_t k = 0; ga && k < K; k++)
      ga[k] += mixture_dot(gradient, kernels->data + ((size_t)block * K + k) * floats, floats);
    if (!weight) continue;
    /* The kernels: the mixed kernel's gradient times each attention weight. */
    mixture_unpack(gradient, depth, scratch);
    for (int32_t k = 0; k < K; k++)
      mixture_add(a[k], scratch, o.count * depth, weight + ((size_t)k * kernels->O + o.first) * depth);
  }
}
