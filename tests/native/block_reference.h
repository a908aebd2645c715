/* Computes the block and its gradients by their definitions, all in double precision. Central differences
 * check these gradients. These gradients check the fast paths. The functions add to the gradients. */
#ifndef DK_BLOCK_REFERENCE_H
#define DK_BLOCK_REFERENCE_H

#include "attention.h"
#include "convolution/convolution.h"

/* One array per parameter: its values or its gradient. */
typedef struct block_parameters {
  double *conv1_weight;        /* [M, C] */
  double *bn_weight, *bn_bias; /* [M] */
  double *conv2_weight;        /* [K, M] */
  double *conv2_bias;          /* [K] */
  double *weight;              /* [K, O, C/G, Rh, Rw] */
  double *bias;                /* [K, O] or NULL */
} block_parameters;

typedef struct block_reference {
  geometry shape;
  int32_t M, training;
  block_parameters parameters;
  const double *running_mean, *running_var; /* [M]; not updated */
} block_reference;

/* x [N, C, H, W] -> tape: the attention's values after each step. */
void attention_reference_forward(const block_reference *block, const double *x, const attention_tape *tape);

/* ga [N, K] -> gx [N, C, H, W], gradients. scratch holds N * M doubles. */
void attention_reference_backward(const block_reference *block, const attention_tape *tape, const double *ga,
                                  double *gx, const block_parameters *gradients, double *scratch);

/* x [N, C, H, W], a [N, K] -> y [N, O, Ho, Wo]. scratch holds (O * C/G * Rh*Rw + O) doubles. */
void aggregation_reference_forward(const block_reference *block, const double *x, const double *a, double *y,
                                   double *scratch);

/* gy [N, O, Ho, Wo] -> gx [N, C, H, W], ga [N, K], gradients. scratch holds twice as many doubles
 * as in the forward pass. */
void aggregation_reference_backward(const block_reference *block, const double *x, const double *a,
                                    const double *gy, double *gx, double *ga,
                                    const block_parameters *gradients, double *scratch);

#endif
