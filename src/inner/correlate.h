/* The sums of a weight gradient: for each tap, the inputs that it read times the gradients of the outputs. */
#ifndef DK_CORRELATE_H
#define DK_CORRELATE_H

#include <stddef.h>
#include <stdint.h>

enum { CORRELATE_ROWS = 4 }; /* the most output channels at a time */

/* Rows of pixels, with the gradients of up to four output channels and one input for each tap. */
typedef struct correlation {
  const float *g;        /* as correlate_pack lays it out */
  const float *x;        /* tap i of the first pixel reads x[offset[i]] */
  const int32_t *offset; /* [taps] */
  int32_t x_row;         /* floats from one row's input to the next */
  int32_t rows, columns; /* columns >= 4 */
  int32_t taps, count;   /* count output channels, 1..4 */
} correlation;

/* sums[i * 8 + m] += sum over pixels of g[m] * x[tap i], for all taps i and m < count. If count > 1, the
 * values sums[i * 8 + m] for m = count .. 3 must exist; they do not change. */
void correlate(const correlation *work, float *sums);
void correlate_reference(const correlation *work, float *sums);

/* Packs the gradients of count output channels, planes of `plane` floats, into packed
 * [rows, vectors, count, 4], vectors = ceil(columns / 4). The last vector of a row ends with the row; its
 * pixels that an earlier vector holds are zero. Rows of fewer than 4 pixels are filled up with zeros and
 * correlated as 4. */
void correlate_pack(const float *g, size_t plane, int32_t rows, int32_t columns, int32_t count,
                    float *packed);

/* Returns the floats of packed. */
static inline size_t correlate_packed_floats(int32_t rows, int32_t columns, int32_t count) {
  return (size_t)rows * ((columns + 3) / 4) * count * 4;
}

#endif
