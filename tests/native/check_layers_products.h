/* Checks of the layers that multiply: linear layers, matrix products, transposed convolution. */
#ifndef CHECK_LAYERS_PRODUCTS_H
#define CHECK_LAYERS_PRODUCTS_H

#include <stdint.h>

int check_layers_products(uint32_t seed, int count);

#endif
