/* KernelAttention: pooling, two 1x1 convolutions with batch norm and ReLU between them, sigmoid. */
#include "attention.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/sizes.h"
#include "base/workspace.h"
#include "inner/attend.h"
#include "inner/sums.h"

SMALL_FILE

static const double EPSILON = 1e-5, MOMENTUM = 0.1;

dk_attention *dk_attention_create(int32_t C, int32_t M, int32_t K) {
  if (C < 1 || M < 1 || K < 1) return NULL;
  uint64_t floats = (uint64_t)M * C + 4 * (uint64_t)M + (uint64_t)K * M + K;
  if (floats > INT32_MAX / sizeof(float)) return NULL;

  /* The struct and its arrays share one block of memory. */
  dk_attention *attention = dk_alloc(sizeof *attention + (size_t)floats * sizeof(float));
  if (!attention) return NULL;
  float *next = (float *)(attention + 1);
  memset(next, 0, (size_t)floats * sizeof(float));
  attention->C = C;
  attention->M = M;
  attention->K = K;
  attention->conv1_weight = next;
  next += (size_t)M * C;
  attention->bn_weight = next;
  next += M;
  attention->bn_bias = next;
  next += M;
  attention->bn_running_mean = next;
  next += M;
  attention->bn_running_var = next;
  next += M;
  attention->conv2_weight = next;
  next += (size_t)K * M;
  attention->conv2_bias = next;
  attention->batches_tracked = 0;
  for (int32_t m = 0; m < M; m++) {
    attention->bn_running_var[m] = 1;
    attention->bn_weight[m] = 1;
  }
  return attention;
}

void dk_attention_destroy(dk_attention *attention) { dk_free(attention); }

/* Batch norm over the batch, without weight and bias: z [N, M] in tape->normalised, in place. */
static void attention_normalise_by_batch(dk_attention *attention, const attention_tape *tape, int32_t N) {
  const int32_t M = attention->M;
  for (int32_t m = 0; m < M; m++) {
    /* Subtract the mean, then divide by the biased deviation. */
    double *z = tape->normalised + m, mean = 0, squares = 0;
    for (int32_t n = 0; n < N; n++) mean += z[(size_t)n * M] / N;
    for (int32_t n = 0; n < N; n++) z[(size_t)n * M] -= mean;
    for (int32_t n = 0; n < N; n++) squares += z[(size_t)n * M] * z[(size_t)n * M];
    tape->inverse[m] = 1 / sqrt(squares / N + EPSILON);
    for (int32_t n = 0; n < N; n++) z[(size_t)n * M] *= tape->inverse[m];

    /* Move the running statistics, with the unbiased variance. */
    float *running_mean = &attention->bn_running_mean[m];
    float *running_var = &attention->bn_running_var[m];
    *running_mean = (float)((1 - MOMENTUM) * *running_mean + MOMENTUM * mean);
    *running_var = (float)((1 - MOMENTUM) * *running_var + MOMENTUM * squares / (N - 1));
  }
  attention->batches_tracked++;
}

/* Returns how many doubles a tape has. They fit a uint64_t for all sizes. */
static uint64_t attention_tape_values(const dk_attention *attention, int32_t N) {
  const uint64_t M = (uint32_t)attention->M;
  return (uint32_t)N * ((uint32_t)attention->C + 2 * M + (uint32_t)attention->K) + M;
}

size_t dk_attention_tape_bytes(const dk_attention *attention, int32_t N) {
  DK_ASSERT(attention && N >= 1);
  return sizeof(double) * (size_t)attention_tape_values(attention, N);
}

attention_tape attention_tape_view(const dk_attention *attention, int32_t N, void *memory) {
  DK_ASSERT(memory && (uintptr_t)memory % sizeof(double) == 0);
  attention_tape tape;
  tape.mean = memory;
  tape.normalised = tape.mean + (size_t)N * attention->C;
  tape.hidden = tape.normalised + (size_t)N * attention->M;
  tape.a = tape.hidden + (size_t)N * attention->M;
  tape.inverse = tape.a + (size_t)N * attention->K;
  return tape;
}

dk_status attention_check(const dk_attention *attention, int32_t training, int32_t N, int32_t H, int32_t W) {
  DK_ASSERT(attention && attention->C >= 1 && attention->M >= 1 && attention->K >= 1);
  if (N < 1 || H < 1 || W < 1) return DK_ERROR_SHAPE;
  if ((uint64_t)H * (uint32_t)W > (uint32_t)MAX_ELEMENTS / (uint32_t)N / (uint32_t)attention->C)
    return DK_ERROR_SHAPE;
  if (training && N == 1) return DK_ERROR_MODE;
  return attention_tape_values(attention, N) > INT32_MAX / sizeof(double) ? DK_ERROR_MEMORY : DK_OK;
}

void attention_compute(dk_context *context, dk_attention *attention, int32_t training, const float *x,
                       int32_t N, int32_t H, int32_t W, float *a, void *tape_memory) {
  const int32_t C = attention->C, M = attention->M, K = attention->K;
  DK_ASSERT(x && a && (N > 1 || !training));
  const attention_tape tape = attention_tape_view(attention, N, tape_memory);
  plane_means(context, x, N, (size_t)C * H * W, C, (size_t)H * W, (size_t)H * W, tape.mean);
  attend_product(attention->conv1_weight, M, C, tape.mean, N, tape.normalised);

  /* Normalise in place. */
  if (training)
    attention_normalise_by_batch(attention, &tape, N);
  else
    attend_normalise(attention->bn_running_mean, attention->bn_running_var, EPSILON, N, M, tape.normalised,
                     tape.inverse);

  attend_relu(attention->bn_weight, attention->bn_bias, N, M, tape.normalised, tape.hidden);
  attend_product(attention->conv2_weight, K, M, tape.hidden, N, tape.a);
  attend_sigmoid(attention->conv2_bias, N, K, tape.a, a);
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

SMALL_FILE_END
