/* Convolutions as a network calls them: planes apart, steps after the convolution, static kernels. */
#ifndef CHECK_CALL_H
#define CHECK_CALL_H

#include <stdint.h>

/* Runs every algorithm on `count` random calls. Returns how many failed. */
int check_calls(uint32_t seed, int count);

/* matmul_lanes against its definition, on all sizes around its register tiles. */
int check_matmul_lanes(uint32_t seed);

#endif
