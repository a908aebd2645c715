/* Toom-Cook's transforms of one axis, for kernels of 2 to 5, 7 and 9 taps and four outputs at a time:
 *
 *     y = A' [ (G g) . (B' d) ]    g R taps, d n = R + 3 inputs, y 4 outputs, . element by element
 *
 * The points are 0, the pairs +-p for R / 2 + 1 values of p and, if R is odd, infinity. inner/winograd_1d.h
 * is the same for R = 3, in two dimensions and with its numbers written out. An even R is treated as R + 1
 * with a zero last tap; its product at infinity is zero. Rows of V, U and M are in the order 0, p and -p of
 * each pair, infinity. */
#ifndef DK_TOOMCOOK_1D_H
#define DK_TOOMCOOK_1D_H

#include <stddef.h>
#include <stdint.h>

#include "base/simd.h"
#include "inner/prefix.h"

enum { TOOM_TILE = 4, MOST_PAIRS = 5 };

/* The numbers of B', A' and G for one R. */
typedef struct toomcook {
  int32_t R, pairs, n;         /* n = R + 3 */
  float infinity;              /* 1 if infinity is one of the points, else 0 */
  float point[MOST_PAIRS];     /* p of each pair */
  float square[MOST_PAIRS];    /* -p^2 of each pair */
  float low[3], high[3];       /* the products of X - p^2 over the first pairs / 2 pairs and over the others:
                                  monic polynomials, coefficients from X^0 on */
  float scale[MOST_PAIRS + 1]; /* of the rows of G: each pair's; last that of the point 0 */
} toomcook;

toomcook toomcook_for(int32_t R);

/* Returns the first of the four output rows of the tile that covers `row`, in the range first .. end - 1. The
 * last tile ends with the range and computes up to three rows a second time: that is faster than storing a
 * part of a tile. */
static inline int32_t toomcook_first_row(int32_t row, int32_t first, int32_t end) {
  const int32_t last = end - TOOM_TILE > first ? end - TOOM_TILE : first;
  return row < last ? row : last;
}

/* V[row][x] = B' d with d[i] at input + i * row_floats + x, for x < columns. columns >= 4. Rows of V are
 * v_row floats apart. Returns a watch (base/simd.h) over sums of d. */
v128_t toomcook_inputs(const toomcook *t, const float *input, int32_t row_floats, int32_t columns, float *v,
                       size_t v_row);

/* U[row][8] = G g for eight lanes, with g[r] at weight + r * tap_floats. Rows of U are u_row floats apart. */
void toomcook_kernels(const toomcook *t, const float *weight, size_t tap_floats, float *u, size_t u_row);

/* y[i][x] = A' M + bias, with M[row] at products + row * m_row + x, for i < rows (1..4) and x < columns. Rows
 * of y are y_row floats apart. Reads M up to a multiple of 4 columns. If columns is a multiple of 4 and rows
 * is 4, y may be M's first rows. addend: NULL or, for R of 2 to 5, values at addend + i * m_row + x that are
 * added. bounds clamp y, if it is not NULL. */
void toomcook_outputs(const toomcook *t, const float *products, size_t m_row, const float *addend, float bias,
                      const clamp *bounds, int32_t columns, int32_t rows, float *y, size_t y_row);

#endif
