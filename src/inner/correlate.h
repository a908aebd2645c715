/* The sums of a kernel's gradient: what each tap read, times the gradient of what it was read for.
 */
#ifndef DK_CORRELATE_H
#define DK_CORRELATE_H

#include <stddef.h>
#include <stdint.h>

enum { CORRELATE_ROWS = 4 }; /* output channels at a time */

/* Rows of pixels: one gradient for up to four output channels, one input for each tap. */
typedef struct correlation {
  const float *g;        /* as correlate_pack lays it out */
  const float *x;        /* tap i of the first pixel reads x[offset[i]] */
  const int32_t *offset; /* [taps] */
  int32_t x_row;         /* floats from a row's input to the next */
  int32_t rows, columns; /* columns >= 4 */
  int32_t taps, count;   /* count output channels, 1..4 */
} correlation;

/* sums[i * 8 + m] += sum over pixels of g[m] * x[tap i], for all taps i and m < count. Where
 * count > 1, sums[i * 8 + m] for m = count .. 3 exist and are kept. */
void correlate(const correlation *work, float *sums);
void correlate_reference(const correlation *work, float *sums);

/* The gradients of count output channels, plane floats apart, rows of columns pixels -> packed
 * [rows, vectors, count, 4]. vectors = ceil(columns / 4); the last vector of a row ends with the
 * row, and its pixels that an earlier one holds are zero. Rows below 4 pixels are filled up with
 * zeros (and correlated as 4). */
void correlate_pack(const float *g, size_t plane, int32_t rows, int32_t columns, int32_t count,
                    float *packed);

/* Floats of packed. */
static inline size_t correlate_packed_floats(int32_t rows, int32_t columns, int32_t count) {
  return (size_t)rows * ((columns + 3) / 4) * count * 4;
}

#endif
