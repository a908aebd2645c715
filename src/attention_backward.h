/* The backward pass of KernelAttention in parts, for the block. */
#ifndef DK_ATTENTION_BACKWARD_H
#define DK_ATTENTION_BACKWARD_H

#include "attention.h"

size_t attention_gradient_workspace(const dk_attention *attention, int32_t N); /* bytes */

/* Adds the gradients of the parameters to `gradients`, which may be NULL. Returns gp [N, C], the gradient of
 * each channel's mean, inside the workspace. */
const double *attention_gradient(const dk_attention *attention, int32_t training, const void *tape, int32_t N,
                                 const float *grad_a, const dk_attention_gradients *gradients,
                                 void *workspace);

#endif
