/* The attention branch as a layer, in evaluation mode. */
#include "base/assert.h"
#include "base/attributes.h"
#include "network/layers/layers.h"

SMALL uint64_t network_attention_workspace(const attend_branch *branch, const view *x) {
  return sizeof(double) * attend_tape_values(branch, x->shape[0]);
}

SMALL void network_attention_run(dk_context *context, const attend_branch *branch, const view *x,
                                 float *const outputs[HEADS], void *workspace) {
  const int32_t N = x->shape[0];
  DK_ASSERT(x->rank == 4 && x->shape[1] == branch->C && view_is_planar(x));
  const attend_tape tape = attend_tape_view(branch, N, workspace);
  attend_project(context, branch, x->data, N, (size_t)x->stride[0], (size_t)x->stride[1],
                 (size_t)x->shape[2] * (size_t)x->shape[3], &tape);
  if (branch->bn_weight) attend_normalise(branch, N, &tape);
  attend_heads(branch, N, &tape, outputs);
}
