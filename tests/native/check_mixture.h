/* Checks the factors of a mixture in the backward pass, and convolutions with runtime kernels. */
#ifndef CHECK_MIXTURE_H
#define CHECK_MIXTURE_H

#include <stdint.h>

/* Compares the gradients of random mixtures with a reference in double precision. Returns how many failed. */
int check_mixtures(uint32_t seed, int count);

/* Compares dk_convolution_forward and dk_convolution_backward with the same. Returns how many failed. */
int check_runtime_convolutions(uint32_t seed, int count);

#endif
