/* See inner/matmul.h. Register blocks have M rows and V vectors of columns. Sixteen registers hold eight
 * accumulators, a few vectors of x and a splatted weight:
 *
 *     4 x 2         most blocks: six loads for eight multiply-adds
 *     4 x 1         the last columns, if they are four or fewer
 *     2 x 4, 1 x 4  the last rows; with fewer sums, additions would wait for each other */
#include "inner/matmul.h"

#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

/* The operands of matmul. */
typedef struct matmul_operands {
  const float *w, *bias, *x;
  size_t x_row;
  int32_t depth, count;
  float *y;
  size_t y_row;
} matmul_operands;

/* Computes rows 0 .. M - 1 of `columns` columns from `column` on, 4 * V at most. Stores the rows below
 * count. */
INLINE void matmul_block(const int M, const int V, const matmul_operands *work, int32_t column,
                         int32_t columns) {
  const float *input = work->x + column, *weight = work->w;
  const size_t x_row = work->x_row, y_row = work->y_row;
  v128_t sum[4][4];
  for (int m = 0; m < M; m++)
    for (int v = 0; v < V; v++) sum[m][v] = wasm_v128_load32_splat(work->bias + m);

      /* Each row of x is loaded once for the M rows of y. */
#pragma clang loop unroll(disable)
  for (const float *end = weight + work->depth * LANES; weight != end; input += x_row, weight += LANES) {
    v128_t x[4];
    for (int v = 0; v < V; v++) x[v] = wasm_v128_load(input + 4 * v);
    for (int m = 0; m < M; m++) {
      const v128_t w = wasm_v128_load32_splat(weight + m);
      for (int v = 0; v < V; v++) sum[m][v] = madd(w, x[v], sum[m][v]);
    }
  }

  /* A whole block is stored directly. */
  float *out = work->y + column;
  if (columns == 4 * V && work->count >= M) {
    for (int m = 0; m < M; m++, out += y_row)
      for (int v = 0; v < V; v++) wasm_v128_store(out + 4 * v, sum[m][v]);
    return;
  }
  /* Of a block at an edge only the rows and columns that exist are stored. */
  float part[4][16];
  for (int m = 0; m < M; m++)
    for (int v = 0; v < V; v++) wasm_v128_store(part[m] + 4 * v, sum[m][v]);
  for (int m = 0; m < M && m < work->count; m++, out += y_row)
    memcpy(out, part[m], sizeof(float) * (size_t)columns);
}

/* M rows of all columns. The last block ends with the row and computes a few columns a second time. */
INLINE void matmul_rows(const int M, const int V, const matmul_operands *work, int32_t columns) {
  const int32_t width = 4 * V;
  DK_ASSERT(columns >= width);
  for (int32_t column = 0; column < columns; column += width)
    matmul_block(M, V, work, column + width <= columns ? column : columns - width, width);
}

static void matmul_four_rows(const matmul_operands *work, int32_t columns) {
  const int32_t tail = columns % 8 <= 4 ? columns % 8 : 0, whole = columns - tail;
  if (whole >= 8)
    matmul_rows(4, 2, work, whole);
  else if (whole)
    matmul_block(4, 2, work, 0, whole);
  if (tail) matmul_block(4, 1, work, columns < 4 ? 0 : columns - 4, columns < 4 ? columns : 4);
}

static void matmul_next_rows(matmul_operands *work, int32_t rows) {
  work->w += rows;
  work->bias += rows;
  work->y += rows * work->y_row;
  work->count -= rows;
}

void matmul(const float *w, const float *bias, const float *x, size_t x_row, int32_t depth, int32_t columns,
            int32_t count, float *y, size_t y_row) {
  DK_ASSERT(count >= 1 && count <= LANES && columns >= 1 && depth >= 1);
  matmul_operands work = {w, bias, x, x_row, depth, count, y, y_row};
  /* Few columns always go in blocks of four rows; the spare rows are not stored. */
  for (; work.count >= 4 || (work.count > 0 && columns < 16); matmul_next_rows(&work, 4))
    matmul_four_rows(&work, columns);
  if (work.count >= 2) {
    matmul_rows(2, 4, &work, columns);
    matmul_next_rows(&work, 2);
  }
  if (work.count > 0) matmul_rows(1, 4, &work, columns);
}
