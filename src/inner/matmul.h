/* The matrix product inside im2col and pointwise convolution. */
#ifndef DK_MATMUL_H
#define DK_MATMUL_H

#include <stddef.h>
#include <stdint.h>

#include "inner/prefix.h"

enum { MATMUL_COLUMNS = 8 }; /* of x that are read at a time */

/* Packed weights [depth, 8] of each eight rows of y, times columns of x [depth, columns]. */
typedef struct matmul_operands {
  const float *w; /* zero in lanes without a row */
  size_t w_block; /* floats from the weights of eight rows to those of the next eight */
  const float *bias;
  const float *x;
  size_t x_row;
  int32_t depth, columns, count; /* count rows of y; 1 or more each */
  float *y;
  size_t y_row;
  const float *operand; /* added to y, at operand + m * operand_row + j; NULL if there is none */
  ptrdiff_t operand_row;
  clamp clamp;
} matmul_operands;

/* y[m][j] = clamp(bias[m] + sum over c of w[c][m] * x[c][j] + operand[m][j]), for m < count and j < columns.
 * bias has values for a multiple of 8 rows. Reads MATMUL_COLUMNS columns of x even if there are fewer. */
void matmul(const matmul_operands *work);

#endif
