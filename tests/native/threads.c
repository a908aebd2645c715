/* Threads that divide forward and backward passes, for ThreadSanitizer to watch; answers are those of
 * one thread.
 *
 * usage: threads [SEED] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dynakernel.h"
#include "support.h"

enum { THREADS = 4, REPEATS = 3 };

typedef struct layer {
  int32_t N, C, O, G, R, stride, padding, H, W;
} layer;

/* Large enough to be divided, in each of the ways of src/convolution/batch.c. */
static const layer layers[] = {
    {1, 3, 5, 1, 3, 1, 1, 130, 131},   {1, 32, 40, 1, 3, 1, 1, 41, 43},  {1, 64, 72, 1, 3, 1, 1, 13, 13},
    {1, 24, 24, 24, 5, 1, 2, 60, 61},  {3, 24, 24, 3, 3, 2, 1, 60, 61},  {5, 48, 50, 1, 1, 1, 0, 33, 31},
    {1, 9, 120, 1, 3, 3, 0, 90, 91},   {1, 64, 72, 1, 3, 2, 1, 27, 27},  {1, 130, 200, 1, 1, 1, 0, 12, 13},
    {1, 96, 112, 16, 3, 1, 1, 30, 31}, {1, 72, 72, 72, 3, 1, 1, 70, 71}, {1, 40, 40, 40, 3, 1, 1, 64, 48},
};

typedef struct worker {
  dk_context *context;
  int32_t thread;
} worker;

static void *work(void *argument) {
  const worker *w = argument;
  dk_context_work(w->context, w->thread);
  return NULL;
}

/* Outputs and gradients of a layer, and outputs of the block, one after the other. */
typedef struct answers {
  size_t count;
  float *values;
} answers;

static answers compute(dk_context *context, const layer *l, uint32_t seed) {
  const dk_aggregation_config config = {
      .in_channels = l->C,
      .out_channels = l->O,
      .kernel_size = l->R,
      .stride = l->stride,
      .padding = l->padding,
      .dilation = 1,
      .groups = l->G,
      .num_kernels = 2,
      .bias = 1,
  };
  random_state random = {seed};
  dk_aggregation *aggregation;
  dk_plan plan;
  if (dk_aggregation_create(&config, &aggregation) ||
      dk_aggregation_plan(aggregation, l->N, l->H, l->W, &plan))
    abort();
  dk_aggregation_initialise(aggregation, seed);
  const size_t inputs = (size_t)l->N * l->C * l->H * l->W;
  const size_t outputs = (size_t)l->N * l->O * plan.Ho * plan.Wo;
  const size_t mixtures = (size_t)l->N * config.num_kernels;
  const size_t weights = (size_t)config.num_kernels * l->O * (l->C / l->G) * l->R * l->R;
  dk_attention *attention = dk_attention_create(l->C, 2, config.num_kernels);
  if (!attention) abort();
  dk_attention_initialise(attention, seed);
  float *x = malloc(sizeof(float) * inputs), *a = malloc(sizeof(float) * mixtures);
  random_fill(&random, x, inputs), random_fill(&random, a, mixtures);

  answers all = {.count = 2 * outputs + inputs + 2 * mixtures + weights};
  all.values = calloc(all.count, sizeof(float));
  float *y = all.values, *gx = y + outputs, *ga = gx + inputs, *gw = ga + mixtures;
  float *of_block = gw + weights, *steered_by = of_block + outputs;
  if (dk_aggregation_forward(context, aggregation, x, a, l->N, l->H, l->W, y) ||
      dk_aggregation_backward(context, aggregation, x, a, l->N, l->H, l->W, y, gx, ga,
                              &(dk_aggregation_gradients){.weight = gw}) ||
      dk_block_forward(context, attention, aggregation, 0, x, l->N, l->H, l->W, steered_by, of_block))
    abort();
  dk_aggregation_destroy(aggregation), dk_attention_destroy(attention);
  free(x), free(a);
  return all;
}

int main(int argc, char **argv) {
  const uint32_t seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
  dk_context *alone = dk_context_create(), *shared = dk_context_create();
  pthread_t threads[THREADS];
  worker workers[THREADS];
  int failures = 0;
  dk_context_set_threads(shared, THREADS);
  for (int32_t i = 1; i < THREADS; i++) {
    workers[i] = (worker){shared, i};
    if (pthread_create(&threads[i], NULL, work, &workers[i])) abort();
  }
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    const answers want = compute(alone, &layers[i], seed);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
      dk_context_set_threads(shared, repeat == 1 ? THREADS - 1 : THREADS); /* one may have nothing to do */
      const answers got = compute(shared, &layers[i], seed);
      /* Not to the last bit: the gradient of the attention is a sum over parts. */
      if (!close_to(got.values, want.values, want.count, 1e-6, "answer")) {
        printf("FAILED layer %zu (seed %u)\n", i, seed);
        failures++;
      }
      free(got.values);
    }
    free(want.values);
  }
  dk_context_stop(shared);
  for (int32_t i = 1; i < THREADS; i++) pthread_join(threads[i], NULL);
  dk_context_destroy(shared), dk_context_destroy(alone);
  printf("%d failures, seed %u, %d threads\n", failures, seed, THREADS);
  return failures ? 1 : 0;
}
