/* Runs forward passes, so that tests in another language can compare this build with PyTorch.
 *
 * It reads any number of requests from standard input. It writes an answer to each on standard output.
 * Numbers are int32 and float32 in this machine's byte order. Sizes are as in dynakernel.h:
 *
 *   request  C O R stride padding dilation G K bias algorithm M N H W training        15 int32
 *            (R to dilation: the same in both directions)
 *            hidden_weight bn_weight bn_bias bn_running_mean bn_running_var
 *            kernels.weight kernels.bias weight [bias] x
 *   answer   status                                                                    1 int32
 *            and if it is 0: Ho Wo (int32), a, y, bn_running_mean, bn_running_var */
#include <stdio.h>
#include <stdlib.h>

#include "dynakernel.h"
#include "windows.h"

enum { INTEGERS = 15 };

static void get(void *into, size_t size, size_t count) {
  if (fread(into, size, count, stdin) != count) {
    fprintf(stderr, "forward: the request ends early\n");
    exit(2);
  }
}

static void put(const void *from, size_t size, size_t count) { fwrite(from, size, count, stdout); }

static int32_t put_status(dk_status status) {
  const int32_t number = (int32_t)status;
  put(&number, sizeof number, 1);
  return number;
}

static void get_weight(dk_aggregation *aggregation, const dk_aggregation_config *config) {
  const size_t taps = window_taps(config);
  const size_t channel = taps * (config->in_channels / config->groups);
  float *weight = malloc(sizeof(float) * channel);
  for (int32_t k = 0; k < config->num_kernels; k++)
    for (int32_t o = 0; o < config->out_channels; o++) {
      get(weight, sizeof(float), channel);
      dk_aggregation_write(aggregation, k, o, 1, weight);
    }
  free(weight);
}

/* Returns 0 at the end of the input, else 1. */
static int answer(dk_context *context) {
  int32_t integers[INTEGERS];
  if (fread(integers, sizeof *integers, INTEGERS, stdin) != INTEGERS) return 0;
  const int32_t *i = integers;
  dk_aggregation_config config = {.in_channels = i[0],
                                  .out_channels = i[1],
                                  .groups = i[6],
                                  .num_kernels = i[7],
                                  .bias = i[8],
                                  .algorithm = i[9]};
  square_window(&config, i[2], i[3], i[4], i[5]);
  const int32_t M = i[10], N = i[11], H = i[12], W = i[13], training = i[14];
  const int32_t C = config.in_channels, O = config.out_channels, K = config.num_kernels;

  dk_aggregation *aggregation;
  dk_status status = dk_aggregation_create(&config, &aggregation);
  dk_attention *attention;
  const dk_attention_config branch = {.channels = C, .hidden = M, .batch_norm = 1, .head = {K}};
  if (!status) status = dk_attention_create(&branch, &attention);
  if (status) {
    fprintf(stderr, "forward: no such module (status %d)\n", (int)status);
    exit(2);
  }
  get(attention->hidden_weight, sizeof(float), (size_t)M * C);
  get(attention->bn_weight, sizeof(float), (size_t)M);
  get(attention->bn_bias, sizeof(float), (size_t)M);
  get(attention->bn_running_mean, sizeof(float), (size_t)M);
  get(attention->bn_running_var, sizeof(float), (size_t)M);
  get(attention->weight[DK_HEAD_KERNELS], sizeof(float), (size_t)K * M);
  get(attention->bias[DK_HEAD_KERNELS], sizeof(float), (size_t)K);
  get_weight(aggregation, &config);
  if (config.bias) get(dk_aggregation_bias(aggregation), sizeof(float), (size_t)K * O);
  const size_t inputs = (size_t)N * C * H * W;
  float *x = malloc(sizeof(float) * inputs);
  get(x, sizeof(float), inputs);

  dk_plan plan = {0};
  status = dk_aggregation_plan(aggregation, N, H, W, &plan);
  const size_t outputs = (size_t)N * O * plan.Ho * plan.Wo;
  float *a = malloc(sizeof(float) * N * K), *y = malloc(sizeof(float) * (outputs + 1));
  if (!status) status = dk_block_forward(context, attention, aggregation, training, x, N, H, W, a, y);
  if (!put_status(status)) {
    put(&plan.Ho, sizeof(int32_t), 1);
    put(&plan.Wo, sizeof(int32_t), 1);
    put(a, sizeof(float), (size_t)N * K);
    put(y, sizeof(float), outputs);
    put(attention->bn_running_mean, sizeof(float), (size_t)M);
    put(attention->bn_running_var, sizeof(float), (size_t)M);
  }
  fflush(stdout);
  free(x), free(a), free(y);
  dk_attention_destroy(attention);
  dk_aggregation_destroy(aggregation);
  return 1;
}

int main(void) {
  dk_context *context = dk_context_create();
  while (answer(context)) continue;
  dk_context_destroy(context);
  return 0;
}
