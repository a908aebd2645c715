/* Runs backward passes and training runs, so that tests in another language can compare this build with
 * PyTorch.
 *
 * It reads any number of requests from standard input. It writes an answer to each on standard output.
 * Numbers are in this machine's byte order. Sizes are as in dynakernel.h:
 *
 *   request  C O R stride padding dilation G K bias algorithm M N H W training steps adam  17 int32
 *            (R to dilation: the same in both directions)
 *            lr momentum weight_decay beta1 beta2 eps                                     6 float64
 *            hidden_weight bn_weight bn_bias kernels.weight kernels.bias weight [bias]         float32
 *            bn_running_mean bn_running_var x, and grad_y (steps 0) or the target
 *   answer   steps 0: grad_x and the parameters' gradients, in the request's order
 *            else: the loss before each step, the parameters after the last, bn_running_mean and
 *            bn_running_var; all float32 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dynakernel.h"
#include "windows.h"

enum { INTEGERS = 17, OPTIONS = 6, PARAMETERS = 7 };

typedef struct request {
  dk_aggregation_config config;
  int32_t M, N, H, W, training, steps, adam;
  double lr, momentum, weight_decay, beta1, beta2, eps;
} request;

/* The modules, and the values, gradient and optimizer state of each parameter. */
typedef struct state {
  dk_attention *attention;
  dk_aggregation *aggregation;
  size_t count[PARAMETERS];
  float *value[PARAMETERS], *gradient[PARAMETERS], *m[PARAMETERS], *v[PARAMETERS];
} state;

static void fail(const char *what) {
  fprintf(stderr, "gradients: %s\n", what);
  exit(2);
}

static void get(void *into, size_t size, size_t count) {
  if (fread(into, size, count, stdin) != count) fail("the request ends early");
}

static void put(const float *from, size_t count) { fwrite(from, sizeof *from, count, stdout); }

static float *zeros(size_t count) {
  float *made = calloc(count + 1, sizeof(float));
  if (!made) fail("out of memory");
  return made;
}

/* Returns 0 at the end of the input, else 1. */
static int get_request(request *r) {
  int32_t i[INTEGERS];
  double d[OPTIONS];
  if (fread(i, sizeof *i, INTEGERS, stdin) != INTEGERS) return 0;
  get(d, sizeof *d, OPTIONS);
  *r = (request){.config = {.in_channels = i[0],
                            .out_channels = i[1],
                            .groups = i[6],
                            .num_kernels = i[7],
                            .bias = i[8],
                            .algorithm = i[9]},
                 .M = i[10],
                 .N = i[11],
                 .H = i[12],
                 .W = i[13],
                 .training = i[14],
                 .steps = i[15],
                 .adam = i[16],
                 .lr = d[0],
                 .momentum = d[1],
                 .weight_decay = d[2],
                 .beta1 = d[3],
                 .beta2 = d[4],
                 .eps = d[5]};
  square_window(&r->config, i[2], i[3], i[4], i[5]);
  return 1;
}

static state get_state(const request *r) {
  const dk_aggregation_config *c = &r->config;
  const size_t C = c->in_channels, O = c->out_channels, K = c->num_kernels, M = r->M;
  const dk_attention_config branch = {
      .channels = c->in_channels, .hidden = r->M, .batch_norm = 1, .head = {c->num_kernels}};
  state s = {.attention = NULL};
  if (dk_attention_create(&branch, &s.attention) || dk_aggregation_create(c, &s.aggregation))
    fail("no such module");
  const size_t counts[PARAMETERS] = {
      M * C, M, M, K * M, K, K * O * (C / c->groups) * window_taps(c), c->bias ? K * O : 0};
  float *const values[PARAMETERS] = {s.attention->hidden_weight,
                                     s.attention->bn_weight,
                                     s.attention->bn_bias,
                                     s.attention->weight[0],
                                     s.attention->bias[0],
                                     dk_aggregation_weight(s.aggregation),
                                     dk_aggregation_bias(s.aggregation)};
  for (int i = 0; i < PARAMETERS; i++) {
    s.count[i] = counts[i], s.value[i] = values[i];
    s.gradient[i] = zeros(counts[i]), s.m[i] = zeros(counts[i]), s.v[i] = zeros(counts[i]);
    if (counts[i]) get(values[i], sizeof(float), counts[i]);
  }
  dk_aggregation_changed(s.aggregation);
  get(s.attention->bn_running_mean, sizeof(float), M);
  get(s.attention->bn_running_var, sizeof(float), M);
  return s;
}

static void free_state(state *s) {
  for (int i = 0; i < PARAMETERS; i++) free(s->gradient[i]), free(s->m[i]), free(s->v[i]);
  dk_attention_destroy(s->attention);
  dk_aggregation_destroy(s->aggregation);
}

/* One batch and the results of its passes. */
typedef struct batch {
  float *x, *goal, *a, *y, *grad_y, *grad_x; /* goal: grad_y, or the target */
  size_t inputs, outputs;
  void *tape;
} batch;

static void forward(dk_context *context, const request *r, state *s, batch *b) {
  if (dk_block_forward_taped(context, s->attention, s->aggregation, r->training, b->x, r->N, r->H, r->W, b->a,
                             b->y, b->tape))
    fail("the forward pass is refused");
}

static void backward(dk_context *context, const request *r, state *s, batch *b, const float *grad_y) {
  float **g = s->gradient;
  const dk_attention_gradients attention = {g[0], g[1], g[2], {g[3]}, {g[4]}};
  const dk_aggregation_gradients aggregation = {g[5], g[6]};
  if (dk_block_backward(context, s->attention, s->aggregation, r->training, b->tape, b->x, b->a, r->N, r->H,
                        r->W, grad_y, b->grad_x, &attention, &aggregation))
    fail("the backward pass is refused");
}

static void step(const request *r, state *s, int32_t number) {
  for (int i = 0; i < PARAMETERS; i++) {
    if (r->adam)
      dk_adam_step(s->value[i], s->gradient[i], s->m[i], s->v[i], s->count[i], r->lr, r->beta1, r->beta2,
                   r->eps, r->weight_decay, number);
    else
      dk_sgd_step(s->value[i], s->gradient[i], r->momentum != 0 ? s->m[i] : NULL, s->count[i], r->lr,
                  r->momentum, r->weight_decay, number);
    memset(s->gradient[i], 0, sizeof(float) * s->count[i]);
  }
  dk_aggregation_changed(s->aggregation);
}

static void train(dk_context *context, const request *r, state *s, batch *b) {
  for (int32_t i = 1; i <= r->steps; i++) {
    forward(context, r, s, b);
    const float loss = (float)dk_loss_mse(b->y, b->goal, b->outputs, b->grad_y);
    put(&loss, 1);
    backward(context, r, s, b, b->grad_y);
    step(r, s, i);
  }
}

static void answer(dk_context *context, const request *r) {
  state s = get_state(r);
  dk_plan plan;
  if (dk_aggregation_plan(s.aggregation, r->N, r->H, r->W, &plan)) fail("no such shape");
  batch b = {.inputs = (size_t)r->N * r->config.in_channels * r->H * r->W,
             .outputs = (size_t)r->N * r->config.out_channels * plan.Ho * plan.Wo};
  b.x = zeros(b.inputs), b.grad_x = zeros(b.inputs);
  b.goal = zeros(b.outputs), b.y = zeros(b.outputs), b.grad_y = zeros(b.outputs);
  b.a = zeros((size_t)r->N * r->config.num_kernels);
  b.tape = malloc(dk_attention_tape_bytes(s.attention, r->N));
  get(b.x, sizeof(float), b.inputs);
  get(b.goal, sizeof(float), b.outputs);

  if (r->steps) {
    train(context, r, &s, &b);
    for (int i = 0; i < PARAMETERS; i++) put(s.value[i], s.count[i]);
    put(s.attention->bn_running_mean, (size_t)r->M);
    put(s.attention->bn_running_var, (size_t)r->M);
  } else {
    forward(context, r, &s, &b);
    backward(context, r, &s, &b, b.goal);
    put(b.grad_x, b.inputs);
    for (int i = 0; i < PARAMETERS; i++) put(s.gradient[i], s.count[i]);
  }
  fflush(stdout);
  free(b.x), free(b.grad_x), free(b.goal), free(b.y), free(b.grad_y), free(b.a), free(b.tape);
  free_state(&s);
}

int main(void) {
  dk_context *context = dk_context_create();
  request r;
  while (get_request(&r)) answer(context, &r);
  dk_context_destroy(context);
  return 0;
}
