/* The attention branch in parts, so that a block can check everything before it changes anything. */
#ifndef DK_ATTENTION_H
#define DK_ATTENTION_H

#include "dynakernel.h"

dk_status attention_check(const dk_attention *attention, int32_t training, int32_t N, int32_t H, int32_t W);

/* The values between the branch's steps: what a forward pass computes in and a backward pass reads. */
typedef struct attention_tape {
  double *p;          /* [N, C], the mean of each channel */
  double *normalised; /* [N, M], batch norm before its weight and bias */
  double *hidden;     /* [N, M], after the ReLU */
  double *a;          /* [N, K] */
  double *inverse;    /* [M], 1 / sqrt(variance + eps) */
} attention_tape;

/* The tape in dk_attention_tape_bytes of memory, aligned to 8 bytes. */
attention_tape attention_tape_view(const dk_attention *attention, int32_t N, void *memory);

/* dk_attention_forward without its checks; tape is dk_attention_tape_bytes of memory. */
void attention_compute(dk_context *context, dk_attention *attention, int32_t training, const float *x,
                       int32_t N, int32_t H, int32_t W, float *a, void *tape);

#endif
