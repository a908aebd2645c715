/* One channel, convolved with one kernel of any size. */
#ifndef DK_DEPTHWISE_H
#define DK_DEPTHWISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/geometry.h"

#include "inner/prefix.h"

enum { DEPTHWISE_ROWS = 4, DEPTHWISE_COLUMNS = 8 }; /* the register block, of outputs */

typedef struct depthwise_strip {
  const float *input; /* as inner/strip.h lays it out, for DEPTHWISE_COLUMNS columns at a time */
  int32_t row;        /* floats from one input row to the next */
  int32_t Rh, Rw, stride_h;
  const int32_t *offset; /* [Rh*Rw], as strip_taps writes them */
  const float *weight;   /* [Rh*Rw], LANES floats apart */
  const float *wrapped;  /* as plane_depthwise_wrap writes them, or NULL if the shape does not wrap */
  float bias;
  float *y; /* [rows, Wo], written */
  int32_t rows, Wo;
  clamp clamp;
} depthwise_strip;

/* Whether the weights of this shape are read in wrapped order: strides and dilations of 1, DEPTHWISE_ROWS or
 * more rows of taps. */
static inline bool plane_depthwise_wraps(const geometry *shape) {
  return shape->stride_h == 1 && shape->stride_w == 1 && shape->dilation_h == 1 && shape->dilation_w == 1 &&
         shape->Rh >= DEPTHWISE_ROWS;
}
static inline int32_t plane_depthwise_wrapped_floats(int32_t Rh, int32_t Rw) {
  return (Rh + DEPTHWISE_ROWS - 1) * Rw;
}

/* Writes wrapped [plane_depthwise_wrapped_floats] from weight [Rh*Rw], LANES floats apart. */
void plane_depthwise_wrap(int32_t Rh, int32_t Rw, const float *weight, float *wrapped);

/* Convolves a strip of the channel, with any kernel, stride and dilation. */
void plane_depthwise_convolve(const depthwise_strip *strip);

#endif
