/* Strips: some rows of input channels, with their zero padding written out so that no inner loop
 * knows of edges, in memory small enough to stay in a cache. */
#ifndef DK_STRIP_H
#define DK_STRIP_H

#include <stddef.h>

#include "base/geometry.h"

/* A strip's memory: [channels, rows_in, stride, width]. A row is split into as many phases as the
 * stride: padded column j goes to phase j % stride, place j / stride, so that consecutive outputs
 * read consecutive floats. */
typedef struct strip {
  int32_t width;    /* floats of a phase */
  int32_t row;      /* floats of a row, stride * width */
  int32_t rows_out; /* output rows that a full strip gives */
  size_t plane;     /* floats of a channel */
} strip;

/* A layout for channels input channels that takes about budget floats, though never fewer than
 * least output rows, or all there are. Rows may be read columns floats at a time from any output
 * column on, or from 0 where there are fewer output columns. */
strip strip_layout(const geometry *shape, int32_t channels, int32_t columns, int32_t least, int32_t budget);

/* offset [channels, R, R]: where each tap stands from the first. */
void strip_taps(const geometry *shape, const strip *layout, int32_t channels, int32_t *offset);

/* Write the rows that rows_out output rows from oy on read, from one input channel x [H, W], into
 * one plane of the strip. */
void strip_fill(const geometry *shape, const strip *layout, const float *x, int32_t oy, int32_t rows_out,
                float *plane);

#endif
