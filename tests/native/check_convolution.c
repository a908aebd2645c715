/* See check_convolution.h. Draws configurations around the edges of the algorithms' blocks: channels around
 * 4 and 8 lanes and around Winograd's chunks, widths around 4 and 8 columns, and several strips and panels.
 * The caller computes the parts of all threads, one part after another. */
#include "check_convolution.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation.h"
#include "base/workspace.h"
#include "convolution/convolution.h"
#include "inner/sums.h"
#include "support.h"
#include "windows.h"

static const double TOLERANCE = 2e-5;

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof *(array)))

typedef struct problem {
  dk_aggregation_config config;
  int32_t N, H, W;
} problem;

/* More than the number of algorithms. */
enum { MOST_ALGORITHMS = 32 };

static int32_t algorithm_count(void) {
  int32_t count = 0;
  while (count < MOST_ALGORITHMS && dk_algorithm_name(count)) count++;
  return count;
}

static void print_problem(const problem *p, const char *what, uint32_t seed, int index) {
  const dk_aggregation_config *c = &p->config;
  printf("FAILED %s: N=%d C=%d O=%d G=%d K=%d H=%d W=%d ", what, p->N, c->in_channels, c->out_channels,
         c->groups, c->num_kernels, p->H, p->W);
  print_window(c);
  printf("bias=%d precision=%d (seed %u, number %d)\n", c->bias, c->precision, seed, index);
}

static problem random_problem(random_state *random, int index) {
  static const int32_t channels[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 33};
  static const int32_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23, 24, 25, 31, 32, 40};
  static const int32_t kernel_sizes[] = {1, 1, 2, 3, 3, 3, 3, 3, 4, 5, 7, 9};
  problem p = {.N = random_between(random, 1, 2)};
  dk_aggregation_config *c = &p.config;
  const int32_t kind = random_between(random, 0, 9);
  c->groups = 1;
  c->in_channels = random_of(random, channels, COUNT(channels));
  c->out_channels = random_of(random, channels, COUNT(channels));
  if (kind <= 2) { /* depthwise, sometimes with a multiplier */
    c->groups = c->in_channels;
    c->out_channels = c->in_channels * (kind == 0 ? random_between(random, 1, 3) : 1);
  } else if (kind == 3) { /* grouped */
    c->groups = random_between(random, 2, 4);
    c->in_channels = c->groups * random_between(random, 1, 9);
    c->out_channels = c->groups * random_between(random, 1, 9);
  }
  random_window(random, c, kernel_sizes, COUNT(kernel_sizes), 3);
  if (index % 100 == 50) { /* several chunks of channels, and several steps of mixing their kernels */
    c->groups = 1, c->kernel_size[0] = c->kernel_size[1] = 3;
    c->in_channels = index % 500 == 50 ? random_between(random, 513, 521) : random_between(random, 65, 70);
  }
  const bool strips = index % 50 == 25; /* depthwise, several channels of several strips */
  if (strips) c->groups = c->in_channels = c->out_channels = 3;
  c->num_kernels = random_between(random, 1, 6);
  c->bias = random_between(random, 0, 1);
  c->precision = random_between(random, 0, 3) ? DK_PRECISION_FLOAT32 : DK_PRECISION_FLOAT16;
  do {
    p.H = random_of(random, sizes, COUNT(sizes));
    p.W = random_of(random, sizes, COUNT(sizes));
    if (c->in_channels <= 33 && random_between(random, 0, 15) == 0) p.W += 150; /* several strips or panels */
    if (c->in_channels <= 33 && random_between(random, 0, 15) == 0) p.H += 100;
    if (strips) p.H += 90, p.W += 90;
  } while (window_outputs(c, 0, p.H) < 1 || window_outputs(c, 1, p.W) < 1);
  return p;
}

/* Kernels, biases, input and attention of one problem. */
typedef struct data {
  float *weight, *bias, *x, *a;
  size_t weights, biases, inputs;
} data;

static data random_data(random_state *random, const problem *p) {
  const dk_aggregation_config *c = &p->config;
  data d;
  d.weights = (size_t)c->num_kernels * c->out_channels * (c->in_channels / c->groups) * window_taps(c);
  d.biases = (size_t)c->num_kernels * c->out_channels;
  d.inputs = (size_t)p->N * c->in_channels * p->H * p->W;
  d.weight = malloc(sizeof(float) * d.weights);
  d.bias = malloc(sizeof(float) * d.biases);
  d.x = malloc(sizeof(float) * d.inputs);
  d.a = malloc(sizeof(float) * p->N * c->num_kernels);
  random_fill(random, d.weight, d.weights);
  /* Subnormal halves become subnormal floats, and would hide others. check_mixing() has them. */
  for (size_t i = 0; c->precision == DK_PRECISION_FLOAT16 && i < d.weights; i++)
    if (fabsf(d.weight[i]) < 0x1p-14f) d.weight[i] = 0;
  random_fill(random, d.bias, d.biases);
  random_fill(random, d.x, d.inputs);
  for (int32_t i = 0; i < p->N * c->num_kernels; i++) d.a[i] = 0.5f + 0.5f * random_float(random);
  if (random_between(random, 0, 15) == 0) { /* one value that is NaN, infinite or very large */
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e38f};
    const float drawn = odd[random_between(random, 0, 3)];
    d.x[random_u32(random) % d.inputs] = drawn;
    /* A very large value magnifies the rounding errors of a mixed weight: let no mixture cancel out. */
    for (size_t i = 0; drawn == 1e38f && i < d.weights; i++) d.weight[i] = fabsf(d.weight[i]);
  }
  return d;
}

static void free_data(data *d) { free(d->weight), free(d->bias), free(d->x), free(d->a); }

static dk_aggregation *make(const problem *p, const data *d, dk_algorithm id) {
  dk_aggregation_config config = p->config;
  dk_aggregation *aggregation;
  config.algorithm = (int32_t)id;
  if (dk_aggregation_create(&config, &aggregation)) return NULL;
  const size_t kernel = d->weights / config.num_kernels;
  for (int32_t k = 0; k < config.num_kernels; k++)
    dk_aggregation_write(aggregation, k, 0, config.out_channels, d->weight + k * kernel);
  if (config.bias) memcpy(dk_aggregation_bias(aggregation), d->bias, sizeof(float) * d->biases);
  return aggregation;
}

/* Leaves subnormal numbers in the workspace. Offsets that another convolution leaves there are subnormal
 * numbers if they are read as floats. */
static void plant_in_workspace(dk_context *context, const dk_aggregation *aggregation, const problem *p) {
  geometry shape;
  const algorithm *chosen;
  if (aggregation_prepare(aggregation, p->N, p->H, p->W, &shape, &chosen)) return;
  const size_t bytes = (size_t)batch_workspace(context, chosen, &shape);
  void *workspace = workspace_reserve(context, bytes);
  if (workspace) plant_subnormals(workspace, bytes);
}

/* Returns y of the given algorithm, between guards, or NULL if the algorithm does not cover the problem. Sets
 * *ran to the algorithm that the plan names. */
static float *run(dk_context *context, const problem *p, const data *d, dk_algorithm id, size_t *count,
                  int32_t *ran, bool *ok) {
  dk_plan plan;
  dk_aggregation *aggregation = make(p, d, id);
  float *y = NULL;
  *ok = aggregation != NULL;
  if (aggregation && dk_aggregation_plan(aggregation, p->N, p->H, p->W, &plan) == DK_OK) {
    *count = (size_t)p->N * p->config.out_channels * plan.Ho * plan.Wo;
    y = guarded_alloc(sizeof(float) * *count);
    plant_in_workspace(context, aggregation, p);
    const char *name = dk_algorithm_name(id);
    *ran = plan.algorithm;
    const dk_mixture mixture = {.kernels = d->a};
    *ok = dk_aggregation_forward(context, aggregation, d->x, &mixture, p->N, p->H, p->W, y) == DK_OK &&
          met_no_subnormal(name) && guards_hold(y, sizeof(float) * *count, name);
    if (plan.algorithm == DK_ALGORITHM_AUTO || !dk_algorithm_name(plan.algorithm)) *ok = false;
  }
  dk_aggregation_destroy(aggregation);
  return y;
}

static bool check_mixing(random_state *random, const problem *p, const data *d) {
  dk_aggregation *aggregation = make(p, d, DK_ALGORITHM_AUTO);
  if (!aggregation) return false;
  const packed_kernels *kernels = &aggregation->kernels;
  const size_t most = (size_t)p->config.in_channels + (size_t)kernels->O + (size_t)kernels->taps;
  float *factors = malloc(sizeof(float) * most);
  random_fill(random, factors, most);
  bool ok = true;
  for (int32_t block = 0; block < kernels->blocks; block++) {
    const int32_t begin = block ? random_between(random, 0, kernels->depth - 1) : 0;
    const int32_t count = block ? random_between(random, 1, kernels->depth - begin) : kernels->depth;
    const size_t floats = (size_t)count * LANES;
    float *mixed = guarded_alloc(sizeof(float) * floats), *want = guarded_alloc(sizeof(float) * floats);
    /* Any of the factors, and the scale of batch norm. */
    const int32_t which = random_between(random, 0, 15);
    const dk_mixture mixture = {d->a, which & 1 ? factors : NULL, which & 2 ? factors : NULL,
                                which & 4 ? factors : NULL};
    const float *scale = which & 8 ? factors : NULL;
    kernels_mix(kernels, block, begin, count, &mixture, scale, mixed);
    kernels_mix_reference(kernels, block, begin, count, &mixture, scale, want);
    ok &= close_to(mixed, want, floats, 1e-6, "mixed") && guards_hold(mixed, sizeof(float) * floats, "mixed");
    guarded_free(mixed), guarded_free(want);
  }
  free(factors);
  float *read = guarded_alloc(sizeof(float) * d->weights / kernels->K);
  for (int32_t k = 0; k < kernels->K; k++) {
    const float *written = d->weight + k * (d->weights / kernels->K);
    dk_aggregation_read(aggregation, k, 0, kernels->O, read);
    for (size_t i = 0; i < d->weights / kernels->K; i++) {
      /* Half precision keeps 11 bits of a number, and none below 2^-24. */
      const bool in_halves = p->config.precision == DK_PRECISION_FLOAT16;
      const float error = in_halves ? fabsf(written[i]) * 0x1p-11f + 0x1p-25f : 0;
      ok &= fabsf(read[i] - written[i]) <= error;
    }
  }
  guarded_free(read);
  dk_aggregation_destroy(aggregation);
  return ok;
}

/* Checks mixing with subnormal halves, and that halves are rounded as half precision says. */
static bool check_mixing_halves(random_state *random, const problem *p, const data *d) {
  problem small_problem = *p;
  data small = *d;
  bool ok = true;
  small_problem.config.precision = DK_PRECISION_FLOAT16;
  small.weight = calloc(d->weights, sizeof(float));
  for (size_t i = 0; i < d->weights; i++)
    small.weight[i] = ldexpf(random_float(random), random_between(random, -26, 3));
  ok = check_mixing(random, &small_problem, &small);
  free(small.weight);
  return ok;
}

/* Runs every algorithm on one problem, with random data. Returns how many failed. Counts the comparisons of
 * each algorithm in `compared`. If an algorithm is forced, counts the algorithm that ran. */
static int check_problem(dk_context *context, random_state *random, const problem *p, uint32_t seed,
                         int index, int compared[MOST_ALGORITHMS]) {
  data d = random_data(random, p);
  size_t values = 0;
  int failures = 0;
  int32_t ran = DK_ALGORITHM_AUTO;
  bool ok;
  float *want = run(context, p, &d, DK_ALGORITHM_REFERENCE, &values, &ran, &ok);
  if (!want || !ok) {
    print_problem(p, "reference", seed, index);
    failures++;
  }
  if (!check_mixing(random, p, &d) || !check_mixing_halves(random, p, &d)) {
    print_problem(p, "mixing", seed, index);
    failures++;
  }
  for (int32_t id = 0; want && id < algorithm_count(); id++) {
    if (id == DK_ALGORITHM_REFERENCE) continue;
    const char *name = dk_algorithm_name(id);
    float *y = run(context, p, &d, (dk_algorithm)id, &values, &ran, &ok);
    if (!ok || (!y && id == DK_ALGORITHM_AUTO) || (y && !close_to(y, want, values, TOLERANCE, name))) {
      print_problem(p, name, seed, index);
      failures++;
    }
    if (y) {
      compared[id == DK_ALGORITHM_AUTO ? id : ran]++;
      guarded_free(y);
    }
  }
  if (want) guarded_free(want);
  free_data(&d);
  return failures;
}

/* Checks that algorithm numbers outside the table are refused. */
static int check_numbers(void) {
  dk_aggregation_config config = {.in_channels = 1,
                                  .out_channels = 1,
                                  .kernel_size = {1, 1},
                                  .stride = {1, 1},
                                  .dilation = {1, 1},
                                  .groups = 1,
                                  .num_kernels = 1};
  int failures = 0;
  for (int32_t id = -1; id <= algorithm_count(); id++) {
    dk_aggregation *aggregation;
    const bool exists = id >= 0 && id < algorithm_count();
    config.algorithm = id;
    if (dk_aggregation_create(&config, &aggregation) != (exists ? DK_OK : DK_ERROR_CONFIG)) {
      printf("FAILED algorithm %d: its number is %s\n", id, exists ? "refused" : "taken");
      failures++;
    }
    dk_aggregation_destroy(aggregation);
  }
  return failures;
}

/* Checks the conversion from and to half precision for every half, and for the floats around the middle
 * between two halves. */
static int check_halves(void) {
  int failures = 0;
  for (int bits = 0; bits < 0x7c00; bits++) {
    const uint16_t half = (uint16_t)bits, negative = (uint16_t)(bits | 0x8000);
    const int exponent = bits >> 10, fraction = bits & 0x3ff;
    const float value =
        exponent ? ldexpf((float)(0x400 | fraction), exponent - 25) : ldexpf((float)fraction, -24);
    bool ok = float_from_half(half) == value && float_from_half(negative) == -value;
    ok &= half_from_float(value) == half && half_from_float(-value) == negative;
    if (half < 0x7bff) {
      const float middle = (value + float_from_half((uint16_t)(half + 1))) / 2;
      ok &= half_from_float(middle) == half + half % 2; /* the even one */
      ok &= half_from_float(nextafterf(middle, 0)) == half;
      ok &= half_from_float(nextafterf(middle, INFINITY)) == half + 1;
    }
    if (!ok) {
      printf("FAILED half precision: the bits %x\n", bits);
      failures++;
    }
  }
  if (half_from_float(65505) != 0x7bff || half_from_float(-FLT_MAX) != 0xfbff) {
    printf("FAILED half precision: numbers beyond 65504\n");
    failures++;
  }
  return failures;
}

/* Checks that a module in half precision refuses what it cannot do, and that there is no third precision. */
static int check_half_refusals(dk_context *context) {
  dk_aggregation_config config = {.in_channels = 1,
                                  .out_channels = 1,
                                  .kernel_size = {1, 1},
                                  .stride = {1, 1},
                                  .dilation = {1, 1},
                                  .groups = 1,
                                  .num_kernels = 1,
                                  .precision = 2};
  dk_aggregation *aggregation;
  const float one[1] = {1};
  float y[1];
  const dk_mixture mixture = {0};
  bool ok = dk_aggregation_create(&config, &aggregation) == DK_ERROR_CONFIG;
  config.precision = DK_PRECISION_FLOAT16;
  if (dk_aggregation_create(&config, &aggregation)) return 1;
  ok &= !dk_aggregation_weight(aggregation);
  ok &= dk_aggregation_backward(context, aggregation, one, &mixture, 1, 1, 1, one, y, NULL,
                                &(dk_aggregation_gradients){0}) == DK_ERROR_CONFIG;
  ok &= dk_convolution_forward(context, aggregation, one, one, NULL, 1, 1, 1, y) == DK_ERROR_CONFIG;
  ok &=
      dk_convolution_backward(context, aggregation, one, one, 1, 1, 1, one, y, NULL, NULL) == DK_ERROR_CONFIG;
  dk_aggregation_destroy(aggregation);
  if (!ok) printf("FAILED half precision: a call that must be refused\n");
  return !ok;
}

int check_convolution(uint32_t seed, int count) {
  random_state random = {seed};
  int failures = 0, compared[MOST_ALGORITHMS] = {0};
  dk_context *context = dk_context_create();
  for (int i = 0; i < count; i++) {
    const problem p = random_problem(&random, i);
    dk_context_set_threads(context, 1 + i % 4); /* no workers: the caller computes all parts */
    failures += check_problem(context, &random, &p, seed, i, compared);
  }
  failures += check_halves() + check_half_refusals(context);
  dk_context_destroy(context);
  for (int32_t id = 0; id < algorithm_count(); id++) {
    if (id == DK_ALGORITHM_REFERENCE) continue;
    const char *name = dk_algorithm_name(id);
    printf("%-18s compared with the reference on %d of %d configurations\n", name, compared[id], count);
    if (count >= 100 && !compared[id]) {
      printf("FAILED %s: no random configuration was one that it covers\n", name);
      failures++;
    }
  }
  return failures + check_numbers();
}

int check_depthwise_3x3(uint32_t seed) {
  random_state random = {seed};
  int failures = 0, number = 0, compared[MOST_ALGORITHMS] = {0};
  dk_context *context = dk_context_create();
  for (int32_t strides = 0; strides < 4; strides++)
    for (int32_t sides = 0; sides < 16; sides++) { /* bit i: whether side i has padding */
      const int32_t stride_h = 1 + (strides & 1), stride_w = 1 + (strides >> 1);
      const int32_t top = sides & 1, left = sides >> 1 & 1, bottom = sides >> 2 & 1, right = sides >> 3;
      for (int32_t H = 3 - top - bottom; H <= 7; H++)
        for (int32_t W = 3 - left - right; W <= 8 * stride_w + 4; W++, number++) {
          const problem p = {.config = {.in_channels = 2,
                                        .out_channels = 2,
                                        .groups = 2,
                                        .num_kernels = 2,
                                        .kernel_size = {3, 3},
                                        .stride = {stride_h, stride_w},
                                        .padding = {top, left, bottom, right},
                                        .dilation = {1, 1},
                                        .bias = 1},
                             .N = 1,
                             .H = H,
                             .W = W};
          failures += check_problem(context, &random, &p, seed, number, compared);
        }
    }
  dk_context_destroy(context);
  printf("depthwise 3x3 compared with the reference at %d of %d sizes\n", compared[DK_ALGORITHM_DEPTHWISE],
         number);
  return failures + (compared[DK_ALGORITHM_DEPTHWISE] != number);
}

int check_pool(uint32_t seed, int count) {
  random_state random = {seed};
  int failures = 0;
  for (int i = 0; i < count; i++) {
    const int32_t n = random_between(&random, 1, i % 10 ? 70 : 5000);
    float *x = guarded_alloc(sizeof(float) * n);
    random_fill(&random, x, (size_t)n);
    const float got = (float)sum_floats(x, (size_t)n), want = (float)sum_floats_reference(x, (size_t)n);
    if (!close_to(&got, &want, 1, 1e-5, "sum")) {
      printf("FAILED sum_floats: count=%d (seed %u, number %d)\n", n, seed, i);
      failures++;
    }
    guarded_free(x);
  }
  return failures;
}
