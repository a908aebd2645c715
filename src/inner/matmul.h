/* The matrix product inside im2col and pointwise convolution. */
#ifndef DK_MATMUL_H
#define DK_MATMUL_H

#include <stddef.h>
#include <stdint.h>

/* y[m][j] = bias[m] + sum over c of w[c][m] * x[c][j], for m < count (1..8) and j < columns (1 or more).
 *
 * w [depth, 8], zero in lanes count .. 7; bias [8]; x [depth] rows, x_row floats apart; y [count] rows, y_row
 * floats apart. Reads 8 columns of x even if there are fewer. */
void matmul(const float *w, const float *bias, const float *x, size_t x_row, int32_t depth, int32_t columns,
            int32_t count, float *y, size_t y_row);

#endif
