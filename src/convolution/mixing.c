/* Packing and mixing. See convolution/mixing.h for the layout. */
#include "convolution/mixing.h"

#include "base/assert.h"
#include "base/attributes.h"
#include "base/simd.h"
#include "base/sizes.h"

SMALL bool kernels_layout(int32_t K, int32_t O, int32_t G, uint64_t depth, bool depthwise,
                          packed_kernels *kernels) {
  const int32_t run = depthwise ? O : O / G, run_blocks = (run - 1) / LANES + 1;
  const uint64_t blocks = (uint64_t)run_blocks * (uint32_t)(O / run);
  if (depth > MAX_ELEMENTS || blocks * LANES > MAX_ELEMENTS / depth / (uint32_t)K) return false;
  *kernels = (packed_kernels){K, O, (int32_t)depth, run, run_blocks, (int32_t)blocks, NULL};
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

void kernels_mix_reference(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count,
                           const float *a, float *mixed) {
  const size_t stride = (size_t)kernels->depth * LANES;
  const float *data = kernels->data + (size_t)block * kernels->K * stride + (size_t)begin * LANES;
  for (int32_t i = 0; i < count * LANES; i++) {
    double sum = 0;
    for (int32_t k = 0; k < kernels->K; k++) sum += (double)a[k] * data[k * stride + i];
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

void kernels_mix(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count, const float *a,
                 float *mixed) {
  const int32_t K = kernels->K;
  const size_t stride = (size_t)kernels->depth * LANES;
  const float *data = kernels->data + (size_t)block * K * stride + (size_t)begin * LANES;
  const int32_t floats = count * LANES;
  DK_ASSERT(block >= 0 && block < kernels->blocks);
  DK_ASSERT(begin >= 0 && count >= 1 && begin + count <= kernels->depth);
  if (K == 4) {
    mix_four(data, stride, floats, a, mixed);
    return;
  }

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

void kernels_mix_bias(const packed_kernels *kernels, int32_t block, const float *bias, const float *a,
                      float *mixed) {
  const channel_block channels = kernels_block(kernels, block);
  for (int32_t lane = 0; lane < LANES; lane++) {
    double sum = 0;
    if (bias && lane < channels.count)
      for (int32_t k = 0; k < kernels->K; k++)
        sum += (double)a[k] * bias[(size_t)k * kernels->O + channels.first + lane];
    mixed[lane] = (float)sum;
  }
}
