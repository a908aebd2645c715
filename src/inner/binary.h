/* Functions of two numbers, on arrays. */
#ifndef DK_BINARY_H
#define DK_BINARY_H

#include <stddef.h>

#include "dynakernel.h"

/* y[i] = op(a[i * a_step], b[i * b_step]) for i = 0 .. count - 1, with op from ADD to PRELU. The steps are 0
 * or
 * 1. y may be a or b. MINIMUM and MAXIMUM are NaN if one of the two is. POWER is that of C. */
void binary_apply(dk_op op, const float *a, size_t a_step, const float *b, size_t b_step, size_t count,
                  float *y);
void binary_apply_reference(dk_op op, const float *a, size_t a_step, const float *b, size_t b_step,
                            size_t count, float *y);

#endif
