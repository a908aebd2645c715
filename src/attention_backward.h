/* The attention branch's backward pass in parts, for the block. */
#ifndef DK_ATTENTION_GRADIENT_H
#define DK_ATTENTION_GRADIENT_H

#include "attention.h"

size_t attention_gradient_workspace(const dk_attention *attention, int32_t N); /* bytes */

/* Adds the parameters' gradients; gradients may be NULL. Returns gp [N, C], the gradient of each
 * channel's mean, within workspace. */
const double *attention_gradient(const dk_attention *attention, int32_t training, const void *tape, int32_t N,
                                 const float *grad_a, const dk_attention_gradients *gradients,
                                 void *workspace);

#endif
