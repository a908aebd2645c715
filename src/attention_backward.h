/* The backward pass of the attention branch in parts, for the block. */
#ifndef DK_ATTENTION_BACKWARD_H
#define DK_ATTENTION_BACKWARD_H

#include "attention.h"

/* Returns the bytes of workspace that attention_backward_compute needs. */
size_t attention_backward_workspace(const dk_attention *attention, int32_t N);

/* dk_attention_backward after attention_check, without the pooling. Adds the parameters' gradients to
 * `gradients`, which may be NULL. Returns gp [N, C], the gradient of each channel's mean, inside the
 * workspace. */
const double *attention_backward_compute(const dk_attention *attention, int32_t training, const void *tape,
                                         int32_t N, const float *grad_outputs,
                                         const dk_attention_gradients *gradients, void *workspace);

#endif
