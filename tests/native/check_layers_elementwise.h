/* Checks of the layers of networks that compute or move single elements, and of their inner loops. */
#ifndef CHECK_LAYERS_ELEMENTWISE_H
#define CHECK_LAYERS_ELEMENTWISE_H

#include <stdint.h>

/* Compares the layers with their references. Returns the number of failures. */
int check_layers_elementwise(uint32_t seed, int count);

#endif
