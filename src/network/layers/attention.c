/* The attention branch as a layer, in evaluation mode: the steps of attention.c in the folder above. */
#include "base/assert.h"
#include "base/attributes.h"
#include "inner/attend.h"
#include "inner/sums.h"
#include "network/layers/layers.h"

/* The workspace: the means [N, C], hidden values [N, M], weights [N, K], and 1 / deviation [M]. */
SMALL uint64_t network_attention_workspace(const attention_constants *constants, const view *x) {
  const uint64_t M = (uint32_t)constants->M;
  return sizeof(double) * ((uint32_t)x->shape[0] * ((uint32_t)constants->C + M + (uint32_t)constants->K) + M);
}

SMALL void network_attention_run(dk_context *context, const attention_constants *constants, const view *x,
                                 float *a, void *workspace) {
  const int32_t N = x->shape[0], C = constants->C, M = constants->M, K = constants->K;
  DK_ASSERT(x->rank == 4 && x->shape[1] == C && view_is_planar(x));
  double *const mean = workspace, *const hidden = mean + (size_t)N * C;
  double *const exact = hidden + (size_t)N * M, *const inverse = exact + (size_t)N * K;
  plane_means(context, x->data, N, (size_t)x->stride[0], C, (size_t)x->stride[1],
              (size_t)x->shape[2] * (size_t)x->shape[3], mean);
  attend_product(constants->conv1_weight, M, C, mean, N, hidden);
  attend_normalise(constants->bn_mean, constants->bn_variance, (double)constants->eps, N, M, hidden, inverse);
  attend_relu(constants->bn_weight, constants->bn_bias, N, M, hidden, hidden);
  attend_product(constants->conv2_weight, K, M, hidden, N, exact);
  attend_sigmoid(constants->conv2_bias, N, K, exact, a);
}
