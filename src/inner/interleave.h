/* Four channels side by side, so that vectors run over channels. */
#ifndef DK_INTERLEAVE_H
#define DK_INTERLEAVE_H

#include <stdint.h>

#include "base/simd.h"

/* A window of four zero-padded planes x [H, W]: rows x width pixels from (top, left) on, either of
 * which may be negative, into out [rows, width, 4]. Returns a watch (base/simd.h) over the window's values,
 * the four channels added up. */
v128_t interleave(const float *const x[4], int32_t H, int32_t W, int32_t top, int32_t left, int32_t rows,
                  int32_t width, float *out);

#endif
