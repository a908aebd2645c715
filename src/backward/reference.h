/* The convolution of one sample by its definition, forward and backward, in double precision. */
#ifndef DK_BACKWARD_REFERENCE_H
#define DK_BACKWARD_REFERENCE_H

#include "convolution/convolution.h"

/* Values of one kernel [O, C/G, Rh, Rw]. */
size_t reference_kernel_size(const geometry *shape);

/* x [C, H, W], w [O, C/G, Rh, Rw], b [O] or NULL -> y [O, Ho, Wo]. */
void convolution_reference_forward(const geometry *shape, const double *x, const double *w, const double *b,
                                   double *y);

/* gy [O, Ho, Wo] -> gx [C, H, W], NULL if it is not wanted, and gw [O, C/G, Rh, Rw]. */
void convolution_reference_backward(const geometry *shape, const double *x, const double *w, const double *gy,
                                    double *gx, double *gw);

/* The backward pass on the library's own data, for DK_ALGORITHM_REFERENCE. The kernels are mixed as
 * `mixture` says. Writes gx, which may be NULL, and gw, packed as one kernel. */
uint64_t convolution_reference_workspace(const geometry *shape); /* bytes */
void convolution_reference_packed(const geometry *shape, const packed_kernels *kernels,
                                  const dk_mixture *mixture, const float *x, const float *gy, float *gx,
                                  const packed_kernels *gw, void *workspace);

#endif
