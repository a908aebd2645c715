/* Activations and other functions of one number, on arrays. */
#ifndef DK_UNARY_H
#define DK_UNARY_H

#include <stddef.h>

#include "dynakernel.h"

/* y[i] = op(x[i]) for i = 0 .. count - 1, with op from RELU to ERF. y may be x. p: the parameters in the
 * order of dk_op's attributes; NULL if the op has none. NaN stays NaN, and infinities give what PyTorch
 * gives.
 *
 * EXP, LOG, SIGMOID and TANH are within about two units in the last place. ERF and the GELUs are within about
 * 1e-6. */
void unary_apply(dk_op op, const float *p, const float *x, size_t count, float *y);
void unary_apply_reference(dk_op op, const float *p, const float *x, size_t count, float *y);

/* y[i] = e^(x[i] - most), for x[i] <= most: 0 if it is below 2^-126. y may be x. */
void exp_differences(const float *x, float most, size_t count, float *y);

#endif
