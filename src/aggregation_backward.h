/* The backward pass of the aggregation in parts: a block checks everything before it changes anything. */
#ifndef DK_AGGREGATION_BACKWARD_H
#define DK_AGGREGATION_BACKWARD_H

#include "aggregation.h"
#include "backward/backward.h"

/* The caller sets the pointers, and aggregation_backward_prepare the rest. The workspace holds the sums, then
 * gw, then the memory that the steps use one after the other. */
typedef struct aggregation_backward {
  const float *x, *grad_y; /* as in dk_aggregation_backward */
  dk_mixture mixture;
  float *grad_x, *grad_weight, *grad_bias; /* each is NULL if it is not wanted */
  dk_mixture_gradients mixture_gradients;
  geometry shape;
  bool by_reference;    /* DK_ALGORITHM_REFERENCE computes */
  input_gradient input; /* the plan of grad_x */
  packed_kernels gw;    /* the layout of one sample's gradient: K = 1, data NULL */
  int32_t parts;        /* the kernels' gradient is computed in so many parts, one a thread */
  size_t sums_bytes;    /* of the mixture's sums: K, C and Rh*Rw doubles for each part */
  size_t gw_bytes;
  size_t steps_bytes;
  size_t part_bytes; /* the share of steps_bytes of each part */
} aggregation_backward;

/* Errors: SHAPE, MEMORY. */
dk_status aggregation_backward_prepare(const dk_context *context, dk_aggregation *aggregation, int32_t N,
                                       int32_t H, int32_t W, aggregation_backward *backward);

/* Returns the bytes of workspace that aggregation_backward_compute needs, aligned to 64. */
size_t aggregation_backward_workspace(const aggregation_backward *backward);

void aggregation_backward_compute(dk_context *context, const aggregation_backward *backward,
                                  dk_aggregation *aggregation, void *workspace);

#endif
