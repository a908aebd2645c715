/* Pixels: SIMD against the portable references, at seeded random sizes. */
#ifndef CHECK_PIXELS_H
#define CHECK_PIXELS_H

#include <stdint.h>

/* Runs every named case and count random ones of each function. Prints what fails, with its whole
 * configuration; returns how many cases did. */
int check_pixels(uint32_t seed, int count);

#endif
