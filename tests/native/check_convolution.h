/* Every convolution algorithm, mixing and pooling against their portable references. */
#ifndef CHECK_CONVOLUTION_H
#define CHECK_CONVOLUTION_H

#include <stdint.h>

/* count seeded random configurations; returns how many failed, having printed each. */
int check_convolution(uint32_t seed, int count);
int check_pool(uint32_t seed, int count);

/* Depthwise 3x3 kernels at every size around the edges of their blocks. */
int check_depthwise_3x3(uint32_t seed);

#endif
