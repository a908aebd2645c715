/* A strip holds some rows of the input channels with their zero padding written out. Inner loops then need
 * no edge cases, and the rows stay in a cache. */
#ifndef DK_STRIP_H
#define DK_STRIP_H

#include <stddef.h>

#include "base/geometry.h"

/* The layout of a strip [channels, input rows, stride, width]. A row is split into as many phases as the
 * horizontal stride: padded column j goes to phase j % stride, place j / stride. Consecutive outputs then
 * read consecutive floats. */
typedef struct strip {
  int32_t width;    /* floats of one phase of a row */
  int32_t row;      /* floats of a row: horizontal stride * width */
  int32_t rows_out; /* output rows that a full strip gives */
  size_t plane;     /* floats of a channel */
} strip;

/* Lays out a strip of `channels` input channels that takes about `budget` floats. It gives at least
 * `least` output rows, or all rows if the image has fewer. Inner loops may read `columns` floats from any
 * output column on; if there are fewer output columns, from column 0 on. */
strip strip_layout(const geometry *shape, int32_t channels, int32_t columns, int32_t least, int32_t budget);

/* Writes offset [channels, Rh, Rw]: floats from the first tap to each tap. */
void strip_taps(const geometry *shape, const strip *layout, int32_t channels, int32_t *offset);

/* Writes one plane of the strip: the rows of input channel x [H, W] that output rows
 * oy .. oy + rows_out - 1 read. */
void strip_fill(const geometry *shape, const strip *layout, const float *x, int32_t oy, int32_t rows_out,
                float *plane);

#endif
