/* The attention branch in parts: a block checks everything before it changes anything. */
#ifndef DK_ATTENTION_H
#define DK_ATTENTION_H

#include "inner/attend.h"

/* Returns the sizes and parameters of a branch. */
attend_branch attention_branch(const dk_attention *attention);

/* Checks a forward or backward pass. Errors: SHAPE, MODE, MEMORY. */
dk_status attention_check(const dk_attention *attention, int32_t training, int32_t N, int32_t H, int32_t W);

/* dk_attention_forward_taped after attention_check. tape_memory is not NULL. */
void attention_compute(dk_context *context, dk_attention *attention, int32_t training, const float *x,
                       int32_t N, int32_t H, int32_t W, float *outputs, void *tape_memory);

#endif
