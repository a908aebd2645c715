/* Toom-Cook's transforms of one axis for kernels of 2 to 5, 7 and 9 taps, four outputs at a time:
 *
 *     y = A' [ (G g) . (B' d) ]    g R taps, d n = R + 3 inputs, y 4 outputs, . element by element
 *
 * with the points 0, +-p for each p of R / 2 + 1 ones, and, where R is odd, infinity (see
 * inner/winograd_1d.h, which is this for R = 3, in two dimensions and with its numbers written out). An even
 * R is R + 1 with a last tap of zero, which makes the product of infinity zero too. Rows of V, U and M are in
 * the order 0, p and -p of each pair, infinity if any. */
#ifndef DK_TOOMCOOK_H
#define DK_TOOMCOOK_H

#include <stddef.h>
#include <stdint.h>

#include "base/simd.h"

enum { TOOM_TILE = 4, MOST_PAIRS = 5 };

/* The numbers of B', A' and G for one R. */
typedef struct toomcook {
  int32_t R, pairs, n;         /* n = R + 3 */
  float infinity;              /* 1 where it is one of the points, else 0 */
  float point[MOST_PAIRS];     /* p of each pair */
  float square[MOST_PAIRS];    /* its square, negative */
  float low[3], high[3];       /* products of X - p^2 over the first pairs / 2 pairs and over the
                                  others, from X^0 on; monic */
  float scale[MOST_PAIRS + 1]; /* of the rows of G: of +-p; of 0 */
} toomcook;

toomcook toomcook_for(int32_t R);

/* Where the four output rows of the tile begin that covers row, of first .. end - 1. The last tile
 * ends with the range and computes up to three rows again, which is faster than storing a part. */
static inline int32_t toomcook_first_row(int32_t row, int32_t first, int32_t end) {
  const int32_t last = end - TOOM_TILE > first ? end - TOOM_TILE : first;
  return row < last ? row : last;
}

/* V[row][x] = B' d, d[i] at input + i * row_floats + x, for x < columns, which are 4 or more; rows
 * of V are v_row floats apart. Returns a watch (base/simd.h) over sums of d. */
v128_t toomcook_inputs(const toomcook *t, const float *input, int32_t row_floats, int32_t columns, float *v,
                       size_t v_row);

/* U[row][8] = G g for eight lanes, g[r] at weight + r * tap_floats; rows of U u_row floats apart.
 */
void toomcook_kernels(const toomcook *t, const float *weight, size_t tap_floats, float *u, size_t u_row);

/* y[i][x] = A' M + bias, M[row] at products + row * m_row + x, for i < rows (1..4), x < columns;
 * rows of y are y_row floats apart. M is read to a multiple of 4 columns. Where columns are such a
 * multiple and rows are 4, y may be M's first rows. addend: NULL, or, for R of 2 to 5, what is added is
 * at addend + i * m_row + x. */
void toomcook_outputs(const toomcook *t, const float *products, size_t m_row, const float *addend, float bias,
                      int32_t columns, int32_t rows, float *y, size_t y_row);

#endif
