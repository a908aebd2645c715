/* See check_attention.h. The gradients of the branch are checked with those of the block (check_gradients.c).
 */
#include "check_attention.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention.h"
#include "layer_tensor.h"
#include "network/layers/layers.h"

static const double TOLERANCE = 1e-5; /* a small variance makes the means' rounding errors larger */

/* Draws a configuration that is valid. */
static dk_attention_config any_config(check *c, int32_t C) {
  dk_attention_config config = {.channels = C, .softmax = below(c, 2)};
  if (below(c, 4)) config.hidden = 1 + below(c, 9);
  config.batch_norm = config.hidden ? below(c, 3) > 0 : 0;
  config.head[below(c, HEADS)] = 1 + below(c, 20);
  for (int32_t h = 0; h < HEADS; h++)
    if (below(c, 2)) config.head[h] = 1 + below(c, 20);
  return config;
}

static dk_attention *made_attention(const dk_attention_config *config) {
  dk_attention *made;
  if (dk_attention_create(config, &made)) abort();
  return made;
}

static void fill(check *c, float *values, size_t count) {
  for (size_t i = 0; values && i < count; i++) values[i] = uniform(c, -1, 1);
}

static void fill_parameters(check *c, dk_attention *attention) {
  const attend_branch sizes = attention_branch(attention);
  const size_t M = (size_t)sizes.M;
  fill(c, attention->hidden_weight, M * (size_t)sizes.C);
  fill(c, attention->bn_weight, M), fill(c, attention->bn_bias, M), fill(c, attention->bn_running_mean, M);
  for (size_t m = 0; attention->bn_running_var && m < M; m++)
    attention->bn_running_var[m] = uniform(c, 0.01, 1);
  for (int32_t h = 0; h < HEADS; h++) {
    fill(c, attention->weight[h], (size_t)sizes.head[h] * (size_t)attend_features(&sizes));
    fill(c, attention->bias[h], (size_t)sizes.head[h]);
  }
}

/* The module and the layer of networks against the reference. The layer's planes lie apart. */
static void check_branch(check *c, dk_context *context) {
  const int32_t shape[4] = {1 + below(c, 3), 1 + below(c, 20), 1 + below(c, 9), 1 + below(c, 9)};
  const int32_t N = shape[0], special = below(c, 8) == 0;
  const dk_attention_config config = any_config(c, shape[1]);
  static const float temperatures[] = {1, 0.25f, 3, 34};
  dk_attention *attention = made_attention(&config);
  fill_parameters(c, attention);
  attention->temperature = temperatures[below(c, 4)];
  begin(
      c,
      "attention shape=%d,%d,%d,%d M=%d batch_norm=%d softmax=%d heads=%d,%d,%d,%d temperature=%g special=%d",
      N, shape[1], shape[2], shape[3], config.hidden, config.batch_norm, config.softmax, config.head[0],
      config.head[1], config.head[2], config.head[3], (double)attention->temperature, special);

  attend_branch branch = attention_branch(attention);
  tensor x = tensor_make(c, 4, shape, 2), contiguous = tensor_make(c, 4, shape, 0);
  tensor_fill(c, &x, special);
  copy_run_reference(&x.v, &contiguous.v);
  const int32_t count = (int32_t)attend_outputs(config.head, N, HEADS);
  tensor want = tensor_make(c, 1, &count, 0), got = tensor_like(&want);
  float *want_of[HEADS], *got_of[HEADS];
  for (int32_t h = 0; h < HEADS; h++) {
    const size_t first = attend_outputs(config.head, N, h);
    want_of[h] = want.v.data + first, got_of[h] = got.v.data + first;
  }
  network_attention_reference(&branch, &x.v, want_of);
  if (dk_attention_forward(context, attention, 0, contiguous.v.data, N, shape[2], shape[3], got.v.data))
    mismatch(c, "the module refuses the shape");
  expect_tensor(c, &got, &want, TOLERANCE, "outputs of the module");

  const size_t bytes = (size_t)network_attention_workspace(&branch, &x.v);
  void *workspace = guarded_alloc(bytes);
  memset(got.v.data, 0, sizeof(float) * (size_t)count);
  network_attention_run(context, &branch, &x.v, got_of, workspace);
  expect_tensor(c, &got, &want, TOLERANCE, "outputs of the layer");
  if (!guards_hold(workspace, bytes, "workspace")) mismatch(c, "the workspace is too small");

  /* A head without a bias, as networks may have it, has biases of 0. */
  for (int32_t h = 0; h < HEADS; h++) {
    branch.bias[h] = NULL;
    if (config.head[h]) memset(attention->bias[h], 0, sizeof(float) * (size_t)config.head[h]);
  }
  network_attention_run(context, &branch, &x.v, want_of, workspace);
  dk_attention_forward(context, attention, 0, contiguous.v.data, N, shape[2], shape[3], got.v.data);
  expect_tensor(c, &got, &want, 0, "outputs without biases");
  guarded_free(workspace);
  tensor_free(&x), tensor_free(&contiguous), tensor_free(&want), tensor_free(&got);
  dk_attention_destroy(attention);
}

/* a = softmax of logits / temperature, for the branch whose logits are its biases. */
static void softmax_of(dk_context *context, const float *logits, int32_t count, float temperature, float *a) {
  static const float x[1] = {0};
  dk_attention *attention =
      made_attention(&(dk_attention_config){.channels = 1, .softmax = 1, .head = {count}});
  memcpy(attention->bias[0], logits, sizeof(float) * (size_t)count);
  attention->temperature = temperature;
  if (dk_attention_forward(context, attention, 0, x, 1, 1, 1, a)) abort();
  dk_attention_destroy(attention);
}

static void check_softmax_extremes(check *c, dk_context *context) {
  static const struct {
    float logits[3], temperature, want[3];
  } cases[] = {
      {{1e30f, 1e30f, 0}, 1, {0.5f, 0.5f, 0}},
      {{-1e30f, -1e30f, -1e30f}, 1, {1 / 3.0f, 1 / 3.0f, 1 / 3.0f}},
      {{FLT_MAX, -FLT_MAX, FLT_MAX}, 1e-30f, {0.5f, 0, 0.5f}},
      {{0.001f, 0, 0.001f}, FLT_MIN, {0.5f, 0, 0.5f}},
      {{1, 2, 3}, FLT_MAX, {1 / 3.0f, 1 / 3.0f, 1 / 3.0f}},
      {{-INFINITY, 5, 5}, 2, {0, 0.5f, 0.5f}},
      {{INFINITY, 5, 5}, 2, {NAN, NAN, NAN}},
      {{1, NAN, 2}, 1, {NAN, NAN, NAN}},
      {{NAN, 0, 0}, 34, {NAN, NAN, NAN}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    float a[3];
    begin(c, "softmax of %g %g %g, temperature %g", (double)cases[i].logits[0], (double)cases[i].logits[1],
          (double)cases[i].logits[2], (double)cases[i].temperature);
    softmax_of(context, cases[i].logits, 3, cases[i].temperature, a);
    for (size_t k = 0; k < 3; k++) expect_float(c, "a", k, a[k], cases[i].want[k], 1e-7);
  }
}

static void expect_status(check *c, dk_status got, dk_status want, const char *what) {
  if (got != want) mismatch(c, "%s: status %d, expected %d", what, (int)got, (int)want);
}

/* Configurations that are refused leave NULL. */
static void check_configurations(check *c) {
  const struct {
    dk_attention_config config;
    dk_status status;
  } cases[] = {
      {{3, 0, 0, 0, {4}}, DK_OK},
      {{3, 2, 0, 1, {0, 0, 0, 1}}, DK_OK},
      {{0, 2, 1, 0, {4}}, DK_ERROR_CONFIG},
      {{-1, 2, 1, 0, {4}}, DK_ERROR_CONFIG},
      {{3, -1, 0, 0, {4}}, DK_ERROR_CONFIG},
      {{3, 0, 1, 0, {4}}, DK_ERROR_CONFIG},
      {{3, 2, 2, 0, {4}}, DK_ERROR_CONFIG},
      {{3, 2, 1, -1, {4}}, DK_ERROR_CONFIG},
      {{3, 2, 1, 0, {0}}, DK_ERROR_CONFIG},
      {{3, 2, 1, 0, {4, -1, 0, 0}}, DK_ERROR_CONFIG},
      {{3, 2, 1, 0, {INT32_MAX, INT32_MIN, 1, 0}}, DK_ERROR_CONFIG},
      {{INT32_MAX, INT32_MAX, 1, 0, {1}}, DK_ERROR_MEMORY},
      {{1, INT32_MAX, 1, 0, {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX}}, DK_ERROR_MEMORY},
      {{INT32_MAX, 0, 0, 0, {INT32_MAX}}, DK_ERROR_MEMORY},
      {{1 << 16, 1 << 16, 1, 0, {1}}, DK_ERROR_MEMORY},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dk_attention *attention = (dk_attention *)&cases; /* no valid result */
    begin(c, "configuration %zu", i);
    expect_status(c, dk_attention_create(&cases[i].config, &attention), cases[i].status, "create");
    if ((attention != NULL) != (cases[i].status == DK_OK)) mismatch(c, "*attention is wrong");
    if (cases[i].status == DK_OK) dk_attention_destroy(attention);
  }
}

/* One sample has no variance: only batch norm needs more. */
static void check_one_sample(check *c, dk_context *context) {
  static const float x[2] = {1, -1};
  float outputs[2];
  for (int32_t batch_norm = 0; batch_norm < 2; batch_norm++) {
    dk_attention *attention = made_attention(&(dk_attention_config){1, 2, batch_norm, 0, {1}});
    const dk_status refused = batch_norm ? DK_ERROR_MODE : DK_OK;
    void *tape = malloc(dk_attention_tape_bytes(attention, 2));
    begin(c, "one sample, batch_norm=%d", batch_norm);
    expect_status(c, dk_attention_forward_taped(context, attention, 1, x, 1, 1, 1, outputs, tape), refused,
                  "training");
    expect_status(c, dk_attention_backward(context, attention, 1, tape, 1, 1, 1, x, NULL, NULL), refused,
                  "backward");
    expect_status(c, dk_attention_forward(context, attention, 0, x, 1, 1, 1, outputs), DK_OK, "evaluation");
    expect_status(c, dk_attention_forward(context, attention, 1, x, 2, 1, 1, outputs), DK_OK, "two samples");
    if (attention->batches_tracked != batch_norm) mismatch(c, "%d batches", (int)attention->batches_tracked);
    free(tape);
    dk_attention_destroy(attention);
  }
}

/* A block refuses modules that disagree, before the running statistics move. */
static void check_disagreement(check *c, dk_context *context) {
  static const float x[2 * 4 * 9] = {1};
  const struct {
    int32_t num_kernels;
    dk_attention_config branch;
    dk_status status;
  } cases[] = {
      {3, {4, 2, 1, 1, {3, 6, 4, 6}}, DK_OK},
      {1, {4, 2, 1, 0, {0, 6, 0, 0}}, DK_OK},
      {1, {4, 2, 1, 0, {1, 0, 0, 0}}, DK_OK},
      {3, {4, 2, 1, 0, {0, 6, 4, 6}}, DK_ERROR_CONFIG}, /* no head of kernels */
      {3, {2, 2, 1, 0, {3, 0, 0, 0}}, DK_ERROR_CONFIG}, /* other channels */
      {3, {4, 2, 1, 0, {2, 0, 0, 0}}, DK_ERROR_CONFIG},
      {3, {4, 2, 1, 0, {3, 4, 0, 0}}, DK_ERROR_CONFIG},
      {3, {4, 2, 1, 0, {3, 0, 2, 0}}, DK_ERROR_CONFIG}, /* of one group */
      {3, {4, 2, 1, 0, {3, 0, 0, 9}}, DK_ERROR_CONFIG},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const dk_aggregation_config config = {.in_channels = 4,
                                          .out_channels = 6,
                                          .kernel_size = {2, 3},
                                          .stride = {1, 1},
                                          .dilation = {1, 1},
                                          .groups = 2,
                                          .num_kernels = cases[i].num_kernels};
    dk_attention *attention = made_attention(&cases[i].branch);
    dk_aggregation *aggregation;
    if (dk_aggregation_create(&config, &aggregation)) abort();
    void *tape = calloc(1, dk_attention_tape_bytes(attention, 2));
    float outputs[2 * 19], y[2 * 6 * 2], grad_x[2 * 4 * 9];
    begin(c, "disagreement %zu", i);
    attention->hidden_weight[0] = 1;
    expect_status(c, dk_block_forward_taped(context, attention, aggregation, 1, x, 2, 3, 3, outputs, y, tape),
                  cases[i].status, "forward");
    if ((attention->batches_tracked == 0) != (cases[i].status != DK_OK) ||
        (attention->bn_running_mean[0] == 0) != (cases[i].status != DK_OK))
      mismatch(c, "the running statistics");
    expect_status(c,
                  dk_block_backward(context, attention, aggregation, 1, tape, x, outputs, 2, 3, 3, y, grad_x,
                                    NULL, NULL),
                  cases[i].status, "backward");
    free(tape);
    dk_attention_destroy(attention), dk_aggregation_destroy(aggregation);
  }
}

/* The least and the greatest of an array, and the mean of its squares. */
typedef struct spread {
  double least, greatest, squares;
} spread;

static spread spread_of(const float *values, size_t count) {
  spread s = {values[0], values[0], 0};
  for (size_t i = 0; i < count; i++) {
    s.least = fmin(s.least, (double)values[i]);
    s.greatest = fmax(s.greatest, (double)values[i]);
    s.squares += (double)values[i] * (double)values[i] / (double)count;
  }
  return s;
}

/* Whether many values follow a distribution: uniform within its bound, or normal with its deviation. */
static void expect_distribution(check *c, dk_initialisation distribution, double fan_in, double fan_out,
                                const float *values, size_t count, const char *what) {
  const spread s = spread_of(values, count);
  const bool normal = distribution == DK_INITIALISE_FAN_OUT;
  const double variance = normal ? 2 / fan_out : (distribution == DK_INITIALISE_FAN_IN ? 6 : 1) / fan_in / 3;
  const double bound = sqrt(3 * variance);
  if (fabs(s.squares / variance - 1) > 0.1) mismatch(c, "%s: variance %g of %g", what, s.squares, variance);
  if (!normal &&
      (s.greatest > bound || s.greatest < 0.95 * bound || s.least < -bound || s.least > -0.95 * bound))
    mismatch(c, "%s: from %g to %g, bound %g", what, s.least, s.greatest, bound);
}

static void check_distributions(check *c) {
  enum { C = 60, M = 50, K = 40, O = 70, R = 3 };
  for (int32_t i = DK_INITIALISE_FAN_IN; i <= DK_INITIALISE_LINEAR; i++) {
    const dk_initialisation how = (dk_initialisation)i;
    begin(c, "distribution %d", i);
    dk_attention *attention = made_attention(&(dk_attention_config){C, M, 1, 0, {K, O, 0, 0}});
    fill_parameters(c, attention);
    attention->temperature = 34;
    dk_attention_initialise(attention, how, 5);
    expect_distribution(c, how, C, M, attention->hidden_weight, (size_t)M * C, "hidden");
    expect_distribution(c, how, M, K, attention->weight[0], (size_t)K * M, "kernels");
    expect_distribution(c, how, M, O, attention->weight[1], (size_t)O * M, "outputs");
    const spread statistics = spread_of(attention->bn_running_mean, M),
                 bias = spread_of(attention->bias[1], O);
    const double bound = how == DK_INITIALISE_LINEAR ? 1 / sqrt((double)M) : 0;
    if (statistics.squares > 0 || attention->bn_weight[0] != 1 || attention->temperature != 34)
      mismatch(c, "the other parameters");
    if (bias.greatest > bound || bias.least < -bound || (bound > 0 && bias.squares < bound * bound / 5))
      mismatch(c, "biases from %g to %g", bias.least, bias.greatest);

    dk_aggregation *aggregation;
    const dk_aggregation_config config = {.in_channels = C,
                                          .out_channels = O,
                                          .kernel_size = {R, 1},
                                          .stride = {1, 1},
                                          .dilation = {1, 1},
                                          .groups = 2,
                                          .num_kernels = 2,
                                          .bias = 1};
    if (dk_aggregation_create(&config, &aggregation)) abort();
    dk_aggregation_initialise(aggregation, how, 5);
    const int32_t fan_in = C / 2 * R;
    expect_distribution(c, how, fan_in, O * R, dk_aggregation_weight(aggregation), 2 * (size_t)O * fan_in,
                        "weight");
    const spread biases = spread_of(dk_aggregation_bias(aggregation), 2 * O);
    const double bias_variance = how == DK_INITIALISE_LINEAR ? 1.0 / fan_in / 3 : 0;
    if (fabs(biases.squares - bias_variance) > bias_variance / 3)
      mismatch(c, "bias: variance %g of %g", biases.squares, bias_variance);
    dk_attention_destroy(attention), dk_aggregation_destroy(aggregation);
  }
}

/* A seed gives the same numbers as ever. */
static void check_seeds(check *c) {
  static const float hidden[] = {-0x1.39e9fcp-3f, -0x1.a0e58p-1f, -0x1.3cfbc4p+0f},
                     head[] = {-0x1.1e7588p+0f, 0x1.a5a1fp-1f, -0x1.1fb8c4p-3f},
                     kernel[] = {0x1.ff511ep-2f, -0x1.f16312p-3f, 0x1.4ac60ep-1f};
  begin(c, "seed 7");
  dk_attention *attention = made_attention(&(dk_attention_config){3, 4, 1, 0, {2}});
  dk_aggregation *aggregation;
  const dk_aggregation_config config = {.in_channels = 3,
                                        .out_channels = 2,
                                        .kernel_size = {1, 2},
                                        .stride = {1, 1},
                                        .dilation = {1, 1},
                                        .groups = 1,
                                        .num_kernels = 2};
  if (dk_aggregation_create(&config, &aggregation)) abort();
  dk_attention_initialise(attention, DK_INITIALISE_FAN_OUT, 7);
  dk_aggregation_initialise(aggregation, DK_INITIALISE_FAN_IN, 7);
  float last[6];
  dk_aggregation_read(aggregation, 1, 1, 1, last);
  if (!close_to(attention->hidden_weight, hidden, sizeof hidden / sizeof *hidden, 0, "seed 7"))
    mismatch(c, "the hidden weight");
  if (!close_to(attention->weight[0], head, sizeof head / sizeof *head, 0, "seed 7"))
    mismatch(c, "the weight of the head");
  if (!close_to(last, kernel, sizeof kernel / sizeof *kernel, 0, "seed 7")) mismatch(c, "the last kernel");
  dk_attention_destroy(attention), dk_aggregation_destroy(aggregation);
}

int check_attention(uint32_t seed, int count) {
  check c = {.random = {seed}};
  dk_context *context = context_of(3);
  for (int i = 0; i < count; i++) check_branch(&c, context);
  check_softmax_extremes(&c, context);
  check_configurations(&c);
  check_one_sample(&c, context);
  check_disagreement(&c, context);
  check_distributions(&c);
  check_seeds(&c);
  dk_context_destroy(context);
  return c.failures;
}
