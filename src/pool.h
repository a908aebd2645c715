/* Global average pooling, and its sum. */
#ifndef DK_POOL_H
#define DK_POOL_H

#include <stddef.h>

#include "dynakernel.h"

/* Returns the sum of x [count]. Blocks of 1,024 values are added in float32, and the blocks in double. The
 * mean of a megapixel is then exact to a few units in the last place. */
double pool_sum(const float *x, size_t count);

double pool_sum_reference(const float *x, size_t count);

/* x [planes, pixels] -> mean [planes], the mean of each plane. The planes are divided among threads. */
void pool_means(dk_context *context, const float *x, int32_t planes, size_t pixels, double *mean);

/* Adds the gradient through the means: gp [planes], the gradient of each mean, to gx [planes, pixels]. */
void pool_add_gradient(const double *gp, size_t planes, size_t pixels, float *gx);

#endif
