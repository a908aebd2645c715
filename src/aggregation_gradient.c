/* The backward pass of KernelAggregation, and of the block. Sample by sample:
 *
 *   1. the gradient of the input, with the kernels as this sample mixed them (input_gradient.c)
 *   2. the gradient of its mixed kernel (weight_gradient.c) and bias
 *   3. from there to the K kernels, K biases and K weights of the mixture (mixture_gradient.c) */
#include <string.h>

#include "aggregation.h"
#include "attention_gradient.h"
#include "gradient.h"
#include "gradient_reference.h"
#include "pool.h"
#include "workspace.h"

/* What is to be computed, and where in the workspace. */
typedef struct backward {
  geometry shape;
  bool reference;
  const float *x, *a, *grad_y;
  float *grad_x, *grad_a; /* grad_a NULL: not wanted */
  float *grad_weight, *grad_bias;
  input_gradient input;
  packed_kernels gw; /* of one sample, K = 1 */
  size_t gw_floats;
  size_t bytes;
} backward;

static const dk_aggregation_gradients no_gradients = {0};

/* Bytes: gw, and behind it the workspace of each step in turn; 0 where no such memory exists. */
static size_t workspace_bytes(const backward *b) {
  uint64_t bytes = sizeof(float) * (uint64_t)b->gw_floats, step = 0;
  if (b->reference) {
    step = convolution_reference_workspace(&b->shape);
  } else {
    const uint64_t weight = weight_gradient_workspace(&b->shape);
    const uint64_t unpacked = sizeof(float) * (uint64_t)b->gw.depth * LANES;
    step = weight > unpacked ? weight : unpacked;
    if (b->grad_x && b->input.bytes > step)
      step = b->input.bytes;
  }
  return bytes + step > INT32_MAX ? 0 : (size_t)(bytes + step);
}

static dk_status prepare(const dk_context *context, dk_aggregation *aggregation, int32_t N,
                         int32_t H, int32_t W, backward *b) {
  dk_status status = aggregation_geometry(aggregation, N, H, W, &b->shape);
  if (status)
    return status;
  b->reference = aggregation->config.algorithm == DK_ALGORITHM_REFERENCE;
  if (b->grad_x && !b->reference)
    status = input_gradient_plan(context, &b->shape, &b->input);
  if (status)
    return status;
  b->gw = aggregation->kernels;
  b->gw.K = 1;
  b->gw_floats = round_up((size_t)b->gw.blocks * b->gw.depth * LANES, 16);
  b->bytes = workspace_bytes(b);
  return b->bytes ? DK_OK : DK_ERROR_MEMORY;
}

/* Through the mixed bias, for one sample: gy [O, Ho, Wo], a [K], ga [K]. */
static void bias_gradient(const backward *b, const float *bias, const float *gy, const float *a,
                          double *ga) {
  const int32_t K = b->shape.K, O = b->shape.O;
  const size_t plane = (size_t)b->shape.Ho * b->shape.Wo;
  for (int32_t o = 0; o < O; o++) {
    const double gb = pool_sum(gy + (size_t)o * plane, plane);
    for (int32_t k = 0; k < K; k++) {
      const size_t i = (size_t)k * O + o;
      ga[k] += gb * bias[i];
      if (b->grad_bias)
        b->grad_bias[i] = (float)(b->grad_bias[i] + a[k] * gb);
    }
  }
}

static void compute_sample(dk_context *context, const backward *b, dk_aggregation *aggregation,
                           int32_t n, double *ga, float *workspace) {
  const geometry *s = &b->shape;
  const size_t inputs = (size_t)s->C * s->H * s->W, outputs = (size_t)s->O * s->Ho * s->Wo;
  const float *x = b->x + n * inputs, *gy = b->grad_y + n * outputs, *a = b->a + (size_t)n * s->K;
  float *gx = b->grad_x ? b->grad_x + n * inputs : NULL;
  packed_kernels gw = b->gw;
  gw.data = workspace;
  void *scratch = workspace + b->gw_floats;
  const bool through_kernels = b->grad_a || b->grad_weight;

  memset(gw.data, 0, sizeof(float) * b->gw_floats);
  if (b->reference) {
    convolution_reference_packed(s, &aggregation->kernels, a, x, gy, gx, &gw, scratch);
  } else {
    if (gx)
      input_gradient_compute(context, &b->input, &aggregation->kernels, a, gy, gx, scratch);
    if (through_kernels)
      weight_gradient(s, x, gy, &gw, scratch);
  }
  if (through_kernels)
    mixture_gradient(&aggregation->kernels, &gw, a, ga, b->grad_weight, scratch);
  if (aggregation->bias)
    bias_gradient(b, aggregation->bias, gy, a, ga);
}

/* K doubles, then what compute_sample takes. */
static size_t totals_bytes(const backward *b) { return round_up(sizeof(double) * b->shape.K, 64); }

static void compute(dk_context *context, const backward *b, dk_aggregation *aggregation,
                    void *workspace) {
  const int32_t K = b->shape.K;
  double *ga = workspace;
  aggregation_pack(aggregation);
  for (int32_t n = 0; n < b->shape.N; n++) {
    memset(ga, 0, sizeof(double) * (size_t)K);
    compute_sample(context, b, aggregation, n, ga, (float *)((char *)workspace + totals_bytes(b)));
    for (int32_t k = 0; b->grad_a && k < K; k++)
      b->grad_a[(size_t)n * K + k] = (float)ga[k];
  }
}

dk_status dk_aggregation_backward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                  const float *a, int32_t N, int32_t H, int32_t W,
                                  const float *grad_y, float *grad_x, float *grad_a,
                                  const dk_aggregation_gradients *gradients) {
  if (!gradients)
    gradients = &no_gradients;
  backward b = {.x = x,
                .a = a,
                .grad_y = grad_y,
                .grad_x = grad_x,
                .grad_a = grad_a,
                .grad_weight = gradients->weight,
                .grad_bias = gradients->bias};
  dk_status status = prepare(context, aggregation, N, H, W, &b);
  if (status)
    return status;
  void *workspace = workspace_reserve(context, totals_bytes(&b) + b.bytes);
  if (!workspace)
    return DK_ERROR_MEMORY;
  compute(context, &b, aggregation, workspace);
  return DK_OK;
}

static void add_to_planes(const double *gp, size_t planes, size_t plane, float *gx) {
  for (size_t i = 0; i < planes; i++) { /* each pixel had its part in the mean */
    const float share = (float)(gp[i] / (double)plane);
    for (size_t j = 0; j < plane; j++)
      gx[i * plane + j] += share;
  }
}

dk_status dk_block_backward(dk_context *context, const dk_attention *attention,
                            dk_aggregation *aggregation, int32_t training, const void *tape,
                            const float *x, const float *a, int32_t N, int32_t H, int32_t W,
                            const float *grad_y, float *grad_x,
                            const dk_attention_gradients *attention_gradients,
                            const dk_aggregation_gradients *aggregation_gradients) {
  if (!aggregation_gradients)
    aggregation_gradients = &no_gradients;
  backward b = {.x = x,
                .a = a,
                .grad_y = grad_y,
                .grad_x = grad_x,
                .grad_weight = aggregation_gradients->weight,
                .grad_bias = aggregation_gradients->bias};
  dk_status status = attention_check(attention, training, N, H, W);
  if (!status)
    status = prepare(context, aggregation, N, H, W, &b);
  if (status)
    return status;
  if (attention->C != b.shape.C || attention->K != b.shape.K)
    return DK_ERROR_CONFIG;

  /* grad_a first, then the steps of one module and of the other in the same place. */
  const size_t grad_a_bytes = round_up(sizeof(float) * N * b.shape.K, 64);
  size_t steps = totals_bytes(&b) + b.bytes;
  const size_t branch = attention_gradient_workspace(attention, N);
  if (steps < branch)
    steps = branch;
  char *workspace = workspace_reserve(context, grad_a_bytes + steps);
  if (!workspace)
    return DK_ERROR_MEMORY;

  b.grad_a = (float *)workspace;
  compute(context, &b, aggregation, workspace + grad_a_bytes);
  const double *gp = attention_gradient(attention, training, tape, N, b.grad_a, attention_gradients,
                                        workspace + grad_a_bytes);
  if (grad_x)
    add_to_planes(gp, (size_t)N * b.shape.C, (size_t)H * W, grad_x);
  return DK_OK;
}
