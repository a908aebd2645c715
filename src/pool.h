/* The gradient of global average pooling. inner/sums.h has the pooling. */
#ifndef DK_POOL_H
#define DK_POOL_H

#include <stddef.h>

/* Adds the gradient through the means: gp [planes], the gradient of each mean, to gx [planes, pixels]. */
void pool_add_gradient(const double *gp, size_t planes, size_t pixels, float *gx);

#endif
