/* One channel, convolved with one 3x3 kernel without dilation. It reads the plane of the input directly. */
#ifndef DK_DEPTHWISE_3X3_H
#define DK_DEPTHWISE_3X3_H

#include <stdint.h>

typedef struct depthwise_3x3_plane {
  const float *x; /* [H, W] */
  int32_t H, W;
  int32_t top, left;          /* padding: 0 or 1 at each side */
  int32_t stride_h, stride_w; /* 1 or 2 */
  const float *weight;        /* [9], LANES floats apart */
  float bias;
  float *y;                   /* [Ho, Wo] */
  int32_t Wo;                 /* more than 4 */
  int32_t first_row, end_row; /* of Ho; these are written */
} depthwise_3x3_plane;

void depthwise_3x3_convolve(const depthwise_3x3_plane *plane);

#endif
