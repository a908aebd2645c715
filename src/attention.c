/* The attention branch: the module, its check, and its forward pass. inner/attend.c has the steps, but for
 * batch norm in training. */
#include "attention.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/sizes.h"
#include "base/workspace.h"

SMALL_FILE

static const double EPSILON = 1e-5, MOMENTUM = 0.1;

/* Checks a configuration, and writes the sum of the heads' lengths. */
static dk_status attention_check_config(const dk_attention_config *config, int64_t *outputs) {
  if (config->channels < 1 || config->hidden < 0) return DK_ERROR_CONFIG;
  if (config->batch_norm != 0 && (config->batch_norm != 1 || config->hidden == 0)) return DK_ERROR_CONFIG;
  if (config->softmax != 0 && config->softmax != 1) return DK_ERROR_CONFIG;
  *outputs = 0;
  for (int32_t h = 0; h < HEADS; h++) {
    if (config->head[h] < 0) return DK_ERROR_CONFIG;
    *outputs += config->head[h];
  }
  return *outputs ? DK_OK : DK_ERROR_CONFIG;
}

/* Returns `count` floats at *next, and moves *next behind them. Returns NULL if count is 0. */
static float *attention_take(float **next, size_t count) {
  float *const taken = count ? *next : NULL;
  *next += count;
  return taken;
}

dk_status dk_attention_create(const dk_attention_config *config, dk_attention **attention) {
  DK_ASSERT(config && attention);
  *attention = NULL;
  int64_t outputs;
  dk_status status = attention_check_config(config, &outputs);
  if (status) return status;

  /* No product below overflows, since outputs fits an int32_t. */
  if (outputs > INT32_MAX) return DK_ERROR_MEMORY;
  const size_t C = (size_t)config->channels, M = (size_t)config->hidden,
               normalised = config->batch_norm ? M : 0;
  const size_t features = M ? M : C;
  const uint64_t floats =
      (uint64_t)M * C + 4 * (uint64_t)normalised + (uint64_t)outputs * ((uint64_t)features + 1);
  if (floats > INT32_MAX / sizeof(float)) return DK_ERROR_MEMORY;

  /* The struct and its arrays share one block of memory. */
  dk_attention *made = dk_alloc(sizeof *made + (size_t)floats * sizeof(float));
  if (!made) return DK_ERROR_MEMORY;
  float *next = (float *)(made + 1);
  memset(next, 0, (size_t)floats * sizeof(float));
  *made = (dk_attention){.config = *config, .outputs = (int32_t)outputs, .temperature = 1};
  made->hidden_weight = attention_take(&next, M * C);
  made->bn_weight = attention_take(&next, normalised);
  made->bn_bias = attention_take(&next, normalised);
  made->bn_running_mean = attention_take(&next, normalised);
  made->bn_running_var = attention_take(&next, normalised);
  for (int32_t h = 0; h < HEADS; h++) {
    made->weight[h] = attention_take(&next, (size_t)config->head[h] * features);
    made->bias[h] = attention_take(&next, (size_t)config->head[h]);
  }
  for (size_t m = 0; m < normalised; m++) made->bn_weight[m] = made->bn_running_var[m] = 1;
  *attention = made;
  return DK_OK;
}

void dk_attention_destroy(dk_attention *attention) { dk_free(attention); }

attend_branch attention_branch(const dk_attention *attention) {
  const dk_attention_config *config = &attention->config;
  attend_branch branch = {
      .C = config->channels,
      .M = config->hidden,
      .softmax = config->softmax != 0,
      .eps = EPSILON,
      .temperature = (double)attention->temperature,
      .hidden_weight = attention->hidden_weight,
      .bn_weight = attention->bn_weight,
      .bn_bias = attention->bn_bias,
      .bn_mean = attention->bn_running_mean,
      .bn_variance = attention->bn_running_var,
  };
  for (int32_t h = 0; h < HEADS; h++) {
    branch.head[h] = config->head[h];
    branch.weight[h] = attention->weight[h];
    branch.bias[h] = attention->bias[h];
  }
  return branch;
}

/* Batch norm over the batch, without weight and bias, on tape->normalised [N, M] in place. */
static void attention_normalise_by_batch(dk_attention *attention, const attend_tape *tape, int32_t N) {
  const int32_t M = attention->config.hidden;
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

/* Returns how many doubles a tape has. */
static uint64_t attention_tape_values(const dk_attention *attention, int32_t N) {
  const attend_branch branch = attention_branch(attention);
  return attend_tape_values(&branch, N);
}

size_t dk_attention_tape_bytes(const dk_attention *attention, int32_t N) {
  DK_ASSERT(attention && N >= 1);
  return sizeof(double) * (size_t)attention_tape_values(attention, N);
}

dk_status attention_check(const dk_attention *attention, int32_t training, int32_t N, int32_t H, int32_t W) {
  DK_ASSERT(attention && attention->outputs >= 1);
  if (N < 1 || H < 1 || W < 1) return DK_ERROR_SHAPE;
  if ((uint64_t)H * (uint32_t)W > (uint32_t)MAX_ELEMENTS / (uint32_t)N / (uint32_t)attention->config.channels)
    return DK_ERROR_SHAPE;
  if (training && N == 1 && attention->config.batch_norm) return DK_ERROR_MODE;
  return attention_tape_values(attention, N) > INT32_MAX / sizeof(double) ? DK_ERROR_MEMORY : DK_OK;
}

void attention_compute(dk_context *context, dk_attention *attention, int32_t training, const float *x,
                       int32_t N, int32_t H, int32_t W, float *outputs, void *tape_memory) {
  DK_ASSERT(x && outputs);
  const size_t pixels = (size_t)H * W;
  const attend_branch branch = attention_branch(attention);
  const attend_tape tape = attend_tape_view(&branch, N, tape_memory);
  attend_project(context, &branch, x, N, (size_t)branch.C * pixels, pixels, pixels, &tape);

  /* Normalise in place. */
  if (attention->config.batch_norm) {
    if (training)
      attention_normalise_by_batch(attention, &tape, N);
    else
      attend_normalise(&branch, N, &tape);
  }

  float *of_head[HEADS];
  for (int32_t h = 0; h < HEADS; h++) of_head[h] = outputs + attend_outputs(branch.head, N, h);
  attend_heads(&branch, N, &tape, of_head);
}

dk_status dk_attention_forward(dk_context *context, dk_attention *attention, int32_t training, const float *x,
                               int32_t N, int32_t H, int32_t W, float *outputs) {
  return dk_attention_forward_taped(context, attention, training, x, N, H, W, outputs, NULL);
}

dk_status dk_attention_forward_taped(dk_context *context, dk_attention *attention, int32_t training,
                                     const float *x, int32_t N, int32_t H, int32_t W, float *outputs,
                                     void *tape) {
  dk_status status = attention_check(attention, training, N, H, W);
  if (status) return status;
  if (!tape) tape = workspace_reserve(context, dk_attention_tape_bytes(attention, N));
  if (!tape) return workspace_refusal(context);
  attention_compute(context, attention, training, x, N, H, W, outputs, tape);
  return parallel_status(context);
}

SMALL_FILE_END
