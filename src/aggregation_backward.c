/* The backward pass of KernelAggregation. For each sample:
 *
 *   1. the gradient of the input, with this sample's mixed kernel (backward/input.c)
 *   2. the gradients of the mixed kernel (backward/weight.c) and of the mixed bias
 *   3. from these, the gradients of the K kernels, the K biases and the attention (backward/mixture.c) */
#include "aggregation_backward.h"

#include <string.h>

#include "backward/reference.h"
#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/workspace.h"
#include "pool.h"

enum {
  /* With fewer multiply-adds, handing work to threads costs more than it saves. This does not use
   * parallel_pays(), whose result changes from call to call: the same call must return the same gradients,
   * to the last bit. */
  LEAST_WORK = 1 << 20,
};

/* Doubles of ga for one part. */
static size_t aggregation_part_totals(const aggregation_backward *b) {
  return round_up((size_t)b->shape.K, 8);
}

/* Bytes that one part of the kernels' gradient needs. */
static uint64_t aggregation_part_workspace(const aggregation_backward *b) {
  const uint64_t unpacked = sizeof(float) * (uint64_t)b->gw.depth * LANES;
  const uint64_t correlated = b->reference ? 0 : weight_gradient_workspace(&b->shape, &b->gw);
  return round_up(max_u64(unpacked, correlated), 64);
}

SMALL dk_status aggregation_gradient_prepare(const dk_context *context, dk_aggregation *aggregation,
                                             int32_t N, int32_t H, int32_t W, aggregation_backward *b) {
  dk_status status = aggregation_geometry(aggregation, N, H, W, &b->shape);
  if (status) return status;
  const geometry *s = &b->shape;
  b->reference = aggregation->config.algorithm == DK_ALGORITHM_REFERENCE;
  if (b->grad_x && !b->reference) status = input_gradient_plan(context, s, &b->input);
  if (status) return status;

  b->gw = aggregation->kernels;
  b->gw.K = 1;
  const double work = (double)s->Ho * s->Wo * s->O * b->gw.depth;
  b->parts = work < LEAST_WORK ? 1 : min_i32(parallel_threads(context), b->gw.blocks);
  b->totals = round_up(sizeof(double) * aggregation_part_totals(b) * (size_t)b->parts, 64);
  b->gw_bytes = round_up(sizeof(float) * b->gw.blocks * b->gw.depth * LANES, 64);

  const uint64_t part = aggregation_part_workspace(b);
  uint64_t step = part * (uint32_t)b->parts;
  if (b->grad_x) step = max_u64(step, b->input.bytes);
  if (b->reference) step = max_u64(step, convolution_reference_workspace(s));
  if (step + b->totals + b->gw_bytes > INT32_MAX) return DK_ERROR_MEMORY;
  b->step = (size_t)step;
  b->part = (size_t)part;
  return DK_OK;
}

size_t aggregation_gradient_workspace(const aggregation_backward *b) {
  return b->totals + b->gw_bytes + b->step;
}

/* One sample, and the memory of its steps. */
typedef struct sample {
  const aggregation_backward *backward;
  const dk_aggregation *aggregation;
  packed_kernels gw;
  const float *x, *gy, *a;
  float *gx;
  double *ga;    /* [parts, aggregation_part_totals] */
  char *scratch; /* step bytes */
} sample;

/* The kernels' gradient for some blocks of output channels: the work of one thread. */
SMALL static void aggregation_kernel_gradients(const void *argument, int32_t index, int32_t thread) {
  const sample *n = argument;
  const aggregation_backward *b = n->backward;
  const int32_t first = (int32_t)((int64_t)n->gw.blocks * index / b->parts);
  const int32_t end = (int32_t)((int64_t)n->gw.blocks * (index + 1) / b->parts);
  void *scratch = n->scratch + (size_t)index * b->part;
  (void)thread;
  if (!b->reference) weight_gradient(&b->shape, n->x, n->gy, &n->gw, first, end, scratch);
  mixture_gradient(&n->aggregation->kernels, &n->gw, first, end, n->a,
                   b->grad_a ? n->ga + (size_t)index * aggregation_part_totals(b) : NULL, b->grad_weight,
                   scratch);
}

/* Adds the gradient through the mixed bias to ga [K] and to the biases' gradient. */
SMALL static void aggregation_bias_gradient(const sample *n, double *ga) {
  const aggregation_backward *b = n->backward;
  const int32_t K = b->shape.K, O = b->shape.O;
  const size_t plane = (size_t)b->shape.Ho * b->shape.Wo;
  const float *bias = n->aggregation->bias;
  for (int32_t o = 0; o < O; o++) {
    const double gb = pool_sum(n->gy + (size_t)o * plane, plane);
    for (int32_t k = 0; k < K; k++) {
      const size_t i = (size_t)k * O + o;
      ga[k] += gb * bias[i];
      if (b->grad_bias) b->grad_bias[i] = (float)(b->grad_bias[i] + n->a[k] * gb);
    }
  }
}

SMALL static void aggregation_compute_sample(dk_context *context, const sample *n) {
  const aggregation_backward *b = n->backward;
  const geometry *s = &b->shape;
  const packed_kernels *kernels = &n->aggregation->kernels;
  memset(n->ga, 0, b->totals);
  if (b->reference)
    convolution_reference_packed(s, kernels, n->a, n->x, n->gy, n->gx, &n->gw, n->scratch);
  else if (n->gx)
    input_gradient_compute(context, &b->input, kernels, n->a, n->gy, n->gx, n->scratch);
  if (b->grad_a || b->grad_weight) {
    parallel_expect(context, (double)s->Ho * s->Wo * s->O * b->gw.depth);
    parallel_for(context, b->parts, aggregation_kernel_gradients, n);
  }
  if (n->aggregation->bias && (b->grad_a || b->grad_bias)) aggregation_bias_gradient(n, n->ga);
}

SMALL void aggregation_gradient_compute(dk_context *context, const aggregation_backward *b,
                                        dk_aggregation *aggregation, void *workspace) {
  const geometry *s = &b->shape;
  const size_t inputs = (size_t)s->C * s->H * s->W, outputs = (size_t)s->O * s->Ho * s->Wo;
  const int32_t K = s->K;
  DK_ASSERT((uintptr_t)workspace % 64 == 0);
  sample current = {.backward = b, .aggregation = aggregation, .gw = b->gw, .ga = workspace};
  current.gw.data = (float *)((char *)workspace + b->totals);
  current.scratch = (char *)workspace + b->totals + b->gw_bytes;
  aggregation_pack(aggregation);
  /* The reference leaves lanes without a channel as they are: zero. */
  if (b->reference) memset(current.gw.data, 0, b->gw_bytes);
  for (int32_t n = 0; n < s->N; n++) {
    current.x = b->x + n * inputs;
    current.gy = b->grad_y + n * outputs;
    current.a = b->a + (size_t)n * K;
    current.gx = b->grad_x ? b->grad_x + n * inputs : NULL;
    aggregation_compute_sample(context, &current);
    /* The parts' sums, always in the same order. */
    for (int32_t k = 0; b->grad_a && k < K; k++) {
      double sum = 0;
      for (int32_t part = 0; part < b->parts; part++)
        sum += current.ga[part * aggregation_part_totals(b) + k];
      b->grad_a[(size_t)n * K + k] = (float)sum;
    }
  }
}

SMALL dk_status dk_aggregation_backward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                        const float *a, int32_t N, int32_t H, int32_t W, const float *grad_y,
                                        float *grad_x, float *grad_a,
                                        const dk_aggregation_gradients *gradients) {
  aggregation_backward b = {
      .x = x,
      .a = a,
      .grad_y = grad_y,
      .grad_x = grad_x,
      .grad_a = grad_a,
      .grad_weight = gradients ? gradients->weight : NULL,
      .grad_bias = gradients ? gradients->bias : NULL,
  };
  dk_status status = aggregation_gradient_prepare(context, aggregation, N, H, W, &b);
  if (status) return status;
  void *workspace = workspace_reserve(context, aggregation_gradient_workspace(&b));
  if (!workspace) return workspace_refusal(context);
  aggregation_gradient_compute(context, &b, aggregation, workspace);
  return parallel_status(context);
}
