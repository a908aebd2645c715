/* Portable references of the optimizers in dynakernel.h. */
#ifndef DK_OPTIMIZER_H
#define DK_OPTIMIZER_H

#include "dynakernel.h"

void sgd_step_reference(float *parameter, const float *gradient, float *velocity, size_t count, double lr,
                        double momentum, double weight_decay, int32_t step);
void adam_step_reference(float *parameter, const float *gradient, float *m, float *v, size_t count, double lr,
                         double beta1, double beta2, double eps, double weight_decay, int32_t step);

#endif
