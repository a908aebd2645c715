/* See gradient_problem.h. */
#include "gradient_problem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "windows.h"

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof *(array)))

const char *const tensor_names[TENSORS] = {"hidden.weight",  "bn.weight",     "bn.bias",     "kernels.weight",
                                           "outputs.weight", "inputs.weight", "taps.weight", "kernels.bias",
                                           "outputs.bias",   "inputs.bias",   "taps.bias",   "weight",
                                           "bias",           "input"};

static void draw_channels(random_state *random, dk_aggregation_config *c, problem_size size) {
  const bool small = size == SMALL;
  static const int32_t channels[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24};
  const int32_t most = small ? 5 : COUNT(channels), kind = size == LARGE ? 4 : random_between(random, 0, 9);
  c->groups = 1;
  c->in_channels = random_of(random, channels, most);
  c->out_channels = random_of(random, channels, most);
  if (kind <= 2) { /* depthwise, sometimes with a multiplier */
    c->groups = c->in_channels;
    c->out_channels = c->in_channels * (kind == 0 ? random_between(random, 1, 3) : 1);
  } else if (kind == 3) {
    c->groups = random_between(random, 2, 4);
    c->in_channels = c->groups * random_between(random, 1, small ? 2 : 9);
    c->out_channels = c->groups * random_between(random, 1, small ? 2 : 9);
  } else if (kind == 4 && size != SMALL) { /* enough channels for Winograd */
    c->groups = random_between(random, 1, 2);
    c->in_channels = c->groups * random_between(random, 16, 20);
    c->out_channels = c->groups * random_between(random, 8, 18);
  }
}

/* Draws a branch that fits the aggregation. Half of them have no other head than that of the kernels. */
static void draw_branch(random_state *random, gradient_problem *p) {
  const dk_aggregation_config *c = &p->config;
  const int32_t lengths[HEADS] = {c->num_kernels, c->out_channels, c->in_channels, (int32_t)window_taps(c)};
  static const float temperatures[] = {1, 1, 1, 0.5f, 4, 34};
  p->branch = (dk_attention_config){.channels = c->in_channels};
  if (random_between(random, 0, 3)) p->branch.hidden = random_between(random, 1, 4);
  p->branch.batch_norm = p->branch.hidden && random_between(random, 0, 2);
  p->branch.softmax = random_between(random, 0, 1);
  p->temperature = temperatures[random_between(random, 0, COUNT(temperatures) - 1)];
  const bool several = random_between(random, 0, 1);
  for (int32_t h = 0; h < HEADS; h++)
    if ((several && random_between(random, 0, 1)) || (h == DK_HEAD_KERNELS && c->num_kernels > 1))
      p->branch.head[h] = lengths[h];

  /* There must be one head. */
  if (attend_outputs(p->branch.head, 1, HEADS) == 0) p->branch.head[DK_HEAD_KERNELS] = c->num_kernels;
}

static gradient_problem draw_problem(random_state *random, problem_size size) {
  const bool small = size == SMALL;
  static const int32_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 23, 33, 40};
  static const int32_t kernel_sizes[] = {1, 1, 2, 3, 3, 3, 3, 4, 5, 7, 9};
  gradient_problem p = {0};
  dk_aggregation_config *c = &p.config;
  draw_channels(random, c, size);
  random_window(random, c, kernel_sizes, COUNT(kernel_sizes) - (small ? 3 : 0), small ? 3 : 4);
  c->num_kernels = random_between(random, 1, small ? 3 : 5);
  if (c->in_channels >= 16 && (size == LARGE || random_between(random, 0, 1)))
    for (int axis = 0, dilation = random_between(random, 1, 2); axis < 2; axis++)
      c->kernel_size[axis] = 3, c->stride[axis] = 1, c->dilation[axis] = dilation;
  c->bias = random_between(random, 0, 1);
  do {
    const int32_t most = small ? 11 : COUNT(sizes);
    p.H = random_of(random, sizes, most);
    p.W = random_of(random, sizes, most);
    if (!small && random_between(random, 0, 15) == 0) p.W += 1100; /* several panels */
  } while (window_outputs(c, 0, p.H) < 1 || window_outputs(c, 1, p.W) < 1);
  if (size == LARGE) p.H = random_between(random, 130, 150), p.W = random_between(random, 130, 150);
  p.N = random_between(random, 1, size == LARGE ? 1 : 3);
  draw_branch(random, &p);
  p.training = (p.N > 1 || !p.branch.batch_norm) && random_between(random, 0, 1);
  p.Ho = window_outputs(c, 0, p.H);
  p.Wo = window_outputs(c, 1, p.W);

  const size_t M = (size_t)p.branch.hidden, K = (size_t)c->num_kernels, C = (size_t)c->in_channels;
  const size_t taps = window_taps(c), O = (size_t)c->out_channels;
  p.sizes[HIDDEN_WEIGHT] = M * C;
  p.sizes[BN_WEIGHT] = p.sizes[BN_BIAS] = p.branch.batch_norm ? M : 0;
  for (int32_t h = 0; h < HEADS; h++) {
    p.sizes[HEAD_WEIGHT + h] = (size_t)p.branch.head[h] * (M ? M : C);
    p.sizes[HEAD_BIAS + h] = (size_t)p.branch.head[h];
  }
  p.sizes[WEIGHT] = K * O * (C / c->groups) * taps;
  p.sizes[BIAS] = c->bias ? K * O : 0;
  p.sizes[INPUT] = C * p.N * p.H * p.W;
  p.outputs = O * p.N * p.Ho * p.Wo;
  return p;
}

gradient_problem random_gradient_problem(random_state *random, problem_size size) {
  for (;;) {
    const gradient_problem p = draw_problem(random, size);
    const double products =
        (double)p.outputs * (double)p.sizes[WEIGHT] / p.config.num_kernels / p.config.out_channels;
    if (products < (size == SMALL ? 4e4 : size == MIDDLE ? 4e6 : 1e8))
      return p; /* few enough: the references compute them one by one */
  }
}

void print_gradient_problem(const gradient_problem *p, const char *what, uint32_t seed, int index) {
  const dk_aggregation_config *c = &p->config;
  const dk_attention_config *b = &p->branch;
  printf("FAILED %s: N=%d C=%d O=%d G=%d K=%d H=%d W=%d ", what, p->N, c->in_channels, c->out_channels,
         c->groups, c->num_kernels, p->H, p->W);
  print_window(c);
  printf("bias=%d hidden=%d batch_norm=%d softmax=%d heads=%d,%d,%d,%d temperature=%g training=%d (seed %u, "
         "number %d)\n",
         c->bias, b->hidden, b->batch_norm, b->softmax, b->head[0], b->head[1], b->head[2], b->head[3],
         (double)p->temperature, p->training, seed, index);
}

static float *floats(size_t count) {
  float *made = malloc(sizeof(float) * (count + 1));
  if (!made) abort();
  return made;
}

gradient_data random_gradient_data(random_state *random, const gradient_problem *p) {
  gradient_data d;
  for (int i = 0; i < TENSORS; i++) {
    d.values[i] = floats(p->sizes[i]);
    random_fill(random, d.values[i], p->sizes[i]);
  }
  /* Scales the kernels as an initialisation does. Otherwise the gradient of a is a small difference of large
   * numbers. */
  const size_t channels = (size_t)p->config.num_kernels * p->config.out_channels;
  const float bound = sqrtf(6.0f * (float)channels / (float)p->sizes[WEIGHT]);
  for (size_t i = 0; i < p->sizes[WEIGHT]; i++) d.values[WEIGHT][i] *= bound;
  /* Gives the channels different means. Otherwise batch norm divides by almost 0. */
  const size_t plane = (size_t)p->H * p->W;
  float mean = 0;
  for (size_t i = 0; i < p->sizes[INPUT]; i++) {
    if (i % plane == 0) mean = random_float(random);
    d.values[INPUT][i] += mean;
  }
  const size_t M = p->sizes[BN_WEIGHT];
  d.running_mean = floats(M), d.running_var = floats(M);
  random_fill(random, d.running_mean, M);
  for (size_t m = 0; m < M; m++) d.running_var[m] = 1.1f + random_float(random);
  d.grad_y = floats(p->outputs);
  random_fill(random, d.grad_y, p->outputs);
  return d;
}

void free_gradient_data(gradient_data *d) {
  for (int i = 0; i < TENSORS; i++) free(d->values[i]);
  free(d->running_mean), free(d->running_var), free(d->grad_y);
}

/* --------------------------------------------------------------------------------- library */

static dk_attention *make_attention(const gradient_problem *p, const gradient_data *d) {
  dk_attention *made;
  if (dk_attention_create(&p->branch, &made)) abort();
  float *const *weight = made->weight, *const *bias = made->bias;
  float *const arrays[WEIGHT] = {
      made->hidden_weight, made->bn_weight, made->bn_bias, weight[0], weight[1], weight[2],
      weight[3],           bias[0],         bias[1],       bias[2],   bias[3]};
  for (int i = 0; i < WEIGHT; i++)
    if (p->sizes[i]) memcpy(arrays[i], d->values[i], sizeof(float) * p->sizes[i]);
  made->temperature = p->temperature;
  if (!p->branch.batch_norm) return made;
  memcpy(made->bn_running_mean, d->running_mean, sizeof(float) * p->sizes[BN_WEIGHT]);
  memcpy(made->bn_running_var, d->running_var, sizeof(float) * p->sizes[BN_WEIGHT]);
  return made;
}

dk_aggregation *make_aggregation(const gradient_problem *p, const gradient_data *d, dk_algorithm id) {
  dk_aggregation_config config = p->config;
  dk_aggregation *made;
  config.algorithm = (int32_t)id;
  if (dk_aggregation_create(&config, &made)) abort();
  const size_t kernel = p->sizes[WEIGHT] / config.num_kernels;
  for (int32_t k = 0; k < config.num_kernels; k++)
    dk_aggregation_write(made, k, 0, config.out_channels, d->values[WEIGHT] + k * kernel);
  if (config.bias) memcpy(dk_aggregation_bias(made), d->values[BIAS], sizeof(float) * p->sizes[BIAS]);
  return made;
}

static bool run_library(dk_context *context, const gradient_problem *p, const gradient_data *d,
                        dk_attention *attention, dk_aggregation *aggregation, float **g, float *outputs,
                        float *y) {
  const size_t tape_bytes = dk_attention_tape_bytes(attention, p->N);
  void *tape = guarded_alloc(tape_bytes);
  float **w = g + HEAD_WEIGHT, **b = g + HEAD_BIAS;
  const dk_attention_gradients branch = {
      g[HIDDEN_WEIGHT], g[BN_WEIGHT], g[BN_BIAS], {w[0], w[1], w[2], w[3]}, {b[0], b[1], b[2], b[3]}};
  const dk_aggregation_gradients kernels = {g[WEIGHT], g[BIAS]};
  dk_status status = dk_block_forward_taped(context, attention, aggregation, p->training, d->values[INPUT],
                                            p->N, p->H, p->W, outputs, y, tape);
  if (!status)
    status = dk_block_backward(context, attention, aggregation, p->training, tape, d->values[INPUT], outputs,
                               p->N, p->H, p->W, d->grad_y, g[INPUT], &branch, &kernels);
  if (status) printf("  status %d\n", (int)status);
  bool ok = status == DK_OK && guards_hold(tape, tape_bytes, "tape");
  for (int i = 0; i < TENSORS; i++) ok &= guards_hold(g[i], sizeof(float) * p->sizes[i], tensor_names[i]);
  guarded_free(tape);
  return ok;
}

float **library_gradients(dk_context *context, const gradient_problem *p, const gradient_data *d,
                          dk_algorithm id, float start, float *outputs, float *y) {
  float **g = malloc(sizeof *g * TENSORS);
  if (!g) abort();
  for (int i = 0; i < TENSORS; i++) {
    g[i] = guarded_alloc(sizeof(float) * p->sizes[i]);
    for (size_t j = 0; i != INPUT && j < p->sizes[i]; j++) g[i][j] = start;
  }
  dk_attention *attention = make_attention(p, d);
  dk_aggregation *aggregation = make_aggregation(p, d, id);
  float *own_outputs = floats(attend_outputs(p->branch.head, p->N, HEADS)), *own_y = floats(p->outputs);
  const bool ok =
      run_library(context, p, d, attention, aggregation, g, outputs ? outputs : own_outputs, y ? y : own_y);
  free(own_outputs), free(own_y);
  dk_attention_destroy(attention);
  dk_aggregation_destroy(aggregation);
  if (ok) return g;
  free_gradients(g);
  return NULL;
}

void free_gradients(float **gradients) {
  for (int i = 0; i < TENSORS; i++) guarded_free(gradients[i]);
  free(gradients);
}

/* ------------------------------------------------------------------------------- reference */

static double *widened(const float *from, size_t count) {
  double *made = malloc(sizeof(double) * (count + 1));
  if (!made) abort();
  for (size_t i = 0; i < count; i++) made[i] = from ? (double)from[i] : 0;
  return made;
}

static block_parameters parameters_of(double *const *tensors, bool bias) {
  block_parameters parameters = {.hidden_weight = tensors[HIDDEN_WEIGHT],
                                 .bn_weight = tensors[BN_WEIGHT],
                                 .bn_bias = tensors[BN_BIAS],
                                 .weight = tensors[WEIGHT],
                                 .bias = bias ? tensors[BIAS] : NULL};
  for (int h = 0; h < HEADS; h++) {
    parameters.head_weight[h] = tensors[HEAD_WEIGHT + h];
    parameters.head_bias[h] = tensors[HEAD_BIAS + h];
  }
  return parameters;
}

reference_problem make_reference(const gradient_problem *p, const gradient_data *d) {
  const dk_aggregation_config *c = &p->config;
  reference_problem r;
  for (int i = 0; i < TENSORS; i++) {
    r.values[i] = widened(d->values[i], p->sizes[i]);
    r.gradients[i] = widened(NULL, p->sizes[i]);
  }
  r.running_mean = widened(d->running_mean, p->sizes[BN_WEIGHT]);
  r.running_var = widened(d->running_var, p->sizes[BN_WEIGHT]);
  r.grad_y = widened(d->grad_y, p->outputs);
  r.y = widened(NULL, p->outputs);
  attend_branch sizes = {.C = c->in_channels, .M = p->branch.hidden};
  memcpy(sizes.head, p->branch.head, sizeof sizes.head);
  r.memory = widened(NULL, (size_t)attend_tape_values(&sizes, p->N));
  r.tape = attend_tape_view(&sizes, p->N, r.memory);
  r.grad_outputs = widened(NULL, attend_outputs(p->branch.head, p->N, HEADS));
  const size_t kernel = p->sizes[WEIGHT] / (size_t)c->num_kernels;
  r.scratch =
      widened(NULL, 2 * (2 * kernel + c->out_channels) + (size_t)p->N * (c->in_channels + p->branch.hidden));
  r.block = (block_reference){.shape = {.N = p->N,
                                        .C = c->in_channels,
                                        .O = c->out_channels,
                                        .G = c->groups,
                                        .K = c->num_kernels,
                                        .Rh = c->kernel_size[0],
                                        .Rw = c->kernel_size[1],
                                        .stride_h = c->stride[0],
                                        .stride_w = c->stride[1],
                                        .dilation_h = c->dilation[0],
                                        .dilation_w = c->dilation[1],
                                        .top = c->padding[0],
                                        .left = c->padding[1],
                                        .bottom = c->padding[2],
                                        .right = c->padding[3],
                                        .H = p->H,
                                        .W = p->W,
                                        .Ho = p->Ho,
                                        .Wo = p->Wo},
                              .branch = p->branch,
                              .temperature = (double)p->temperature,
                              .training = p->training,
                              .parameters = parameters_of(r.values, c->bias),
                              .running_mean = r.running_mean,
                              .running_var = r.running_var};
  return r;
}

void free_reference(reference_problem *r) {
  for (int i = 0; i < TENSORS; i++) free(r->values[i]), free(r->gradients[i]);
  free(r->running_mean), free(r->running_var), free(r->grad_y);
  free(r->y), free(r->grad_outputs), free(r->memory), free(r->scratch);
}

double reference_loss(reference_problem *r) {
  const geometry *s = &r->block.shape;
  double sum = 0;
  attention_reference_forward(&r->block, r->values[INPUT], &r->tape);
  aggregation_reference_forward(&r->block, r->values[INPUT], r->tape.outputs, r->y, r->scratch);
  for (size_t i = 0; i < (size_t)s->N * s->O * s->Ho * s->Wo; i++) sum += r->y[i] * r->grad_y[i];
  return sum;
}

void reference_gradients(reference_problem *r) {
  const block_parameters gradients = parameters_of(r->gradients, r->block.parameters.bias != NULL);
  memset(r->grad_outputs, 0, sizeof(double) * attend_outputs(r->block.branch.head, r->block.shape.N, HEADS));
  aggregation_reference_backward(&r->block, r->values[INPUT], r->tape.outputs, r->grad_y, r->gradients[INPUT],
                                 r->grad_outputs, &gradients, r->scratch);
  attention_reference_backward(&r->block, &r->tape, r->grad_outputs, r->gradients[INPUT], &gradients,
                               r->scratch);
}
