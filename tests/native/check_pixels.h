/* Compares the SIMD code for pixels with the portable references, at seeded random sizes. */
#ifndef CHECK_PIXELS_H
#define CHECK_PIXELS_H

#include <stdint.h>

/* Runs every named case, and count random cases of each function. Prints each failed case with its whole
 * configuration. Returns how many cases failed. */
int check_pixels(uint32_t seed, int count);

#endif
