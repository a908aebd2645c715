/* See inner/matmul.h. A register tile has M rows and V vectors of columns:
 *
 *     6 x 2   most tiles if madd fuses: twelve sums, two vectors of x and a splatted weight fill 15 registers
 *     4 x 2   most tiles if it does not, since products take registers too; the last rows
 *     2 x 4   the last two rows: with fewer sums, additions would wait for each other
 *     1 x 8   the last row of an odd number
 *     8 x 1   the last columns, if they are four or fewer
 *
 * A tile of six rows may begin in one block of eight packed rows and end in the next. Tiles begin at even
 * rows, so that two rows always lie in one block. */
#include "inner/matmul.h"

#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/geometry.h"
#include "base/sizes.h"

enum {
  MOST_SUMS = 12,
  TALL = MADD_FUSES ? 6 : 4, /* rows of most tiles */
};

/* Stores the part of a tile that exists: `rows` rows of `columns` columns. sums [rows, width]. */
APART SMALL static void matmul_store_part(const matmul_operands *work, const float *sums, int32_t width,
                                          int32_t row, int32_t rows, int32_t column, int32_t columns) {
  for (int32_t m = row; m < row + rows; m++, sums += width)
    for (int32_t j = 0; j < columns; j++) {
      float sum = sums[j];
      if (work->operand) sum += work->operand[m * work->operand_row + column + j];
      work->y[m * work->y_row + column + j] = clamp_float(sum, &work->clamp);
    }
}

/* Rows row .. row + M - 1 of 4 * V columns from `column` on; of all `columns`, if they are fewer. The rows
 * lie in up to B blocks of packed rows: the first M / B rows in one, and so on. Callers pass constants for M,
 * B and V. */
INLINE void matmul_tile(const int M, const int B, const int V, const matmul_operands *work, int32_t row,
                        int32_t column, int32_t columns) {
  const int rows = M / B;
  const size_t x_row = work->x_row;
  const float *input = work->x + column, *weight[3];
  for (int b = 0; b < B; b++) {
    const int32_t first = row + b * rows;
    weight[b] = work->w + first / LANES * work->w_block + first % LANES;
  }
  v128_t sum[MOST_SUMS];
  for (int m = 0; m < M; m++)
    for (int v = 0; v < V; v++) sum[m * V + v] = wasm_v128_load32_splat(work->bias + row + m);

      /* Each row of x is loaded once for the M rows of y. */
#pragma clang loop unroll(disable)
  for (const float *end = weight[0] + (size_t)work->depth * LANES; weight[0] != end; input += x_row) {
    v128_t x[8];
    for (int v = 0; v < V; v++) x[v] = wasm_v128_load(input + 4 * v);
    for (int m = 0; m < M; m++) {
      const v128_t w = wasm_v128_load32_splat(weight[m / rows] + m % rows);
      for (int v = 0; v < V; v++) sum[m * V + v] = madd(w, x[v], sum[m * V + v]);
    }
    for (int b = 0; b < B; b++) weight[b] += LANES;
  }

  const int32_t left = work->count - row;
  if (columns < 4 * V || left < M) {
    float sums[4 * MOST_SUMS];
    for (int i = 0; i < M * V; i++) wasm_v128_store(sums + 4 * i, sum[i]);
    matmul_store_part(work, sums, 4 * V, row, min_i32(left, M), column, min_i32(columns, 4 * V));
    return;
  }
  if (work->operand) {
    const float *operand = work->operand + row * work->operand_row + column;
    for (int m = 0; m < M; m++, operand += work->operand_row)
      for (int v = 0; v < V; v++)
        sum[m * V + v] = wasm_f32x4_add(sum[m * V + v], wasm_v128_load(operand + 4 * v));
  }
  if (work->clamp.used) {
    const v128_t low = wasm_f32x4_splat(work->clamp.low), high = wasm_f32x4_splat(work->clamp.high);
    for (int i = 0; i < M * V; i++) sum[i] = clamp_vector(sum[i], low, high);
  }
  float *out = work->y + row * work->y_row + column;
  for (int m = 0; m < M; m++, out += work->y_row)
    for (int v = 0; v < V; v++) wasm_v128_store(out + 4 * v, sum[m * V + v]);
}

/* M rows of `columns` columns. The last tile ends with them and computes a few a second time. */
INLINE void matmul_rows(const int M, const int B, const int V, const matmul_operands *argument, int32_t row,
                        int32_t columns) {
  /* A copy: the compiler must assume that a store of outputs changes *argument. */
  const matmul_operands copy = *argument, *work = &copy;
  const int32_t last = max_i32(columns - 4 * V, 0);
  for (int32_t column = 0; column < columns; column += 4 * V)
    matmul_tile(M, B, V, work, row, min_i32(column, last), columns);
}

/* Separate functions, called through a table (base/attributes.h says why). */
static void matmul_six_rows(const matmul_operands *work, int32_t row, int32_t columns) {
  matmul_rows(6, 3, 2, work, row, columns);
}
static void matmul_four_rows(const matmul_operands *work, int32_t row, int32_t columns) {
  matmul_rows(4, TALL == 6 ? 2 : 1, 2, work, row, columns);
}
static void matmul_two_rows(const matmul_operands *work, int32_t row, int32_t columns) {
  matmul_rows(2, 1, 4, work, row, columns);
}
static void matmul_one_row(const matmul_operands *work, int32_t row, int32_t columns) {
  matmul_rows(1, 1, 8, work, row, columns);
}

/* The last columns, at most four, of rows first .. end - 1. first is a multiple of eight. */
static void matmul_last_columns(const matmul_operands *work, int32_t end, int32_t columns) {
  matmul_operands part = *work;
  part.count = end;
  for (int32_t row = 0; row < end; row += LANES)
    matmul_tile(8, 1, 1, &part, row, max_i32(work->columns - 4, 0), columns);
}

void matmul(const matmul_operands *work) {
  DK_ASSERT(work->count >= 1 && work->columns >= 1 && work->depth >= 1);
  /* By the rows of a tile. */
  static void (*const multiply[])(const matmul_operands *, int32_t, int32_t) = {
      [1] = matmul_one_row, [2] = matmul_two_rows, [4] = matmul_four_rows, [6] = matmul_six_rows};
  const int32_t columns = work->columns, count = work->count;
  /* Whole tiles of eight columns, then up to four columns. The last whole tile may overlap the one before. */
  const int32_t tail = columns % MATMUL_COLUMNS <= 4 ? columns % MATMUL_COLUMNS : 0, whole = columns - tail;

  /* Tall tiles. Few columns always go in tiles of four rows; their spare rows are not stored. */
  int32_t row = 0;
  if (columns >= 16)
    for (; count - row >= TALL; row += TALL) multiply[TALL](work, row, whole);
  for (; count - row >= 4 || (columns < 16 && row < count); row += 4)
    if (whole) multiply[4](work, row, whole);
  if (tail) matmul_last_columns(work, min_i32(row, count), min_i32(columns, 4));

  /* The last rows. A last one of few columns shares a tile with a spare row. */
  for (; count - row >= 2 || (columns < 32 && row < count); row += 2) multiply[2](work, row, columns);
  if (row < count) multiply[1](work, row, columns);
}
