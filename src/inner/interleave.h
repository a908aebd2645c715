/* Four channels side by side, so that a vector holds one pixel of four channels. */
#ifndef DK_INTERLEAVE_H
#define DK_INTERLEAVE_H

#include <stdint.h>

#include "base/simd.h"

/* Writes four of the `step` channels of out [rows, width, step]: the rows x width pixels that begin at
 * (top, left) of four zero-padded planes x [H, W]. top and left may be negative. Returns a watch
 * (base/simd.h) over the window's values, the four channels added up. */
v128_t interleave(const float *const x[4], int32_t H, int32_t W, int32_t top, int32_t left, int32_t rows,
                  int32_t width, int32_t step, float *out);

#endif
