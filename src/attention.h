/* The attention branch in parts: a block checks everything before it changes anything. */
#ifndef DK_ATTENTION_H
#define DK_ATTENTION_H

#include "dynakernel.h"

/* The values between the branch's steps. A forward pass writes them, and a backward pass reads them. */
typedef struct attention_tape {
  double *mean;       /* [N, C], the mean of each channel: p in dynakernel.h */
  double *normalised; /* [N, M], batch norm before its weight and bias */
  double *hidden;     /* [N, M], after the ReLU */
  double *a;          /* [N, K] */
  double *inverse;    /* [M], 1 / sqrt(variance + eps) */
} attention_tape;

/* Returns the tape in dk_attention_tape_bytes bytes of memory, aligned to 8 bytes. */
attention_tape attention_tape_view(const dk_attention *attention, int32_t N, void *memory);

/* Checks a forward or backward pass. Errors: SHAPE, MODE, MEMORY. */
dk_status attention_check(const dk_attention *attention, int32_t training, int32_t N, int32_t H, int32_t W);

/* dk_attention_forward_taped after attention_check. tape_memory is not NULL. */
void attention_compute(dk_context *context, dk_attention *attention, int32_t training, const float *x,
                       int32_t N, int32_t H, int32_t W, float *a, void *tape_memory);

#endif
