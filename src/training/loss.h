/* Portable references of the losses in dynakernel.h. */
#ifndef DK_LOSS_H
#define DK_LOSS_H

#include "dynakernel.h"

double loss_mse_reference(const float *y, const float *target, size_t count, float *grad);
double loss_l1_reference(const float *y, const float *target, size_t count, float *grad);
double loss_huber_reference(const float *y, const float *target, size_t count, double delta, float *grad);

#endif
