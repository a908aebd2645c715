/* Checks of the layers that add up: reductions, pooling, softmax and local response norm. */
#ifndef CHECK_LAYERS_SUMS_H
#define CHECK_LAYERS_SUMS_H

#include <stdint.h>

int check_layers_sums(uint32_t seed, int count);

#endif
