/* Convolutions with kernels that come from elsewhere, one for each sample: dk_convolution_forward and
 * dk_convolution_backward. They pack each sample's kernel into the module, and compute with it alone. */
#include <string.h>

#include "aggregation_backward.h"
#include "base/assert.h"
#include "base/attributes.h"
#include "base/workspace.h"
#include "inner/sums.h"

SMALL_FILE

static const dk_mixture RUNTIME_KERNEL = {0};

/* Packs weight [O, C/G, Rh, Rw]. */
static void runtime_pack(dk_aggregation *aggregation, const float *weight) {
  kernels_pack(&aggregation->kernels, 0, 0, aggregation->kernels.O, weight);
  aggregation->stale = false;
}

dk_status dk_convolution_forward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                 const float *weight, const float *bias, int32_t N, int32_t H, int32_t W,
                                 float *y) {
  geometry shape;
  const algorithm *chosen;
  const packed_kernels *kernels = &aggregation->kernels;
  DK_ASSERT(x && weight && y);
  if (kernels->K != 1 || !kernels->data) return DK_ERROR_CONFIG;
  dk_status status = aggregation_prepare(aggregation, N, H, W, &shape, &chosen);
  if (status) return status;
  shape.N = 1;
  void *workspace = workspace_reserve(context, (size_t)batch_workspace(context, chosen, &shape));
  if (!workspace) return workspace_refusal(context);

  const size_t inputs = (size_t)shape.C * shape.H * shape.W, outputs = (size_t)shape.O * shape.Ho * shape.Wo;
  for (int32_t n = 0; n < N; n++) {
    runtime_pack(aggregation, weight + (size_t)n * shape.O * kernels->depth);
    const convolution_call call =
        contiguous_call(chosen, &shape, kernels, bias ? bias + (size_t)n * shape.O : NULL, x + n * inputs,
                        &RUNTIME_KERNEL, y + n * outputs, workspace);
    convolve_batch(context, &call);
  }
  return parallel_status(context);
}

/* grad_bias [O] = sums of grad_y [O, pixels]. */
static void runtime_bias_gradient(const float *grad_y, int32_t O, size_t pixels, float *grad_bias) {
  for (int32_t o = 0; o < O; o++) grad_bias[o] = (float)sum_floats(grad_y + (size_t)o * pixels, pixels);
}

dk_status dk_convolution_backward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                  const float *weight, int32_t N, int32_t H, int32_t W, const float *grad_y,
                                  float *grad_x, float *grad_weight, float *grad_bias) {
  aggregation_backward backward = {
      .x = x, .grad_y = grad_y, .grad_x = grad_x, .mixture = RUNTIME_KERNEL, .grad_weight = grad_weight};
  geometry all;
  const packed_kernels *kernels = &aggregation->kernels;
  DK_ASSERT(x && weight && grad_y);
  if (kernels->K != 1) return DK_ERROR_CONFIG;
  dk_status status = aggregation_geometry(aggregation, N, H, W, &all);
  if (!status) status = aggregation_backward_prepare(context, aggregation, 1, H, W, &backward);
  if (status) return status;
  void *workspace = workspace_reserve(context, aggregation_backward_workspace(&backward));
  if (!workspace) return workspace_refusal(context);

  const geometry *shape = &backward.shape;
  const size_t pixels = (size_t)shape->Ho * shape->Wo, outputs = (size_t)shape->O * pixels;
  const size_t inputs = (size_t)shape->C * shape->H * shape->W, each = (size_t)shape->O * kernels->depth;
  for (int32_t n = 0; n < N; n++) {
    runtime_pack(aggregation, weight + n * each);
    backward.x = x + n * inputs;
    backward.grad_y = grad_y + n * outputs;
    if (grad_x) backward.grad_x = grad_x + n * inputs;
    if (grad_weight) {
      /* Gradients of kernels are added to. */
      backward.grad_weight = grad_weight + n * each;
      memset(backward.grad_weight, 0, each * sizeof(float));
    }
    aggregation_backward_compute(context, &backward, aggregation, workspace);
    if (grad_bias) runtime_bias_gradient(backward.grad_y, shape->O, pixels, grad_bias + (size_t)n * shape->O);
  }
  return parallel_status(context);
}

SMALL_FILE_END
