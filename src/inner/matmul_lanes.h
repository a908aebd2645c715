/* The matrix product of a few rows with the packed weights of eight outputs: linear layers, and convolutions
 * of 1x1 on so few pixels that vectors of pixels would be half empty. Vectors hold outputs instead. */
#ifndef DK_MATMUL_LANES_H
#define DK_MATMUL_LANES_H

#include <stddef.h>
#include <stdint.h>

typedef struct matmul_lanes_operands {
  const float *w;    /* [depth, 8] */
  const float *bias; /* [8], or NULL for zeros */
  const float *x;    /* element c of row i is x[i * x_row + c * x_step] */
  ptrdiff_t x_row, x_step;
  int32_t depth, rows; /* 1 or more each */
  int32_t count;       /* outputs, 1 .. 8 */
  float *y;            /* output m of row i is y[i * y_row + m * y_step] */
  ptrdiff_t y_row, y_step;
} matmul_lanes_operands;

/* y[i][m] = bias[m] + sum over c of w[c][m] * x[i][c], for i < rows and m < count. */
void matmul_lanes(const matmul_lanes_operands *work);

#endif
