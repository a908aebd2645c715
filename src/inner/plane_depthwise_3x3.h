/* Channels, each convolved with a 3x3 kernel of its own without dilation. Reads the planes of the input
 * directly. */
#ifndef DK_DEPTHWISE_3X3_H
#define DK_DEPTHWISE_3X3_H

#include <stddef.h>
#include <stdint.h>

#include "inner/prefix.h"

typedef struct depthwise_3x3_planes {
  int32_t channels;            /* 1 to LANES */
  const float *x;              /* [H, W] of the first channel */
  size_t x_channel, y_channel; /* floats from one channel to the next */
  int32_t H, W;
  int32_t top, left;          /* padding: 0 or 1 at each side */
  int32_t stride_h, stride_w; /* 1 or 2 */
  const float *weight;        /* [9], LANES floats apart; the next channel's lie behind each */
  const float *bias;          /* [channels] */
  float *y;                   /* [Ho, Wo] of the first channel */
  int32_t Wo;                 /* more than 4 */
  int32_t first_row, end_row; /* of Ho; these are written */
  clamp clamp;
} depthwise_3x3_planes;

void depthwise_3x3_convolve(const depthwise_3x3_planes *planes);

#endif
