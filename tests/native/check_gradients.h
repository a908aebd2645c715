/* Gradients against the double-precision reference, the reference against central differences,
 * losses and optimizers against theirs. */
#ifndef CHECK_GRADIENTS_H
#define CHECK_GRADIENTS_H

#include <stdint.h>

/* Each returns how many of count seeded configurations failed, having printed them. */
int check_gradients(uint32_t seed, int count);
int check_differences(uint32_t seed, int count);
int check_losses(uint32_t seed, int count);
int check_optimizers(uint32_t seed, int count);

#endif
