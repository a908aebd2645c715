/* Compares gradients with the double-precision reference, and the reference with central differences. */
#ifndef CHECK_GRADIENTS_H
#define CHECK_GRADIENTS_H

#include <stdint.h>

/* Each runs count seeded configurations, prints the failures and returns how many failed. */
int check_gradients(uint32_t seed, int count);
int check_differences(uint32_t seed, int count);

#endif
