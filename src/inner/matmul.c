/* See inner/matmul.h. Register blocks of M rows x V vectors of columns. Sixteen registers hold eight
 * accumulators, a few vectors of x and a splatted weight:
 *
 *     4 x 2         nearly all: six loads for eight multiply-adds
 *     4 x 1         the last columns, where they are four or fewer
 *     2 x 4, 1 x 4  the last rows; fewer sums would wait for each other's additions */
#include "inner/matmul.h"

#include <string.h>

#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

/* The operands of product. */
typedef struct operands {
  const float *w, *bias, *x;
  size_t x_row;
  int32_t depth, count;
  float *y;
  size_t y_row;
} operands;

/* Rows 0 .. M - 1, of which those below count are stored; `columns` columns from `column` on, 4 * V at
 * most. */
INLINE void multiply_block(const int M, const int V, const operands *p, int32_t column, int32_t columns) {
  const float *input = p->x + column, *weight = p->w;
  const size_t x_row = p->x_row, y_row = p->y_row;
  v128_t sum[4][4];
  for (int m = 0; m < M; m++)
    for (int v = 0; v < V; v++) sum[m][v] = wasm_v128_load32_splat(p->bias + m);

#pragma clang loop unroll(disable)
  for (const float *end = weight + p->depth * LANES; weight != end; input += x_row, weight += LANES) {
    v128_t x[4];
    for (int v = 0; v < V; v++) x[v] = wasm_v128_load(input + 4 * v);
    for (int m = 0; m < M; m++) {
      const v128_t w = wasm_v128_load32_splat(weight + m);
      for (int v = 0; v < V; v++) sum[m][v] = madd(w, x[v], sum[m][v]);
    }
  }

  float *out = p->y + column;
  if (columns == 4 * V && p->count >= M) {
    for (int m = 0; m < M; m++, out += y_row)
      for (int v = 0; v < V; v++) wasm_v128_store(out + 4 * v, sum[m][v]);
    return;
  }
  float part[4][16];
  for (int m = 0; m < M; m++)
    for (int v = 0; v < V; v++) wasm_v128_store(part[m] + 4 * v, sum[m][v]);
  for (int m = 0; m < M && m < p->count; m++, out += y_row)
    memcpy(out, part[m], sizeof(float) * (size_t)columns);
}

/* columns >= 4 * V. The last block ends with the row and computes a few columns once more. */
INLINE void multiply_rows(const int M, const int V, const operands *p, int32_t columns) {
  const int32_t width = 4 * V;
  for (int32_t column = 0; column < columns; column += width)
    multiply_block(M, V, p, column + width <= columns ? column : columns - width, width);
}

static void four_rows(const operands *p, int32_t columns) {
  const int32_t tail = columns % 8 <= 4 ? columns % 8 : 0, whole = columns - tail;
  if (whole >= 8)
    multiply_rows(4, 2, p, whole);
  else if (whole)
    multiply_block(4, 2, p, 0, whole);
  if (tail) multiply_block(4, 1, p, columns < 4 ? 0 : columns - 4, columns < 4 ? columns : 4);
}

static void next_rows(operands *p, int32_t rows) {
  p->w += rows, p->bias += rows, p->y += rows * p->y_row, p->count -= rows;
}

void matmul(const float *w, const float *bias, const float *x, size_t x_row, int32_t depth, int32_t columns,
            int32_t count, float *y, size_t y_row) {
  operands p = {w, bias, x, x_row, depth, count, y, y_row};
  for (; p.count >= 4 || (p.count > 0 && columns < 16); next_rows(&p, 4)) four_rows(&p, columns);
  if (p.count >= 2) {
    multiply_rows(2, 4, &p, columns);
    next_rows(&p, 2);
  }
  if (p.count > 0) multiply_rows(1, 4, &p, columns);
}
