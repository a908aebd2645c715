/* One row of one output channel, convolved directly with so few taps that their weights stay in
 * registers. */
#ifndef DK_FEW_TAPS_H
#define DK_FEW_TAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct few_taps_row {
  const float *input;
  size_t input_channel; /* floats from an input channel's row to the next's */
  int32_t channels, R;  /* R 3, 5, 7 or 9 */
  const float *weight;  /* [channels, R, 8], of which one lane is read */
  int32_t columns;
  float *y;
} few_taps_row;

/* Whether this is faster than blocks of four output channels (direct.h). */
bool few_taps_pay(int32_t channels, int32_t R);

/* y[x] = sum over channels c and taps q of weight[c][q][0] * input[c * input_channel + q + x], x <
 * columns rounded up to a multiple of 4. */
void few_taps_convolve(const few_taps_row *row);

#endif
