/* Planes whose rows and columns are repeated: nearest-neighbour enlargement by whole factors. */
#ifndef DK_REPEAT_H
#define DK_REPEAT_H

#include <stddef.h>
#include <stdint.h>

/* y [rows * repeat[0], W * repeat[1]]: each element of x [rows, W], repeated. */
void repeat_rows(const float *x, int32_t rows, int32_t W, const int32_t repeat[2], float *y);

/* y = pixels first .. first + count - 1 of a plane of rows of `width` pixels, a multiple of repeat[1]. Pixel
 * (i, j) is x [i / repeat[0], j / repeat[1]]. */
void repeat_pixels(const float *x, const int32_t repeat[2], int32_t width, size_t first, size_t count,
                   float *y);

#endif
