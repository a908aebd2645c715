/* Divides forward and backward passes among threads, so that ThreadSanitizer can watch them. Checks that the
 * results are those of one thread.
 *
 * usage: threads [SEED] */
#include <float.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation.h"
#include "base/context.h"
#include "check_network.h"
#include "dynakernel.h"
#include "network/layers/layers.h"
#include "support.h"

enum { THREADS = 4, REPEATS = 3 };

typedef struct layer {
  int32_t N, C, O, G, R, stride, padding, H, W;
} layer;

/* Layers that are large enough to be divided. They cover each division of src/convolution/batch.c. */
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

/* Outputs of a call with planes apart and a step of each kind: in the kernels, in registers, after the
 * output. y [N, O, Ho, Wo + 1 floats a plane]. */
static void call(dk_context *context, dk_aggregation *aggregation, const layer *l, const float *x,
                 const dk_mixture *mixture, float *y) {
  geometry shape;
  const algorithm *chosen;
  if (aggregation_prepare(aggregation, l->N, l->H, l->W, &shape, &chosen)) abort();
  const int32_t plane = shape.Ho * shape.Wo + 1;
  const epilogue steps = {
      .count = 4,
      .step = {{.op = DK_OP_BATCH_NORM, .scale = x, .shift = x},
               {.op = DK_OP_ADD, .operand = x, .stride = {0, 0, 1}},
               {.op = DK_OP_RELU},
               {.op = DK_OP_MULTIPLY, .operand = x, .stride = {1, 1, 0}}},
  };
  const uint64_t bytes = batch_workspace(context, chosen, &shape);
  convolution_call described =
      contiguous_call(chosen, &shape, &aggregation->kernels, aggregation->bias, x, mixture, y, NULL);
  described.workspace = aligned_alloc(64, (size_t)round_up(bytes, 64));
  described.y_channel = (size_t)plane;
  described.y_sample = (size_t)shape.O * plane;
  described.steps = &steps;
  convolve_batch(context, &described);
  free(described.workspace);
}

/* Outputs and gradients of a layer, and outputs of the block and of a call, one after the other. */
typedef struct answers {
  size_t count;
  float *values;
} answers;

static answers compute(dk_context *context, const layer *l, uint32_t seed) {
  const dk_aggregation_config config = {
      .in_channels = l->C,
      .out_channels = l->O,
      .kernel_size = {l->R, l->R},
      .stride = {l->stride, l->stride},
      .padding = {l->padding, l->padding, l->padding, l->padding},
      .dilation = {1, 1},
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
  dk_aggregation_initialise(aggregation, DK_INITIALISE_FAN_IN, seed);
  const size_t inputs = (size_t)l->N * l->C * l->H * l->W;
  const size_t outputs = (size_t)l->N * l->O * plan.Ho * plan.Wo;
  const size_t weights = (size_t)config.num_kernels * l->O * (l->C / l->G) * l->R * l->R;
  const dk_attention_config branch = {.channels = l->C,
                                      .hidden = 2,
                                      .batch_norm = 1,
                                      .softmax = 1,
                                      .head = {config.num_kernels, l->O, l->C, l->R * l->R}};
  dk_attention *attention;
  if (dk_attention_create(&branch, &attention)) abort();
  dk_attention_initialise(attention, DK_INITIALISE_FAN_OUT, seed);
  const size_t factors = (size_t)l->N * attention->outputs, kernels = (size_t)l->N * config.num_kernels;
  float *x = malloc(sizeof(float) * inputs), *given = malloc(sizeof(float) * factors);
  random_fill(&random, x, inputs), random_fill(&random, given, factors);

  const size_t apart = outputs + (size_t)l->N * l->O;
  answers all = {.count = 2 * outputs + inputs + 2 * factors + weights + apart};
  all.values = calloc(all.count, sizeof(float));
  float *y = all.values, *gx = y + outputs, *grad = gx + inputs, *gw = grad + factors;
  float *of_block = gw + weights, *of_branch = of_block + outputs;
  const size_t of_outputs = kernels, of_inputs = of_outputs + (size_t)l->N * l->O,
               of_taps = of_inputs + (size_t)l->N * l->C;
  const dk_mixture mixture = {given, given + of_outputs, given + of_inputs, given + of_taps};
  const dk_mixture_gradients mixture_gradients = {grad, grad + of_outputs, grad + of_inputs, grad + of_taps};
  if (dk_aggregation_forward(context, aggregation, x, &mixture, l->N, l->H, l->W, y) ||
      dk_aggregation_backward(context, aggregation, x, &mixture, l->N, l->H, l->W, y, gx, &mixture_gradients,
                              &(dk_aggregation_gradients){.weight = gw}) ||
      dk_block_forward(context, attention, aggregation, 0, x, l->N, l->H, l->W, of_branch, of_block))
    abort();
  call(context, aggregation, l, x, &mixture, of_branch + factors);
  dk_aggregation_destroy(aggregation), dk_attention_destroy(attention);
  free(x), free(given);
  return all;
}

/* Layers of networks that are large enough to be divided: [C, H, W] twice, resized, and transposed. */
static answers compute_layers(dk_context *context, uint32_t seed) {
  enum { C = 7, H = 190, W = 201, PLANE = H * W, UP = 2 };
  const size_t inputs = (size_t)C * PLANE, resized = inputs * UP * UP;
  random_state random = {seed};
  float *x = malloc(sizeof(float) * inputs);
  answers all = {.count = 5 * inputs + 2 * resized};
  all.values = calloc(all.count, sizeof(float));
  random_fill(&random, x, inputs);
  const view planes = {x, 4, {1, C, H, W}, {C * PLANE, PLANE, W, 1}};
  const view pixels = {x, 2, {PLANE, C}, {1, PLANE}};

  view y = planes, columns = {all.values, 2, {PLANE, C}, {C, 1}};
  copy_run(context, &pixels, &columns);
  y.data = columns.data + inputs;
  copy_run(context, &planes, &y);
  y.data += inputs;
  binary_run(context, DK_OP_ADD, &planes, &planes, &y);
  y.data += inputs;
  const epilogue steps = {.count = 2, .step = {{.op = DK_OP_SILU}, {.op = DK_OP_RELU}}};
  chain_run(context, &steps, &planes, &y);
  y.data += inputs;
  pad_run(context, PAD_REFLECT, 0, (const int32_t[]){0, 0, 1, -1}, &planes, &y);

  view large = {
      y.data + inputs, 4, {1, C, UP * H, UP * W}, {C * PLANE * UP * UP, PLANE * UP * UP, UP * W, 1}};
  for (int32_t mode = RESIZE_NEAREST; mode <= RESIZE_BILINEAR; mode++) {
    const resizing how = {.mode = mode, .rounding = ROUND_HALF_DOWN, .scale = {UP, UP}};
    void *workspace = malloc((size_t)resize_workspace(&how, &planes, &large));
    resize_run(context, &how, &planes, &large, workspace);
    free(workspace);
    large.data += resized;
  }
  free(x);
  return all;
}

/* A contiguous view. */
static view view_of(float *data, int32_t rank, const int32_t *shape) {
  view v = {.data = data, .rank = rank};
  int32_t stride = 1;
  for (int32_t i = rank - 1; i >= 0; i--) {
    v.shape[i] = shape[i], v.stride[i] = stride;
    stride *= shape[i];
  }
  return v;
}

/* Layers that add up and multiply, large enough to be divided. */
static answers compute_products(dk_context *context, uint32_t seed) {
  enum { C = 48, H = 120, W = 140, PLANE = H * W, INPUTS = C * PLANE, O = 20, ROWS = 70 };
  random_state random = {seed};
  float *x = malloc(sizeof(float) * INPUTS), *weight = malloc(sizeof(float) * INPUTS);
  random_fill(&random, x, INPUTS), random_fill(&random, weight, INPUTS);
  answers all = {.count = 5 * INPUTS + O * PLANE / 4};
  all.values = calloc(all.count, sizeof(float));
  const view planes = view_of(x, 4, (const int32_t[]){1, C, H, W});

  /* reductions of planes and of channels, pooling, softmax, local response norm */
  view y = view_of(all.values, 4, (const int32_t[]){1, C, 1, 1});
  reduce_run(context, DK_OP_REDUCE_MEAN, 0xC, &planes, &y);
  y = view_of(y.data + C, 4, (const int32_t[]){1, 1, H, W});
  reduce_run(context, DK_OP_REDUCE_SUM, 0x2, &planes, &y);
  y = view_of(y.data + PLANE, 4, (const int32_t[]){1, C, H / 2, W / 2});
  const sliding_window halves = {{3, 3}, {2, 2}, {1, 1}, {1, 1, 0, 0}};
  window_pool_run(context, DK_OP_AVERAGE_POOL, &halves, false, &planes, &y);
  y = view_of(all.values + INPUTS, 4, planes.shape);
  softmax_run(context, 1, &planes, &y);
  y.data += INPUTS;
  lrn_run(context, 5, 0.1f, 0.75f, 1, &planes, &y);

  /* a linear layer, and products in the three ways */
  packed_kernels kernels;
  if (!kernels_layout(1, O, 1, W, 1, false, &kernels)) abort();
  kernels.data = weight;
  const view rows = view_of(x, 2, (const int32_t[]){C * H, W});
  y = view_of(all.values + 3 * INPUTS, 2, (const int32_t[]){C * H, O});
  linear_run(context, &kernels, NULL, NULL, &rows, &y);
  const int32_t I[] = {ROWS, 8, C * H}, L[] = {ROWS, C * PLANE / ROWS, 1}, J[] = {C * PLANE / ROWS, ROWS, W};
  float *out = all.values + 4 * INPUTS;
  for (int way = 0; way < 3; way++) {
    const view a = view_of(x, 2, (const int32_t[]){I[way], J[way]});
    const view b = view_of(weight, 2, (const int32_t[]){J[way], L[way]});
    y = view_of(out, 2, (const int32_t[]){I[way], L[way]});
    void *workspace = malloc((size_t)matmul_workspace(context, &a, &b, &y) + 1);
    matmul_run(context, &a, &b, &y, workspace);
    free(workspace);
    out += I[way] * L[way];
  }

  /* a transposed convolution */
  const sliding_window doubling = {{4, 4}, {2, 2}, {1, 1}, {1, 1, 1, 1}};
  if (!transposed_layout(C, O, 1, 4, 4, &kernels)) abort();
  kernels.data = weight;
  const view small = view_of(x, 4, (const int32_t[]){1, C, H / 4, W / 4});
  y = view_of(all.values + 5 * INPUTS, 4, (const int32_t[]){1, O, H / 2, W / 2});
  void *workspace = malloc((size_t)transposed_workspace(context, &doubling, 1, &small, &y));
  transposed_run(context, &doubling, 1, &kernels, NULL, NULL, &small, &y, workspace);
  free(workspace), free(x), free(weight);
  return all;
}

static int check_layers(dk_context *alone, dk_context *shared, uint32_t seed,
                        answers (*compute_some)(dk_context *, uint32_t)) {
  const answers want = compute_some(alone, seed), got = compute_some(shared, seed);
  const bool same = !memcmp(got.values, want.values, sizeof(float) * want.count);
  if (!same) printf("FAILED layers of networks (seed %u)\n", seed);
  free(want.values), free(got.values);
  return !same;
}

/* A job of two tasks. A worker takes one task and does not finish it until it is released. */
typedef struct stuck_job {
  atomic_bool taken, released;
  atomic_int done;
} stuck_job;

static void stick(const void *argument, int32_t index, int32_t thread) {
  stuck_job *job = (stuck_job *)argument;
  (void)index;
  if (thread) atomic_store(&job->taken, true);
  while (!atomic_load(thread ? &job->released : &job->taken)) sched_yield();
  atomic_fetch_add(&job->done, 1);
}

static int expect(bool holds, const char *what) {
  if (!holds) printf("FAILED a lost worker: %s\n", what);
  return !holds;
}

/* Returns the status of a forward pass of one pixel. */
static dk_status forward_pixel(dk_context *context) {
  const dk_aggregation_config config = {.in_channels = 1,
                                        .out_channels = 1,
                                        .kernel_size = {1, 1},
                                        .stride = {1, 1},
                                        .dilation = {1, 1},
                                        .groups = 1,
                                        .num_kernels = 1};
  const float one = 1;
  float y;
  dk_aggregation *aggregation;
  if (dk_aggregation_create(&config, &aggregation)) abort();
  const dk_status status =
      dk_aggregation_forward(context, aggregation, &one, &(dk_mixture){.kernels = &one}, 1, 1, 1, &y);
  dk_aggregation_destroy(aggregation);
  return status;
}

static bool same_answers(dk_context *context, dk_context *alone, uint32_t seed) {
  const answers want = compute(alone, &layers[0], seed), got = compute(context, &layers[0], seed);
  const bool same = !memcmp(got.values, want.values, sizeof(float) * want.count);
  free(want.values), free(got.values);
  return same;
}

/* Checks a worker that pauses in its task and continues later. */
static int check_paused_worker(dk_context *alone, uint32_t seed) {
  dk_context *context = dk_context_create();
  stuck_job job = {false, false, 0};
  pthread_t thread;
  worker w = {context, 1};
  int failures = expect(forward_pixel(context) == DK_OK, "a pass before it is lost");
  context->patience = 100;
  dk_context_set_threads(context, 2);
  if (pthread_create(&thread, NULL, work, &w)) abort();
  parallel_for(context, 2, stick, &job);
  failures += expect(atomic_load(&job.done) == 1, "the caller does not wait for it");
  failures += expect(parallel_status(context) == DK_ERROR_THREADS, "the status");
  failures += expect(dk_context_threads(context) == 1, "one thread is left");
  failures += expect(dk_context_lost(context) == 1, "it may still write");
  failures += expect(forward_pixel(context) == DK_ERROR_THREADS, "no other call uses the workspace");
  failures += expect(dk_context_trim(context) == 0 && dk_context_workspace(context) > 0, "nor is it freed");

  atomic_store(&job.released, true);
  pthread_join(thread, NULL); /* the context told it to stop */
  failures += expect(dk_context_lost(context) == 0, "it is out of its task");
  failures += expect(same_answers(context, alone, seed), "answers are those of one thread");
  dk_context_destroy(context);
  return failures;
}

/* Checks a worker that ended while it looked for tasks. The call has all results. The next calls run without
 * the worker. */
static int check_ended_worker(dk_context *alone, uint32_t seed) {
  dk_context *context = dk_context_create();
  context->patience = 100;
  dk_context_set_threads(context, 2);
  atomic_fetch_add(&context->inside, 1);
  int failures = expect(same_answers(context, alone, seed), "nothing was left undone");
  failures += expect(dk_context_threads(context) == 1, "one thread after one that ended");
  failures += expect(same_answers(context, alone, seed), "one thread's answers");
  dk_context_destroy(context);

  context = dk_context_create();
  context->lost = 1;
  atomic_fetch_add(&context->inside, 1);
  failures += expect(forward_pixel(context) == DK_ERROR_THREADS, "a lost one");
  dk_context_ended(context);
  failures += expect(forward_pixel(context) == DK_OK, "the host knows that it has ended");
  dk_context_destroy(context);
  return failures;
}

int main(int argc, char **argv) {
  const uint32_t seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
  dk_context *alone = dk_context_create(), *shared = dk_context_create();
  pthread_t threads[THREADS];
  worker workers[THREADS];
  int failures = 0;
  shared->patience = 600000; /* enough for a busy machine */
  /* Everything that may be divided is, whatever is lost: ThreadSanitizer makes workers late. */
  shared->policy = (team_policy){.handover = 1e-3, .balance = -1e300, .debt = DBL_MAX};
  dk_context_set_threads(shared, THREADS);
  for (int32_t i = 1; i < THREADS; i++) {
    workers[i] = (worker){shared, i};
    if (pthread_create(&threads[i], NULL, work, &workers[i])) abort();
  }
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    const answers want = compute(alone, &layers[i], seed);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
      dk_context_set_threads(shared, repeat == 1 ? THREADS - 1 : THREADS); /* one thread may have no work */
      const answers got = compute(shared, &layers[i], seed);
      /* The last bits may differ: the gradient of the attention is a sum over parts. */
      if (!close_to(got.values, want.values, want.count, 1e-6, "answer")) {
        printf("FAILED layer %zu (seed %u)\n", i, seed);
        failures++;
      }
      free(got.values);
    }
    free(want.values);
  }
  for (int repeat = 0; repeat < REPEATS; repeat++) {
    failures += check_layers(alone, shared, seed, compute_layers);
    failures += check_layers(alone, shared, seed, compute_products);
  }
  failures += check_network_threads(alone, shared, seed, 150);
  dk_context_stop(shared);
  for (int32_t i = 1; i < THREADS; i++) pthread_join(threads[i], NULL);
  failures += check_paused_worker(alone, seed) + check_ended_worker(alone, seed);
  dk_context_destroy(shared), dk_context_destroy(alone);
  printf("%d failures, seed %u, %d threads\n", failures, seed, THREADS);
  return failures ? 1 : 0;
}
