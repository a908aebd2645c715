/* Global average pooling, and the sum behind it. */
#ifndef DK_POOL_H
#define DK_POOL_H

#include <stddef.h>

#include "dynakernel.h"

/* Sum of x [count]. Blocks of 1,024 values are added in float32, the blocks in double, so that the
 * mean of a megapixel stays exact to a few units in the last place. */
double pool_sum(const float *x, size_t count);

double pool_sum_reference(const float *x, size_t count);

/* The mean of each plane: x [planes, plane] -> mean [planes]. Planes are divided among threads. */
void pool_means(dk_context *context, const float *x, int32_t planes, size_t plane, double *mean);

/* The gradient of each mean, gp [planes], added to that of x: gx [planes, plane]. */
void pool_add_gradient(const double *gp, size_t planes, size_t plane, float *gx);

#endif
