/* The backward pass of KernelAggregation in parts, so that a block can check everything before it changes
 * anything. */
#ifndef DK_AGGREGATION_BACKWARD_H
#define DK_AGGREGATION_BACKWARD_H

#include "aggregation.h"
#include "backward/backward.h"

/* The caller sets the pointers, aggregation_gradient_prepare the rest. */
typedef struct aggregation_backward {
  const float *x, *a, *grad_y;
  float *grad_x, *grad_a, *grad_weight, *grad_bias; /* each NULL if it is not wanted */
  geometry shape;
  bool reference;
  input_gradient input;
  packed_kernels gw; /* of one sample, K = 1 */
  int32_t parts;     /* of the kernels' gradient, one a thread */
  size_t totals;     /* bytes of the workspace for ga of all parts, */
  size_t gw_bytes;   /* for gw, */
  size_t step;       /* and for the steps, one after another */
  size_t part;       /* bytes of step for each part */
} aggregation_backward;

/* Errors: SHAPE, MEMORY. */
dk_status aggregation_gradient_prepare(const dk_context *context, dk_aggregation *aggregation, int32_t N,
                                       int32_t H, int32_t W, aggregation_backward *b);

size_t aggregation_gradient_workspace(const aggregation_backward *b); /* bytes, aligned to 64 */

void aggregation_gradient_compute(dk_context *context, const aggregation_backward *b,
                                  dk_aggregation *aggregation, void *workspace);

#endif
