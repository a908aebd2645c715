/* The backward pass of the aggregation. For each sample:
 *
 *   1. the gradient of the input, with the mixed kernel of this sample (backward/input.c)
 *   2. the gradients of the mixed kernel (backward/weight.c) and of the mixed bias
 *   3. from these, the gradients of the K kernels, the K biases and the mixture (backward/mixture.c) */
#include "aggregation_backward.h"

#include <string.h>

#include "backward/reference.h"
#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/workspace.h"
#include "inner/sums.h"

SMALL_FILE

enum {
  /* With fewer multiply-adds, handing work to threads costs more than it saves. parallel_team() is not used
   * here: its result changes from call to call, but the same call must return the same gradients, to the last
   * bit. */
  LEAST_WORK = 1 << 20,
};

/* Doubles of one part's sums: those of a, of s and of q. */
static size_t aggregation_part_sums(const aggregation_backward *backward) {
  const geometry *shape = &backward->shape;
  return round_up((size_t)shape->K + (size_t)shape->C + (size_t)geometry_taps(shape), 8);
}

static bool aggregation_wants_mixture(const dk_mixture_gradients *wanted) {
  return wanted->kernels || wanted->outputs || wanted->inputs || wanted->taps;
}

/* Bytes that one part of the kernels' gradient needs. */
static uint64_t aggregation_part_workspace(const aggregation_backward *backward) {
  const uint64_t unpacked = sizeof(float) * (uint64_t)backward->gw.depth * LANES;
  const uint64_t correlated =
      backward->by_reference ? 0 : weight_gradient_workspace(&backward->shape, &backward->gw);
  return round_up(max_u64(unpacked, correlated), 64);
}

dk_status aggregation_backward_prepare(const dk_context *context, dk_aggregation *aggregation, int32_t N,
                                       int32_t H, int32_t W, aggregation_backward *backward) {
  if (!aggregation->kernels.data) return DK_ERROR_CONFIG; /* half precision is for inference */
  dk_status status = aggregation_geometry(aggregation, N, H, W, &backward->shape);
  if (status) return status;
  const geometry *shape = &backward->shape;
  backward->by_reference = aggregation->config.algorithm == DK_ALGORITHM_REFERENCE;
  if (backward->grad_x && !backward->by_reference)
    status = input_gradient_plan(context, shape, &backward->input);
  if (status) return status;

  /* gw has the layout of one kernel. */
  backward->gw = aggregation->kernels;
  backward->gw.K = 1;

  /* The number of parts depends on the shape and the threads only. */
  const double work = (double)shape->Ho * shape->Wo * shape->O * backward->gw.depth;
  backward->parts = work < LEAST_WORK ? 1 : min_i32(parallel_threads(context), backward->gw.blocks);
  backward->sums_bytes =
      round_up(sizeof(double) * aggregation_part_sums(backward) * (size_t)backward->parts, 64);
  backward->gw_bytes = round_up(sizeof(float) * backward->gw.blocks * backward->gw.depth * LANES, 64);

  /* The steps use the same memory, one after the other. */
  const uint64_t part = aggregation_part_workspace(backward);
  uint64_t steps = part * (uint32_t)backward->parts;
  if (backward->grad_x) steps = max_u64(steps, backward->input.bytes);
  if (backward->by_reference) steps = max_u64(steps, convolution_reference_workspace(shape));
  if (steps + backward->sums_bytes + backward->gw_bytes > INT32_MAX) return DK_ERROR_MEMORY;
  backward->steps_bytes = (size_t)steps;
  backward->part_bytes = (size_t)part;
  return DK_OK;
}

size_t aggregation_backward_workspace(const aggregation_backward *backward) {
  return backward->sums_bytes + backward->gw_bytes + backward->steps_bytes;
}

/* The pointers of one sample. */
typedef struct aggregation_sample {
  const aggregation_backward *backward;
  const dk_aggregation *aggregation;
  packed_kernels gw;
  const float *x, *gy; /* [C, H, W], [O, Ho, Wo] */
  dk_mixture mixture;
  float *gx;           /* [C, H, W] or NULL */
  float *grad_outputs; /* of f, [O] or NULL */
  double *sums;        /* [parts, aggregation_part_sums] */
  char *scratch;       /* steps_bytes */
} aggregation_sample;

/* The kernels' gradient for some blocks of output channels: a task of one thread. */
static void aggregation_kernel_gradients(const void *argument, int32_t index, int32_t thread) {
  const aggregation_sample *sample = argument;
  const aggregation_backward *backward = sample->backward;
  const int32_t first = (int32_t)((int64_t)sample->gw.blocks * index / backward->parts);
  const int32_t end = (int32_t)((int64_t)sample->gw.blocks * (index + 1) / backward->parts);
  void *scratch = sample->scratch + (size_t)index * backward->part_bytes;
  (void)thread;

  /* The reference has computed gw already. */
  if (!backward->by_reference)
    weight_gradient(&backward->shape, sample->x, sample->gy, &sample->gw, first, end, scratch);
  const dk_mixture_gradients *wanted = &backward->mixture_gradients;
  double *part = sample->sums + (size_t)index * aggregation_part_sums(backward);
  double *inputs = part + backward->shape.K, *taps = inputs + backward->shape.C;
  const mixture_sums sums = {.kernels = wanted->kernels ? part : NULL,
                             .inputs = wanted->inputs ? inputs : NULL,
                             .taps = wanted->taps ? taps : NULL,
                             .outputs = sample->grad_outputs};
  mixture_gradient(&sample->aggregation->kernels, &sample->gw, first, end, &sample->mixture, &sums,
                   backward->grad_weight, scratch);
}

/* Adds the gradient through the mixed bias to ga [K] and to the biases' gradient. */
static void aggregation_bias_gradient(const aggregation_sample *sample, double *ga) {
  const aggregation_backward *backward = sample->backward;
  const int32_t K = backward->shape.K, O = backward->shape.O;
  const size_t pixels = (size_t)backward->shape.Ho * backward->shape.Wo;
  const float *bias = sample->aggregation->bias;
  for (int32_t o = 0; o < O; o++) {
    const double gb = sum_floats(sample->gy + (size_t)o * pixels, pixels);
    for (int32_t k = 0; k < K; k++) {
      const size_t i = (size_t)k * O + o;
      ga[k] += gb * bias[i];
      const double a = sample->mixture.kernels ? sample->mixture.kernels[k] : 1;
      if (backward->grad_bias) backward->grad_bias[i] = (float)(backward->grad_bias[i] + a * gb);
    }
  }
}

static void aggregation_compute_sample(dk_context *context, const aggregation_sample *sample) {
  const aggregation_backward *backward = sample->backward;
  const geometry *shape = &backward->shape;
  const packed_kernels *kernels = &sample->aggregation->kernels;
  memset(sample->sums, 0, backward->sums_bytes);

  /* 1. Compute the input's gradient. The reference computes gw here too. */
  if (backward->by_reference)
    convolution_reference_packed(shape, kernels, &sample->mixture, sample->x, sample->gy, sample->gx,
                                 &sample->gw, sample->scratch);
  else if (sample->gx)
    input_gradient_compute(context, &backward->input, kernels, &sample->mixture, sample->gy, sample->gx,
                           sample->scratch);

  /* 2. and 3. Compute the kernels' gradients on all threads, then those of the biases. */
  const dk_mixture_gradients *wanted = &backward->mixture_gradients;
  if (backward->grad_weight || aggregation_wants_mixture(wanted)) {
    parallel_expect(context, (double)shape->Ho * shape->Wo * shape->O * backward->gw.depth);
    parallel_for(context, backward->parts, aggregation_kernel_gradients, sample);
  }
  if (sample->aggregation->bias && (wanted->kernels || backward->grad_bias))
    aggregation_bias_gradient(sample, sample->sums);
}

/* gradient [N, count], of sample n = sums over the parts. They are added always in the same order: the result
 * is then the same to the last bit. gradient may be NULL. */
static void aggregation_write_sums(const aggregation_backward *backward, const double *sums, int32_t count,
                                   float *gradient, int32_t n) {
  for (int32_t i = 0; gradient && i < count; i++) {
    double sum = 0;
    for (int32_t part = 0; part < backward->parts; part++)
      sum += sums[part * aggregation_part_sums(backward) + i];
    gradient[(size_t)n * count + i] = (float)sum;
  }
}

void aggregation_backward_compute(dk_context *context, const aggregation_backward *backward,
                                  dk_aggregation *aggregation, void *workspace) {
  const geometry *shape = &backward->shape;
  const size_t inputs = (size_t)shape->C * shape->H * shape->W;
  const size_t outputs = (size_t)shape->O * shape->Ho * shape->Wo;
  const int32_t K = shape->K;
  const dk_mixture_gradients *wanted = &backward->mixture_gradients;
  DK_ASSERT(backward->x && backward->grad_y && (backward->mixture.kernels || K == 1));
  DK_ASSERT(K == aggregation->kernels.K && shape->O == aggregation->kernels.O);
  DK_ASSERT((uintptr_t)workspace % WORKSPACE_ALIGNMENT == 0);

  aggregation_sample sample = {
      .backward = backward, .aggregation = aggregation, .gw = backward->gw, .sums = workspace};
  sample.gw.data = (float *)((char *)workspace + backward->sums_bytes);
  sample.scratch = (char *)workspace + backward->sums_bytes + backward->gw_bytes;
  aggregation_pack(aggregation);

  /* The reference does not write lanes without a channel. They must be zero. */
  if (backward->by_reference) memset(sample.gw.data, 0, backward->gw_bytes);

  for (int32_t n = 0; n < shape->N; n++) {
    sample.x = backward->x + n * inputs;
    sample.gy = backward->grad_y + n * outputs;
    sample.mixture = mixture_of_sample(&aggregation->kernels, &backward->mixture, n);
    sample.grad_outputs = wanted->outputs ? wanted->outputs + (size_t)n * shape->O : NULL;
    sample.gx = backward->grad_x ? backward->grad_x + n * inputs : NULL;
    aggregation_compute_sample(context, &sample);

    aggregation_write_sums(backward, sample.sums, K, wanted->kernels, n);
    aggregation_write_sums(backward, sample.sums + K, shape->C, wanted->inputs, n);
    aggregation_write_sums(backward, sample.sums + K + shape->C, geometry_taps(shape), wanted->taps, n);
  }
}

dk_status dk_aggregation_backward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                  const dk_mixture *mixture, int32_t N, int32_t H, int32_t W,
                                  const float *grad_y, float *grad_x,
                                  const dk_mixture_gradients *mixture_gradients,
                                  const dk_aggregation_gradients *gradients) {
  aggregation_backward backward = {
      .x = x,
      .mixture = *mixture,
      .grad_y = grad_y,
      .grad_x = grad_x,
      .mixture_gradients = mixture_gradients ? *mixture_gradients : (dk_mixture_gradients){0},
      .grad_weight = gradients ? gradients->weight : NULL,
      .grad_bias = gradients ? gradients->bias : NULL,
  };
  dk_status status = aggregation_backward_prepare(context, aggregation, N, H, W, &backward);
  if (status) return status;
  void *workspace = workspace_reserve(context, aggregation_backward_workspace(&backward));
  if (!workspace) return workspace_refusal(context);
  aggregation_backward_compute(context, &backward, aggregation, workspace);
  return parallel_status(context);
}

SMALL_FILE_END
