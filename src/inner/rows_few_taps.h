/* Direct convolution of rows of one output channel. Each row has taps of its own, so few that their weights
 * stay in registers. */
#ifndef DK_ROWS_FEW_TAPS_H
#define DK_ROWS_FEW_TAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rows_few_taps {
  const float *input;
  size_t input_row, input_channel; /* floats from one row to the next; from one channel to the next */
  const float *weight;             /* [rows, channels, R, 8]; one of the eight lanes is read */
  int32_t rows, channels, R;       /* R is 3, 5, 7 or 9 */
  int32_t columns;
  float *y;
  size_t y_row;
} rows_few_taps;

/* Returns whether this is faster than blocks of four output channels (inner/rows_direct.h). */
bool rows_few_taps_pay(int32_t channels, int32_t R);

/* y[i * y_row + x] = sum over channels c and taps q of
 *     weight[i][c][q][0] * input[i * input_row + c * input_channel + q + x],
 * for x < columns, rounded up to a multiple of 8. */
void rows_few_taps_convolve(const rows_few_taps *rows);

#endif
