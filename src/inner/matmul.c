/* See inner/matmul.h. A register tile has M rows and V vectors of columns:
 *
 *     6 x 2   most tiles if madd fuses: twelve sums, two vectors of x and a splatted weight fill 15 registers
 *     4 x 2   most tiles if it does not, since products take registers too; the last rows
 *     2 x 4   the last two rows, 1 x 8 the last one: with fewer sums, additions would wait for each other
 *     8 x 1   the last columns, if they are four or fewer
 *
 * A tile of six rows may begin in one block of eight packed rows and end in the next. */
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

/* Stores `columns` columns of M rows that are narrower than their tile. sums [M, width]. */
APART SMALL static void matmul_store_narrow(const matmul_operands *work, const float *sums, int32_t width,
                                            int32_t row, int32_t end_row, int32_t column, int32_t columns) {
  for (int32_t m = row; m < end_row; m++, sums += width)
    for (int32_t j = 0; j < columns; j++) {
      float sum = sums[j];
      if (work->operand) sum += work->operand[m * work->operand_row + column + j];
      work->y[m * work->y_row + column + j] = clamp_float(sum, &work->clamp);
    }
}

/* Rows row .. row + M - 1 of `columns` columns from `column` on, 4 * V at most. The first P rows lie in one
 * block of packed rows, the others in the next. Callers pass constants for M, P and V. */
INLINE void matmul_tile(const int M, const int P, const int V, const matmul_operands *work, int32_t row,
                        int32_t column, int32_t columns) {
  const size_t x_row = work->x_row;
  const float *input = work->x + column;
  const float *weight = work->w + row / LANES * work->w_block + row % LANES;
  const float *next = weight + (ptrdiff_t)work->w_block - row % LANES;
  v128_t sum[MOST_SUMS];
  for (int m = 0; m < M; m++)
    for (int v = 0; v < V; v++) sum[m * V + v] = wasm_v128_load32_splat(work->bias + row + m);

      /* Each row of x is loaded once for the M rows of y. */
#pragma clang loop unroll(disable)
  for (const float *end = weight + (size_t)work->depth * LANES; weight != end; input += x_row) {
    v128_t x[8];
    for (int v = 0; v < V; v++) x[v] = wasm_v128_load(input + 4 * v);
    for (int m = 0; m < M; m++) {
      const v128_t w = wasm_v128_load32_splat(m < P ? weight + m : next + (m - P));
      for (int v = 0; v < V; v++) sum[m * V + v] = madd(w, x[v], sum[m * V + v]);
    }
    weight += LANES;
    if (P < M) next += LANES;
  }

  const int32_t end_row = min_i32(row + M, work->count);
  if (columns < 4 * V) {
    float sums[4 * MOST_SUMS];
    for (int i = 0; i < M * V; i++) wasm_v128_store(sums + 4 * i, sum[i]);
    matmul_store_narrow(work, sums, 4 * V, row, end_row, column, columns);
    return;
  }
  if (work->operand) {
    const float *operand = work->operand + row * work->operand_row + column;
    for (int m = 0; m < M && row + m < end_row; m++, operand += work->operand_row)
      for (int v = 0; v < V; v++)
        sum[m * V + v] = wasm_f32x4_add(sum[m * V + v], wasm_v128_load(operand + 4 * v));
  }
  if (work->clamp.used) {
    const v128_t low = wasm_f32x4_splat(work->clamp.low), high = wasm_f32x4_splat(work->clamp.high);
    for (int i = 0; i < M * V; i++) sum[i] = clamp_vector(sum[i], low, high);
  }
  float *out = work->y + row * work->y_row + column;
  for (int m = 0; m < M && row + m < end_row; m++, out += work->y_row)
    for (int v = 0; v < V; v++) wasm_v128_store(out + 4 * v, sum[m * V + v]);
}

/* M rows of `columns` columns. The last tile ends with them and computes a few a second time. */
INLINE void matmul_rows(const int M, const int P, const int V, const matmul_operands *argument, int32_t row,
                        int32_t columns) {
  /* A copy: the compiler must assume that a store of outputs changes *argument. */
  const matmul_operands copy = *argument, *work = &copy;
  const int32_t width = 4 * V;
  if (columns < width) {
    matmul_tile(M, P, V, work, row, 0, columns);
    return;
  }
  for (int32_t column = 0; column < columns; column += width)
    matmul_tile(M, P, V, work, row, min_i32(column, columns - width), width);
}

/* Separate functions, which are called through tables (base/attributes.h says why). */
#define ROWS(M, P, V)                                                                                        \
  static void matmul_##M##_##P##_##V(const matmul_operands *work, int32_t row, int32_t columns) {            \
    matmul_rows(M, P, V, work, row, columns);                                                                \
  }
#if defined(__wasm_relaxed_simd__)
ROWS(6, 2, 2)
ROWS(6, 4, 2)
ROWS(6, 6, 2)
ROWS(4, 2, 2)
#endif
ROWS(4, 4, 2)
ROWS(2, 2, 4)
ROWS(1, 1, 4)
ROWS(1, 1, 8)
#undef ROWS

/* Rows row .. row + M - 1 of the first `columns` columns, M = TALL or 4. */
static void matmul_tall_rows(const matmul_operands *work, int32_t M, int32_t row, int32_t columns) {
#if defined(__wasm_relaxed_simd__)
  static void (*const six[])(const matmul_operands *, int32_t,
                             int32_t) = {[2] = matmul_6_2_2, [4] = matmul_6_4_2, [6] = matmul_6_6_2};
  static void (*const four[])(const matmul_operands *, int32_t,
                              int32_t) = {[2] = matmul_4_2_2, [4] = matmul_4_4_2};
  const int32_t within = min_i32(LANES - row % LANES, M); /* rows of the block in which the tile begins */
  (M == 6 ? six : four)[within](work, row, columns);
#else
  (void)M;
  matmul_4_4_2(work, row, columns);
#endif
}

/* The last columns, at most four, of rows first .. end - 1. first is a multiple of eight. */
static void matmul_last_columns(const matmul_operands *work, int32_t end, int32_t columns) {
  matmul_operands part = *work;
  part.count = end;
  for (int32_t row = 0; row < end; row += LANES)
    matmul_tile(8, 8, 1, &part, row, max_i32(work->columns - 4, 0), columns);
}

void matmul(const matmul_operands *work) {
  DK_ASSERT(work->count >= 1 && work->columns >= 1 && work->depth >= 1);
  static void (*const one[])(const matmul_operands *, int32_t, int32_t) = {matmul_1_1_4, matmul_1_1_8};
  const int32_t columns = work->columns, count = work->count;
  /* Whole tiles of eight columns, of which the last may overlap the one before, and up to four columns. */
  const int32_t tail = columns % MATMUL_COLUMNS <= 4 ? columns % MATMUL_COLUMNS : 0, whole = columns - tail;

  /* Tall tiles. Few columns always go in tiles of four rows; their spare rows are not stored. */
  int32_t row = 0;
  if (columns >= 16)
    for (; count - row >= TALL; row += TALL) matmul_tall_rows(work, TALL, row, whole);
  for (; count - row >= 4 || (columns < 16 && row < count); row += 4)
    if (whole) matmul_tall_rows(work, 4, row, whole);
  if (tail) matmul_last_columns(work, min_i32(row, count), min_i32(columns, 4));

  /* The last rows. */
  if (count - row >= 2) {
    matmul_2_2_4(work, row, columns);
    row += 2;
  }
  if (count - row >= 1) one[columns >= 32](work, row, columns);
}
