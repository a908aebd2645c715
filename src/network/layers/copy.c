/* Copies between layouts. */
#include "base/assert.h"
#include "base/attributes.h"
#include "base/simd.h"
#include "inner/transpose.h"
#include "network/layers/layers.h"
#include "network/layers/nest.h"

enum {
  PIECE = 1 << 14, /* elements of a row that one thread copies at a time */
  BLOCK = 16,      /* elements of a column that one thread transposes at a time: a line of a cache */
  WORK = 2,        /* multiply-adds that take as long as copying one element */
};

static void copy_row_piece(const nest *loops, float *const *place, int32_t count, const void *argument) {
  (void)argument;
  const int32_t inner = loops->rank - 1;
  const ptrdiff_t y_step = loops->stride[0][inner], x_step = loops->stride[1][inner];
  float *y = place[0];
  const float *x = place[1];
  if (y_step == 1) {
    nest_gather(x, x_step, count, y);
  } else {
#pragma clang loop unroll(disable)
    for (int32_t i = 0; i < count; i++) y[i * y_step] = x[i * x_step];
  }
}

/* y[i * y_row + j] = x[j * x_column + i] for i < rows and j < columns, in tiles of four by four. */
static void copy_transposed(const float *x, ptrdiff_t x_column, int32_t rows, int32_t columns, float *y,
                            ptrdiff_t y_row) {
  int32_t j = 0;
  for (; j + 4 <= columns; j += 4) {
    const float *source = x + j * x_column;
    float *target = y + j;
    int32_t i = 0;
#pragma clang loop unroll(disable)
    for (; i + 4 <= rows; i += 4) {
      v128_t tile[4];
      for (int32_t k = 0; k < 4; k++) tile[k] = wasm_v128_load(source + k * x_column + i);
      transpose4(tile);
      for (int32_t k = 0; k < 4; k++) wasm_v128_store(target + (i + k) * y_row, tile[k]);
    }
#pragma clang loop unroll(disable)
    for (; i < rows; i++)
      for (int32_t k = 0; k < 4; k++) target[i * y_row + k] = source[k * x_column + i];
  }
  for (; j < columns; j++)
#pragma clang loop unroll(disable)
    for (int32_t i = 0; i < rows; i++) y[i * y_row + j] = x[j * x_column + i];
}

/* The last two dimensions: the first is contiguous in x, the last in y. */
static void copy_columns(const nest *loops, float *const *place, int32_t count, const void *argument) {
  (void)argument;
  const int32_t last = loops->rank - 1;
  copy_transposed(place[1], loops->stride[1][last], count, loops->shape[last], place[0],
                  loops->stride[0][last - 1]);
}

SMALL void copy_run(dk_context *context, const view *x, const view *y) {
  DK_ASSERT(x->rank == y->rank);
  const view *const operands[] = {y, x};
  nest loops = nest_make(operands, 2);
  const int32_t last = loops.rank - 1;

  /* Rows that are not contiguous in x may be columns that are. */
  if (loops.stride[0][last] == 1 && loops.stride[1][last] != 1 && loops.stride[1][last] != 0) {
    for (int32_t i = 0; i < last; i++) {
      if (loops.stride[1][i] != 1) continue;
      nest_swap(&loops, i, last - 1);
      nest_run(context, &loops, 2, BLOCK, WORK, copy_columns, NULL);
      return;
    }
  }
  nest_run(context, &loops, 1, PIECE, WORK, copy_row_piece, NULL);
}
