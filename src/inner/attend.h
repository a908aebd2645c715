/* The steps of an attention branch (dynakernel.h, "attention"): means, hidden layer, heads. There are only a
 * few numbers for each sample, so the steps compute in double precision, in plain loops. */
#ifndef DK_ATTEND_H
#define DK_ATTEND_H

#include <stdbool.h>

#include "dynakernel.h"

enum { HEADS = 4 }; /* a dk_head is below */

/* The sizes and parameters of a branch. An array that it does not have is NULL. */
typedef struct attend_branch {
  int32_t C, M; /* M is 0 without a hidden layer */
  int32_t head[HEADS];
  bool softmax; /* the head of the kernels is a softmax */
  double eps, temperature;
  const float *hidden_weight;                               /* [M, C] */
  const float *bn_weight, *bn_bias, *bn_mean, *bn_variance; /* [M]; all NULL without batch norm */
  const float *weight[HEADS]; /* [head, M], or [head, C] without a hidden layer */
  const float *bias[HEADS];   /* [head] */
} attend_branch;

/* The values between the steps. A forward pass writes them, and a backward pass reads them. */
typedef struct attend_tape {
  double *mean;       /* [N, C], the mean of each channel: p in dynakernel.h */
  double *normalised; /* [N, M], batch norm before its weight and bias; without batch norm its input */
  double *hidden;     /* [N, M], after the ReLU; without a hidden layer mean. The heads read it */
  double *outputs;    /* of the heads, one after the other: [N, K], [N, O], [N, C], [N, Rh*Rw] */
  double *inverse;    /* [M], 1 / sqrt(variance + eps) */
} attend_tape;

/* Returns how many numbers the heads before `end` compute for N samples. This is where the outputs of head
 * `end` begin. */
static inline size_t attend_outputs(const int32_t head[HEADS], int32_t N, int32_t end) {
  size_t count = 0;
  for (int32_t h = 0; h < end; h++) count += (size_t)N * head[h];
  return count;
}

/* Returns how many numbers of a sample each head reads. */
static inline int32_t attend_features(const attend_branch *branch) {
  return branch->M ? branch->M : branch->C;
}

/* Returns how many doubles a tape has. They fit a uint64_t if the sum of the heads fits an int32_t. */
uint64_t attend_tape_values(const attend_branch *branch, int32_t N);

/* Returns the tape in memory of attend_tape_values doubles. */
attend_tape attend_tape_view(const attend_branch *branch, int32_t N, double *memory);

/* The steps follow each other in this order. The second one is for batch norm only; in training, another
 * function takes its place. */

/* Writes the means of x [N, C, pixels], whose samples and channels are x_sample and x_channel floats apart.
 * If there is a hidden layer, also writes tape->normalised, the input of batch norm. */
void attend_project(dk_context *context, const attend_branch *branch, const float *x, int32_t N,
                    size_t x_sample, size_t x_channel, size_t pixels, const attend_tape *tape);

/* Batch norm by running statistics, without weight and bias, on tape->normalised in place. Writes
 * tape->inverse. */
void attend_normalise(const attend_branch *branch, int32_t N, const attend_tape *tape);

/* From tape->normalised to the heads: writes tape->hidden, tape->outputs, and the outputs of each head in
 * single precision. outputs [h]: [N, head], or NULL if there is no such head. NaN stays NaN. */
void attend_heads(const attend_branch *branch, int32_t N, const attend_tape *tape,
                  float *const outputs[HEADS]);

#endif
