/* A dynamic convolution: the aggregation, whose factors are the heads of the attention branch. Everything
 * that can be refused is checked first, before anything changes, running statistics included. */
#include "aggregation.h"
#include "aggregation_backward.h"
#include "attention.h"
#include "attention_backward.h"
#include "base/attributes.h"
#include "base/workspace.h"
#include "pool.h"

/* Checks that the heads fit the factors of a mixture. */
SMALL static dk_status block_check(const dk_attention *attention, const geometry *shape) {
  const int32_t lengths[HEADS] = {shape->K, shape->O, shape->C, geometry_taps(shape)};
  const int32_t *head = attention->config.head;
  if (attention->config.channels != shape->C) return DK_ERROR_CONFIG;
  for (int32_t h = 0; h < HEADS; h++)
    if (head[h] && head[h] != lengths[h]) return DK_ERROR_CONFIG;

  /* Only a single kernel needs no weight. */
  return head[DK_HEAD_KERNELS] || shape->K == 1 ? DK_OK : DK_ERROR_CONFIG;
}

/* Returns where the outputs of a head are, or NULL if there is no such head. */
static const float *block_factor(const dk_attention *attention, int32_t N, const float *outputs,
                                 dk_head head) {
  const int32_t *lengths = attention->config.head;
  return lengths[head] ? outputs + attend_outputs(lengths, N, (int32_t)head) : NULL;
}

/* Returns the outputs of the heads as the factors of a mixture. */
SMALL static dk_mixture block_mixture(const dk_attention *attention, int32_t N, const float *outputs) {
  return (dk_mixture){.kernels = block_factor(attention, N, outputs, DK_HEAD_KERNELS),
                      .outputs = block_factor(attention, N, outputs, DK_HEAD_OUTPUTS),
                      .inputs = block_factor(attention, N, outputs, DK_HEAD_INPUTS),
                      .taps = block_factor(attention, N, outputs, DK_HEAD_TAPS)};
}

dk_status dk_block_forward(dk_context *context, dk_attention *attention, dk_aggregation *aggregation,
                           int32_t training, const float *x, int32_t N, int32_t H, int32_t W, float *outputs,
                           float *y) {
  return dk_block_forward_taped(context, attention, aggregation, training, x, N, H, W, outputs, y, NULL);
}

dk_status dk_block_forward_taped(dk_context *context, dk_attention *attention, dk_aggregation *aggregation,
                                 int32_t training, const float *x, int32_t N, int32_t H, int32_t W,
                                 float *outputs, float *y, void *tape) {
  geometry shape;
  const algorithm *chosen;
  dk_status status = attention_check(attention, training, N, H, W);
  if (!status) status = aggregation_prepare(aggregation, N, H, W, &shape, &chosen);
  if (!status) status = block_check(attention, &shape);
  if (status) return status;

  /* The branch is done before the convolution begins, so both use the same memory. */
  const uint64_t branch_bytes = tape ? 0 : dk_attention_tape_bytes(attention, N);
  const uint64_t bytes = max_u64(branch_bytes, batch_workspace(context, chosen, &shape));
  void *workspace = workspace_reserve(context, (size_t)bytes);
  if (!workspace) return workspace_refusal(context);

  attention_compute(context, attention, training, x, N, H, W, outputs, tape ? tape : workspace);
  const dk_mixture mixture = block_mixture(attention, N, outputs);
  aggregation_convolve(context, aggregation, chosen, &shape, x, &mixture, y, workspace);
  return parallel_status(context);
}

/* Returns the gradients of a mixture, laid out as the outputs of the heads. */
SMALL static dk_mixture_gradients block_mixture_gradients(const dk_attention *attention, int32_t N,
                                                          float *grad_outputs) {
  const dk_mixture like = block_mixture(attention, N, grad_outputs);
  return (dk_mixture_gradients){(float *)like.kernels, (float *)like.outputs, (float *)like.inputs,
                                (float *)like.taps};
}

SMALL dk_status dk_block_backward(dk_context *context, const dk_attention *attention,
                                  dk_aggregation *aggregation, int32_t training, const void *tape,
                                  const float *x, const float *outputs, int32_t N, int32_t H, int32_t W,
                                  const float *grad_y, float *grad_x,
                                  const dk_attention_gradients *attention_gradients,
                                  const dk_aggregation_gradients *aggregation_gradients) {
  aggregation_backward backward = {
      .x = x,
      .mixture = block_mixture(attention, N, outputs),
      .grad_y = grad_y,
      .grad_x = grad_x,
      .grad_weight = aggregation_gradients ? aggregation_gradients->weight : NULL,
      .grad_bias = aggregation_gradients ? aggregation_gradients->bias : NULL,
  };
  dk_status status = attention_check(attention, training, N, H, W);
  if (!status) status = aggregation_backward_prepare(context, aggregation, N, H, W, &backward);
  if (!status) status = block_check(attention, &backward.shape);
  if (status) return status;

  /* grad_outputs comes first. The steps of both modules then use the same memory. */
  const size_t grad_outputs_bytes = round_up(sizeof(float) * N * attention->outputs, 64);
  const size_t steps_bytes =
      (size_t)max_u64(aggregation_backward_workspace(&backward), attention_backward_workspace(attention, N));
  char *workspace = workspace_reserve(context, grad_outputs_bytes + steps_bytes);
  if (!workspace) return workspace_refusal(context);

  /* The branch's gradients need those of its outputs. */
  float *grad_outputs = grad_x || attention_gradients ? (float *)workspace : NULL;
  if (grad_outputs) backward.mixture_gradients = block_mixture_gradients(attention, N, grad_outputs);
  aggregation_backward_compute(context, &backward, aggregation, workspace + grad_outputs_bytes);
  if (!grad_outputs || parallel_status(context)) return parallel_status(context);
  const double *gp = attention_backward_compute(attention, training, tape, N, grad_outputs,
                                                attention_gradients, workspace + grad_outputs_bytes);

  /* The aggregation has written grad_x. Pooling adds to it. */
  if (grad_x) pool_add_gradient(gp, (size_t)N * backward.shape.C, (size_t)H * W, grad_x);
  return DK_OK;
}
