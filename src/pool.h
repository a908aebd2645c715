/* The sum behind global average pooling. */
#ifndef DK_POOL_H
#define DK_POOL_H

#include <stddef.h>

/* Sum of x [count]. Blocks of 1,024 values are added in float32, the blocks in double, so that the
 * mean of a megapixel stays exact to a few units in the last place. */
double pool_sum(const float *x, size_t count);

double pool_sum_reference(const float *x, size_t count);

#endif
