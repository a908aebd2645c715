/* Computes the block and its gradients by their definitions, all in double precision. Central differences
 * check these gradients. These gradients check the fast paths. The functions add to the gradients. */
#ifndef DK_BLOCK_REFERENCE_H
#define DK_BLOCK_REFERENCE_H

#include "attention.h"
#include "convolution/convolution.h"

/* One array per parameter: its values or its gradient. Those that the block does not have are not read. */
typedef struct block_parameters {
  double *hidden_weight;       /* [M, C] */
  double *bn_weight, *bn_bias; /* [M] */
  double *head_weight[HEADS];  /* [head, M], or [head, C] without a hidden layer */
  double *head_bias[HEADS];    /* [head] */
  double *weight;              /* [K, O, C/G, Rh, Rw] */
  double *bias;                /* [K, O] or NULL */
} block_parameters;

typedef struct block_reference {
  geometry shape;
  dk_attention_config branch;
  double temperature;
  int32_t training;
  block_parameters parameters;
  const double *running_mean, *running_var; /* [M]; not updated */
} block_reference;

/* x [N, C, H, W] -> tape: the attention's values after each step. */
void attention_reference_forward(const block_reference *block, const double *x, const attend_tape *tape);

/* grad_outputs, laid out as tape->outputs -> gx [N, C, H, W], gradients. scratch holds N * (C + M) doubles.
 */
void attention_reference_backward(const block_reference *block, const attend_tape *tape,
                                  const double *grad_outputs, double *gx, const block_parameters *gradients,
                                  double *scratch);

/* x [N, C, H, W], outputs of the attention -> y [N, O, Ho, Wo]. scratch holds 2 * O * C/G * Rh*Rw + O
 * doubles. */
void aggregation_reference_forward(const block_reference *block, const double *x, const double *outputs,
                                   double *y, double *scratch);

/* gy [N, O, Ho, Wo] -> gx [N, C, H, W], grad_outputs, gradients. scratch holds twice as many doubles as in
 * the forward pass. */
void aggregation_reference_backward(const block_reference *block, const double *x, const double *outputs,
                                    const double *gy, double *gx, double *grad_outputs,
                                    const block_parameters *gradients, double *scratch);

#endif
