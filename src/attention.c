/* KernelAttention: pooling, two 1x1 convolutions with batch norm and ReLU between them, sigmoid.
 *
 * Everything after the pooling works on a few numbers per sample, so it is written for reading and
 * computed in double precision. Only conv1's product grows with the square of the channels, and
 * is computed two numbers at a time: a depthwise layer of 512 channels and 7x7 pixels gains 1.15 by it. */
#include "attention.h"

#include <math.h>
#include <string.h>

#include "base/attributes.h"
#include "base/elementary.h"
#include "base/parallel.h"
#include "base/simd.h"
#include "base/sizes.h"
#include "base/workspace.h"
#include "pool.h"

static const double EPSILON = 1e-5, MOMENTUM = 0.1;

SMALL dk_attention *dk_attention_create(int32_t C, int32_t M, int32_t K) {
  if (C < 1 || M < 1 || K < 1) return NULL;
  uint64_t floats = (uint64_t)M * C + 4 * (uint64_t)M + (uint64_t)K * M + K;
  if (floats > INT32_MAX / sizeof(float)) return NULL;
  dk_attention *attention = dk_alloc(sizeof *attention + (size_t)floats * sizeof(float));
  if (!attention) return NULL;
  float *next = (float *)(attention + 1);
  memset(next, 0, (size_t)floats * sizeof(float));
  attention->C = C, attention->M = M, attention->K = K;
  attention->conv1_weight = next, next += (size_t)M * C;
  attention->bn_weight = next, next += M;
  attention->bn_bias = next, next += M;
  attention->bn_running_mean = next, next += M;
  attention->bn_running_var = next, next += M;
  attention->conv2_weight = next, next += (size_t)K * M;
  attention->conv2_bias = next;
  attention->batches_tracked = 0;
  for (int32_t m = 0; m < M; m++) attention->bn_weight[m] = attention->bn_running_var[m] = 1;
  return attention;
}

void dk_attention_destroy(dk_attention *attention) { dk_free(attention); }

/* Batch norm over the batch, without weight and bias: z [N, M] in t->normalised, in place. */
SMALL static void normalise_by_batch(dk_attention *attention, const attention_tape *t, int32_t N) {
  const int32_t M = attention->M;
  for (int32_t m = 0; m < M; m++) {
    double *z = t->normalised + m, mean = 0, squares = 0;
    for (int32_t n = 0; n < N; n++) mean += z[(size_t)n * M] / N;
    for (int32_t n = 0; n < N; n++) z[(size_t)n * M] -= mean;
    for (int32_t n = 0; n < N; n++) squares += z[(size_t)n * M] * z[(size_t)n * M];
    t->inverse[m] = 1 / sqrt(squares / N + EPSILON);
    for (int32_t n = 0; n < N; n++) z[(size_t)n * M] *= t->inverse[m];
    float *running_mean = &attention->bn_running_mean[m];
    float *running_var = &attention->bn_running_var[m];
    *running_mean = (float)((1 - MOMENTUM) * *running_mean + MOMENTUM * mean);
    *running_var = (float)((1 - MOMENTUM) * *running_var + MOMENTUM * squares / (N - 1));
  }
  attention->batches_tracked++;
}

/* The same by the running statistics. */
static void normalise_by_running(const dk_attention *attention, const attention_tape *t, int32_t N) {
  const int32_t M = attention->M;
  for (int32_t m = 0; m < M; m++) {
    double *z = t->normalised + m;
    t->inverse[m] = 1 / sqrt(attention->bn_running_var[m] + EPSILON);
    for (int32_t n = 0; n < N; n++)
      z[(size_t)n * M] = (z[(size_t)n * M] - attention->bn_running_mean[m]) * t->inverse[m];
  }
}

/* Doubles of the tape; a uint64_t holds them for all sizes. */
static uint64_t tape_values(const dk_attention *attention, int32_t N) {
  const uint64_t M = (uint32_t)attention->M;
  return (uint32_t)N * ((uint32_t)attention->C + 2 * M + (uint32_t)attention->K) + M;
}

size_t dk_attention_tape_bytes(const dk_attention *attention, int32_t N) {
  return sizeof(double) * (size_t)tape_values(attention, N);
}

attention_tape attention_tape_view(const dk_attention *attention, int32_t N, void *memory) {
  attention_tape t;
  t.p = memory;
  t.normalised = t.p + (size_t)N * attention->C;
  t.hidden = t.normalised + (size_t)N * attention->M;
  t.a = t.hidden + (size_t)N * attention->M;
  t.inverse = t.a + (size_t)N * attention->K;
  return t;
}

dk_status attention_check(const dk_attention *attention, int32_t training, int32_t N, int32_t H, int32_t W) {
  if (N < 1 || H < 1 || W < 1) return DK_ERROR_SHAPE;
  if ((uint64_t)H * (uint32_t)W > (uint32_t)MAX_ELEMENTS / (uint32_t)N / (uint32_t)attention->C)
    return DK_ERROR_SHAPE;
  if (training && N == 1) return DK_ERROR_MODE;
  return tape_values(attention, N) > INT32_MAX / sizeof(double) ? DK_ERROR_MEMORY : DK_OK;
}

/* Sum of w * p, four at a time. */
static double dot(const float *w, const double *p, int32_t count) {
  v128_t low = wasm_f64x2_splat(0), high = low;
  const float *const end = w + count;
#pragma clang loop unroll(disable)
  for (const float *const fours = w + count / 4 * 4; w != fours; w += 4, p += 4) {
    const v128_t w0 = wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(w));
    const v128_t w2 = wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(w + 2));
    low = wasm_f64x2_add(low, wasm_f64x2_mul(w0, wasm_v128_load(p)));
    high = wasm_f64x2_add(high, wasm_f64x2_mul(w2, wasm_v128_load(p + 2)));
  }
  low = wasm_f64x2_add(low, high);
  double sum = wasm_f64x2_extract_lane(low, 0) + wasm_f64x2_extract_lane(low, 1);
  while (w != end) sum += (double)*w++ * *p++;
  return sum;
}

SMALL void attention_compute(dk_context *context, dk_attention *attention, int32_t training, const float *x,
                             int32_t N, int32_t H, int32_t W, float *a, void *tape) {
  const int32_t C = attention->C, M = attention->M, K = attention->K;
  const attention_tape t = attention_tape_view(attention, N, tape);
  pool_means(context, x, N * C, (size_t)H * W, t.p);

  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++)
      t.normalised[(size_t)n * M + m] = dot(attention->conv1_weight + (size_t)m * C, t.p + (size_t)n * C, C);

  if (training)
    normalise_by_batch(attention, &t, N);
  else
    normalise_by_running(attention, &t, N);

  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++) {
      const size_t i = (size_t)n * M + m;
      const double z = t.normalised[i] * attention->bn_weight[m] + attention->bn_bias[m];
      t.hidden[i] = z < 0 ? 0 : z; /* ReLU; NaN stays NaN */
    }

  for (int32_t n = 0; n < N; n++)
    for (int32_t k = 0; k < K; k++) {
      const double sum = dot(attention->conv2_weight + (size_t)k * M, t.hidden + (size_t)n * M, M) +
                         attention->conv2_bias[k];
      const size_t i = (size_t)n * K + k;
      a[i] = (float)(t.a[i] = 1 / (1 + exponential(-sum)));
    }
}

dk_status dk_attention_forward(dk_context *context, dk_attention *attention, int32_t training, const float *x,
                               int32_t N, int32_t H, int32_t W, float *a) {
  return dk_attention_forward_taped(context, attention, training, x, N, H, W, a, NULL);
}

dk_status dk_attention_forward_taped(dk_context *context, dk_attention *attention, int32_t training,
                                     const float *x, int32_t N, int32_t H, int32_t W, float *a, void *tape) {
  dk_status status = attention_check(attention, training, N, H, W);
  if (status) return status;
  if (!tape) tape = workspace_reserve(context, dk_attention_tape_bytes(attention, N));
  if (!tape) return workspace_refusal(context);
  attention_compute(context, attention, training, x, N, H, W, a, tape);
  return parallel_status(context);
}
