/* See inner/matmul_lanes.h. A register tile has four rows by eight outputs. With fewer rows, neighbouring
 * elements of the depth have sums of their own, so that as many additions are under way. */
#include "inner/matmul_lanes.h"

#include "base/assert.h"
#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

enum { TILE_ROWS = 4 };

/* Rows first .. first + M - 1. The depth is divided into P sums. Callers pass constants for M and P. */
INLINE void matmul_lanes_tile(const int M, const int P, const matmul_lanes_operands *work, int32_t first) {
  const ptrdiff_t x_row = work->x_row, x_step = work->x_step;
  const float *weight = work->w, *input = work->x + first * x_row;
  v128_t sum[TILE_ROWS][TILE_ROWS][2]; /* [P][M][half] */
  for (int p = 0; p < P; p++)
    for (int i = 0; i < M; i++)
      for (int h = 0; h < 2; h++)
        sum[p][i][h] = work->bias && !p ? wasm_v128_load(work->bias + 4 * h) : wasm_f32x4_splat(0);

        /* P elements of the depth at a time. */
#pragma clang loop unroll(disable)
  for (const float *end = weight + (size_t)(work->depth / P * P) * LANES; weight != end;)
    for (int p = 0; p < P; p++, input += x_step, weight += LANES) {
      const v128_t low = wasm_v128_load(weight), high = wasm_v128_load(weight + 4);
      for (int i = 0; i < M; i++) {
        const v128_t x = wasm_v128_load32_splat(input + i * x_row);
        sum[p][i][0] = madd(x, low, sum[p][i][0]);
        sum[p][i][1] = madd(x, high, sum[p][i][1]);
      }
    }

  /* The elements that are left over. */
  if (P > 1)
#pragma clang loop unroll(disable)
    for (const float *end = weight + (size_t)(work->depth % P) * LANES; weight != end;
         input += x_step, weight += LANES)
      for (int i = 0; i < M; i++)
        for (int h = 0; h < 2; h++)
          sum[0][i][h] =
              madd(wasm_v128_load32_splat(input + i * x_row), wasm_v128_load(weight + 4 * h), sum[0][i][h]);

  /* Add up the P sums and store the outputs that exist. */
  float *y = work->y + first * work->y_row;
  for (int i = 0; i < M; i++, y += work->y_row) {
    float lanes[LANES];
    float *out = work->y_step == 1 && work->count == LANES ? y : lanes;
    for (int h = 0; h < 2; h++) {
      for (int p = 1; p < P; p++) sum[0][i][h] = wasm_f32x4_add(sum[0][i][h], sum[p][i][h]);
      wasm_v128_store(out + 4 * h, sum[0][i][h]);
    }
    if (out != lanes) continue;
#pragma clang loop unroll(disable)
    for (int32_t m = 0; m < work->count; m++) y[m * work->y_step] = lanes[m];
  }
}

static void matmul_lanes_one(const matmul_lanes_operands *work, int32_t first) {
  matmul_lanes_tile(1, 4, work, first);
}
static void matmul_lanes_two(const matmul_lanes_operands *work, int32_t first) {
  matmul_lanes_tile(2, 2, work, first);
}
static void matmul_lanes_three(const matmul_lanes_operands *work, int32_t first) {
  matmul_lanes_tile(3, 1, work, first);
}
static void matmul_lanes_four(const matmul_lanes_operands *work, int32_t first) {
  matmul_lanes_tile(4, 1, work, first);
}

void matmul_lanes(const matmul_lanes_operands *work) {
  DK_ASSERT(work->count >= 1 && work->count <= LANES && work->rows >= 1 && work->depth >= 1);
  /* A table keeps these separate functions (base/attributes.h says why). */
  static void (*const by_rows[])(const matmul_lanes_operands *, int32_t) = {
      [1] = matmul_lanes_one, [2] = matmul_lanes_two, [3] = matmul_lanes_three, [4] = matmul_lanes_four};
  for (int32_t first = 0; first < work->rows; first += TILE_ROWS) {
    const int32_t left = work->rows - first;
    by_rows[left < TILE_ROWS ? left : TILE_ROWS](work, first);
  }
}
