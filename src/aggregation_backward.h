/* The backward pass of KernelAggregation in parts, so that a block can check everything before it
 * changes anything. */
#ifndef DK_AGGREGATION_GRADIENT_H
#define DK_AGGREGATION_GRADIENT_H

#include "aggregation.h"
#include "backward/backward.h"

/* What is to be computed: the pointers are the caller's, the rest is aggregation_gradient_prepare's. */
typedef struct aggregation_backward {
  const float *x, *a, *grad_y;
  float *grad_x, *grad_a, *grad_weight, *grad_bias; /* each NULL where it is not wanted */
  geometry shape;
  bool reference;
  input_gradient input;
  packed_kernels gw; /* of one sample, K = 1 */
  int32_t parts;     /* into which the kernels' gradient is divided */
  size_t totals;     /* bytes of the workspace: ga of all parts, ... */
  size_t gw_bytes;   /* ... gw, ... */
  size_t step;       /* ... and what one step computes in after the other, ... */
  size_t part;       /* ... so much of it for each part */
} aggregation_backward;

/* Errors: SHAPE, MEMORY. */
dk_status aggregation_gradient_prepare(const dk_context *context, dk_aggregation *aggregation, int32_t N,
                                       int32_t H, int32_t W, aggregation_backward *b);

size_t aggregation_gradient_workspace(const aggregation_backward *b); /* bytes, aligned to 64 */

void aggregation_gradient_compute(dk_context *context, const aggregation_backward *b,
                                  dk_aggregation *aggregation, void *workspace);

#endif
