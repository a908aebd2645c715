/* KernelAttention: pooling, two 1x1 convolutions with batch norm and ReLU between them, sigmoid.
 *
 * Everything after the pooling works on a few numbers per sample, so it is written for reading and
 * computed in double precision. */
#include "attention.h"

#include <math.h>
#include <string.h>

#include "pool.h"
#include "workspace.h"

static const double EPSILON = 1e-5, MOMENTUM = 0.1;

dk_attention *dk_attention_create(int32_t C, int32_t M, int32_t K) {
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

/* Batch norm of z [N, M] in place, over the batch. */
static void normalise_by_batch(dk_attention *attention, double *z, int32_t N) {
  const int32_t M = attention->M;
  for (int32_t m = 0; m < M; m++) {
    double mean = 0, squares = 0;
    for (int32_t n = 0; n < N; n++) mean += z[(size_t)n * M + m] / N;
    for (int32_t n = 0; n < N; n++) squares += (z[(size_t)n * M + m] - mean) * (z[(size_t)n * M + m] - mean);
    double scale = attention->bn_weight[m] / sqrt(squares / N + EPSILON);
    for (int32_t n = 0; n < N; n++)
      z[(size_t)n * M + m] = (z[(size_t)n * M + m] - mean) * scale + attention->bn_bias[m];
    float *running_mean = &attention->bn_running_mean[m];
    float *running_var = &attention->bn_running_var[m];
    *running_mean = (float)((1 - MOMENTUM) * *running_mean + MOMENTUM * mean);
    *running_var = (float)((1 - MOMENTUM) * *running_var + MOMENTUM * squares / (N - 1));
  }
  attention->batches_tracked++;
}

/* Batch norm of z [N, M] in place, by the running statistics. */
static void normalise_by_running(const dk_attention *attention, double *z, int32_t N) {
  const int32_t M = attention->M;
  for (int32_t m = 0; m < M; m++) {
    double scale = attention->bn_weight[m] / sqrt(attention->bn_running_var[m] + EPSILON);
    for (int32_t n = 0; n < N; n++)
      z[(size_t)n * M + m] =
          (z[(size_t)n * M + m] - attention->bn_running_mean[m]) * scale + attention->bn_bias[m];
  }
}

size_t attention_workspace(const dk_attention *attention, int32_t N) {
  return sizeof(double) * (size_t)N * ((size_t)attention->C + attention->M);
}

dk_status attention_check(const dk_attention *attention, int32_t training, int32_t N, int32_t H,
                          int32_t W) {
  if (N < 1 || H < 1 || W < 1) return DK_ERROR_SHAPE;
  if ((uint64_t)H * W * attention->C > (uint64_t)MAX_ELEMENTS / (uint32_t)N) return DK_ERROR_SHAPE;
  return training && N == 1 ? DK_ERROR_MODE : DK_OK;
}

void attention_compute(dk_attention *attention, int32_t training, const float *x, int32_t N,
                       int32_t H, int32_t W, float *a, void *workspace) {
  const int32_t C = attention->C, M = attention->M, K = attention->K;
  double *p = workspace;            /* [N, C] */
  double *z = p + (size_t)N * C;    /* [N, M] */
  const size_t plane = (size_t)H * W;

  for (size_t i = 0; i < (size_t)N * C; i++) p[i] = pool_sum(x + i * plane, plane) / (double)plane;

  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++) {
      double sum = 0;
      for (int32_t c = 0; c < C; c++)
        sum += (double)attention->conv1_weight[(size_t)m * C + c] * p[(size_t)n * C + c];
      z[(size_t)n * M + m] = sum;
    }

  if (training)
    normalise_by_batch(attention, z, N);
  else
    normalise_by_running(attention, z, N);

  for (size_t i = 0; i < (size_t)N * M; i++)
    if (z[i] < 0) z[i] = 0; /* ReLU; NaN stays NaN */

  for (int32_t n = 0; n < N; n++)
    for (int32_t k = 0; k < K; k++) {
      double sum = attention->conv2_bias[k];
      for (int32_t m = 0; m < M; m++) sum += (double)attention->conv2_weight[k * M + m] * z[(size_t)n * M + m];
      a[(size_t)n * K + k] = (float)(1 / (1 + exp(-sum)));
    }
}

dk_status dk_attention_forward(dk_context *context, dk_attention *attention, int32_t training,
                               const float *x, int32_t N, int32_t H, int32_t W, float *a) {
  dk_status status = attention_check(attention, training, N, H, W);
  if (status) return status;
  void *workspace = workspace_reserve(context, attention_workspace(attention, N));
  if (!workspace) return DK_ERROR_MEMORY;
  attention_compute(attention, training, x, N, H, W, a, workspace);
  return DK_OK;
}
