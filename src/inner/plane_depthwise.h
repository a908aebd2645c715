/* One channel, convolved with one kernel of any size. */
#ifndef DK_DEPTHWISE_H
#define DK_DEPTHWISE_H

#include <stdint.h>

#include "inner/prefix.h"

enum { DEPTHWISE_ROWS = 4, DEPTHWISE_COLUMNS = 8 }; /* the register block, of outputs */

typedef struct depthwise_strip {
  const float *input; /* as inner/strip.h lays it out, for DEPTHWISE_COLUMNS columns at a time */
  int32_t row;        /* floats from one input row to the next */
  int32_t Rh, Rw, stride_h, stride_w, dilation_h, dilation_w;
  const int32_t *offset; /* [Rh*Rw], as strip_taps writes them */
  const float *weight;   /* [Rh*Rw], LANES floats apart */
  float bias;
  float *y; /* [rows, Wo], written */
  int32_t rows, Wo;
  clamp clamp;
} depthwise_strip;

/* Convolves a strip of the channel, with any kernel, stride and dilation. */
void plane_depthwise_convolve(const depthwise_strip *strip);

#endif
