/* Direct convolution of the rows of one block of output channels. */
#ifndef DK_ROWS_DIRECT_H
#define DK_ROWS_DIRECT_H

#include <stddef.h>
#include <stdint.h>

#include "inner/prefix.h"

enum { DIRECT_COLUMNS = 8 }; /* output columns of a register block */

typedef struct rows_direct {
  const float *input;
  size_t row_step;       /* floats from the input of one output row to the next row's */
  int32_t taps;          /* of all input channels */
  const int32_t *offset; /* [taps], in floats */
  const float *weight;   /* [taps, 8] */
  const float *bias;     /* [8], or NULL for zeros */
  float *y;              /* first output row of the first output channel */
  size_t y_plane;        /* floats from one output channel to the next */
  int32_t rows, Wo;
  clamp clamp;
} rows_direct;

/* y[m][row][x] = clamp(bias[m] + sum over taps i of
 *     weight[i][m] * input[row * row_step + offset[i] + x]),   m < count (1..8).
 * Reads DIRECT_COLUMNS columns of input even if Wo is less. */
void rows_direct_convolve(const rows_direct *rows, int32_t count);

#endif
