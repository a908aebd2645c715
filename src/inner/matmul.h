/* The matrix product inside im2col and pointwise convolution. */
#ifndef DK_MATMUL_H
#define DK_MATMUL_H

#include <stddef.h>
#include <stdint.h>

/* y[m][j] = bias[m] + sum over c of w[c][m] * x[c][j], for m < count (1..8) and j < columns.
 *
 * w [depth, 8], zero beyond count, bias [8], x [depth] rows x_row floats apart, y [count] rows y_row
 * floats apart. columns >= 1; where columns < 8, rows of x are read 8 wide all the same. */
void matmul(const float *w, const float *bias, const float *x, size_t x_row, int32_t depth, int32_t columns,
            int32_t count, float *y, size_t y_row);

#endif
