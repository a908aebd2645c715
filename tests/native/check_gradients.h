/* Gradients against the double-precision reference, and the reference against central differences.
 */
#ifndef CHECK_GRADIENTS_H
#define CHECK_GRADIENTS_H

#include <stdint.h>

/* Each returns how many of count seeded configurations failed, having printed them. */
int check_gradients(uint32_t seed, int count);
int check_differences(uint32_t seed, int count);

#endif
