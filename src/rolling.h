/* One channel, convolved with one 3x3 kernel without dilation: straight from its plane. */
#ifndef DK_ROLLING_H
#define DK_ROLLING_H

#include <stdint.h>

typedef struct rolling_plane {
  const float *x;             /* [H, W] */
  int32_t H, W;
  int32_t padding, stride;    /* padding 0 or 1, stride 1 or 2 */
  const float *weight;        /* [9], LANES apart */
  float bias;
  float *y;                   /* [Ho, Wo] */
  int32_t Wo;                 /* more than 4 */
  int32_t first_row, end_row; /* of Ho, to be written */
} rolling_plane;

void rolling_convolve(const rolling_plane *plane);

#endif
