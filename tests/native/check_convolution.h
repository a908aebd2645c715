/* Compares every convolution algorithm, mixing and pooling with their portable references. */
#ifndef CHECK_CONVOLUTION_H
#define CHECK_CONVOLUTION_H

#include <stdint.h>

/* Each runs count seeded random configurations, prints the failures and returns how many failed. */
int check_convolution(uint32_t seed, int count);
int check_pool(uint32_t seed, int count);

/* Checks depthwise 3x3 kernels at every size around the edges of their blocks. */
int check_depthwise_3x3(uint32_t seed);

#endif
