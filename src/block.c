/* DynamicKernelAggregation: the aggregation, with its kernels mixed by the attention's weights. Everything
 * that can be refused is checked first, before anything changes, running statistics included. */
#include "aggregation.h"
#include "aggregation_backward.h"
#include "attention.h"
#include "attention_backward.h"
#include "base/attributes.h"
#include "base/workspace.h"
#include "pool.h"

dk_status dk_block_forward(dk_context *context, dk_attention *attention, dk_aggregation *aggregation,
                           int32_t training, const float *x, int32_t N, int32_t H, int32_t W, float *a,
                           float *y) {
  return dk_block_forward_taped(context, attention, aggregation, training, x, N, H, W, a, y, NULL);
}

dk_status dk_block_forward_taped(dk_context *context, dk_attention *attention, dk_aggregation *aggregation,
                                 int32_t training, const float *x, int32_t N, int32_t H, int32_t W, float *a,
                                 float *y, void *tape) {
  geometry shape;
  const algorithm *chosen;
  dk_status status = attention_check(attention, training, N, H, W);
  if (!status) status = aggregation_prepare(aggregation, N, H, W, &shape, &chosen);
  if (status) return status;
  if (attention->C != shape.C || attention->K != shape.K) return DK_ERROR_CONFIG;

  /* The branch is done before the convolution begins, so both use the same memory. */
  const uint64_t branch_bytes = tape ? 0 : dk_attention_tape_bytes(attention, N);
  const uint64_t bytes = max_u64(branch_bytes, batch_workspace(context, chosen, &shape));
  void *workspace = workspace_reserve(context, (size_t)bytes);
  if (!workspace) return workspace_refusal(context);

  attention_compute(context, attention, training, x, N, H, W, a, tape ? tape : workspace);
  aggregation_convolve(context, aggregation, chosen, &shape, x, a, y, workspace);
  return parallel_status(context);
}

SMALL dk_status dk_block_backward(dk_context *context, const dk_attention *attention,
                                  dk_aggregation *aggregation, int32_t training, const void *tape,
                                  const float *x, const float *a, int32_t N, int32_t H, int32_t W,
                                  const float *grad_y, float *grad_x,
                                  const dk_attention_gradients *attention_gradients,
                                  const dk_aggregation_gradients *aggregation_gradients) {
  aggregation_backward backward = {
      .x = x,
      .a = a,
      .grad_y = grad_y,
      .grad_x = grad_x,
      .grad_weight = aggregation_gradients ? aggregation_gradients->weight : NULL,
      .grad_bias = aggregation_gradients ? aggregation_gradients->bias : NULL,
  };
  dk_status status = attention_check(attention, training, N, H, W);
  if (!status) status = aggregation_backward_prepare(context, aggregation, N, H, W, &backward);
  if (status) return status;
  if (attention->C != backward.shape.C || attention->K != backward.shape.K) return DK_ERROR_CONFIG;

  /* grad_a comes first. The steps of both modules then use the same memory. */
  const size_t grad_a_bytes = round_up(sizeof(float) * N * backward.shape.K, 64);
  const size_t steps_bytes =
      (size_t)max_u64(aggregation_backward_workspace(&backward), attention_backward_workspace(attention, N));
  char *workspace = workspace_reserve(context, grad_a_bytes + steps_bytes);
  if (!workspace) return workspace_refusal(context);

  /* The branch's gradients need grad_a. */
  if (grad_x || attention_gradients) backward.grad_a = (float *)workspace;
  aggregation_backward_compute(context, &backward, aggregation, workspace + grad_a_bytes);
  if (!backward.grad_a || parallel_status(context)) return parallel_status(context);
  const double *gp = attention_backward_compute(attention, training, tape, N, backward.grad_a,
                                                attention_gradients, workspace + grad_a_bytes);

  /* The aggregation has written grad_x. Pooling adds to it. */
  if (grad_x) pool_add_gradient(gp, (size_t)N * backward.shape.C, (size_t)H * W, grad_x);
  return DK_OK;
}
