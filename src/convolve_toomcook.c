/* Toom-Cook convolution along the columns, F(4, R): R = 3, 5 or 7, stride 1, no dilation, any groups.
 * Made for few input channels, where Winograd's two-dimensional tiles cost more than they save.
 *
 * Four output rows are computed from n = R + 3 input rows, transformed down the columns; along the
 * rows the convolution stays direct. For each sample and group:
 *
 *   1. kernels   U[blocks][n][C/G][R][8]   mixed, transformed, all of them
 *   2. for every four output rows, a chunk of columns at a time, in the first-level cache:
 *      a. inputs    V[C/G][n][chunk]        padded, transformed
 *      b. products  M[n][8][chunk]          for each row of n a direct convolution with R taps
 *      c. outputs   y                       transformed back, bias added
 *
 * As in convolve_winograd.c, a sample that is not finite is convolved directly. */
#include "convolution.h"
#include "direct.h"
#include "strip.h"
#include "toomcook.h"

enum { CHUNK = 64 }; /* output columns */

/* The workspace's layout, in floats. */
typedef struct chunk_layout {
  int32_t n, width;      /* of a padded row: a chunk and its halo */
  size_t v_channel, m_row; /* from a channel of V, a row of M, to the next */
  size_t u_row, u_block; /* from one of n to the next, from a block to the next */
  size_t offset, mixed, u, bias, padded, v, products, total;
} chunk_layout;

static chunk_layout plan(const geometry *s) {
  const size_t channels = (size_t)(s->C / s->G), R = (size_t)s->R;
  const size_t blocks = (size_t)(s->O / s->G - 1) / LANES + 1;
  chunk_layout t = {.n = s->R + TOOM_TILE - 1};
  t.width = (int32_t)round_up((size_t)max_i32(min_i32(s->Wo, CHUNK), DIRECT_COLUMNS) + R - 1, 4);
  t.v_channel = (size_t)t.n * t.width;
  t.m_row = (size_t)LANES * CHUNK;
  t.u_row = channels * R * LANES;
  t.u_block = t.n * t.u_row;
  t.offset = 0;
  t.mixed = round_up(channels * R, 16);
  t.u = t.mixed + round_up(channels * R * R * LANES, 16);
  t.bias = t.u + blocks * t.u_block;
  t.padded = t.bias + round_up(blocks * LANES, 16);
  t.v = t.padded + round_up((size_t)t.n * t.width, 16);
  t.products = t.v + round_up(channels * t.v_channel, 16) + 16;
  t.total = t.products + t.n * t.m_row;
  return t;
}

/* U and the mixed biases of some blocks of one group. */
static void transform_kernels(const convolution *work, const chunk_layout *t, const toomcook *toom,
                              int32_t first_block, int32_t blocks, float *space) {
  const geometry *s = work->shape;
  const int32_t R = s->R, channels = s->C / s->G;
  float *mixed = space + t->mixed;
  for (int32_t i = 0; i < blocks; i++) {
    kernels_mix(work->kernels, first_block + i, 0, work->kernels->depth, work->a, mixed);
    kernels_mix_bias(work->kernels, first_block + i, work->bias, work->a,
                     space + t->bias + (size_t)i * LANES);
    float *u = space + t->u + i * t->u_block;
    for (int32_t c = 0; c < channels; c++)
      for (int32_t q = 0; q < R; q++)
        toomcook_kernels(toom, mixed + ((size_t)c * R * R + q) * LANES, (size_t)R * LANES,
                         u + ((size_t)c * R + q) * LANES, t->u_row);
  }
}

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const chunk_layout t = plan(s);
  const toomcook toom = toomcook_for(s->R);
  const int32_t channels = s->C / s->G;
  float *space = work->workspace, *v = space + t.v, *products = space + t.products;
  int32_t *offset = (int32_t *)(space + t.offset); /* [C/G, R]: one loop over all taps is fastest */
  for (int32_t c = 0; c < channels; c++)
    for (int32_t q = 0; q < s->R; q++) offset[c * s->R + q] = (int32_t)(c * t.v_channel) + q;

  for (int32_t g = first_group(work); g < end_group(work); g++) {
    const int32_t first_block = group_first_block(work, g);
    const int32_t blocks = group_end_block(work, g) - first_block;
    transform_kernels(work, &t, &toom, first_block, blocks, space);
    for (int32_t oy = work->first_row; oy < work->end_row; oy += TOOM_TILE)
      for (int32_t ox = 0; ox < s->Wo; ox += CHUNK) {
        const int32_t columns = min_i32(CHUNK, s->Wo - ox);
        v128_t watch = wasm_f32x4_splat(0);
        for (int32_t c = 0; c < channels; c++) {
          const float *x = work->x + (size_t)(g * channels + c) * s->H * s->W;
          const window d = pad_window(x, s->H, s->W, oy - s->padding, ox - s->padding, t.n, t.width,
                                      space + t.padded);
          watch = wasm_f32x4_add(watch, toomcook_inputs(&toom, d.data, d.row, t.width,
                                                        v + c * t.v_channel, (size_t)t.width));
        }
        if (!wasm_i32x4_all_true(wasm_f32x4_eq(watch, watch))) {
          direct_algorithm.convolve(work);
          return;
        }

        for (int32_t i = 0; i < blocks; i++) {
          const channel_block o = kernels_block(work->kernels, first_block + i);
          for (int32_t row = 0; row < t.n; row++) {
            const direct_rows rows = {.input = v + (size_t)row * t.width,
                                      .taps = channels * s->R, .offset = offset,
                                      .weight = space + t.u + i * t.u_block + row * t.u_row,
                                      .y = products + row * t.m_row, .y_plane = CHUNK,
                                      .rows = 1, .Wo = max_i32(columns, DIRECT_COLUMNS)};
            direct_convolve(&rows, o.count);
          }
          for (int32_t lane = 0; lane < o.count; lane++)
            toomcook_outputs(&toom, products + (size_t)lane * CHUNK, t.m_row,
                             space[t.bias + (size_t)i * LANES + lane], columns,
                             min_i32(TOOM_TILE, work->end_row - oy),
                             work->y + ((size_t)(o.first + lane) * s->Ho + oy) * s->Wo + ox,
                             (size_t)s->Wo);
        }
      }
  }
}

static uint64_t workspace(const geometry *s) {
  const uint64_t own = (uint64_t)sizeof(float) * plan(s).total, direct = direct_algorithm.workspace(s);
  return own > direct ? own : direct;
}

static bool covers(const geometry *s) {
  return (s->R == 3 || s->R == 5 || s->R == 7) && s->stride == 1 && s->dilation == 1 &&
         direct_algorithm.covers(s);
}

/* From 16 channels on, Winograd's tiles pay for R = 3; for more, all of U would leave the cache. */
static bool pays(const geometry *s) { return s->Ho >= TOOM_TILE && s->C / s->G <= 16; }

const algorithm toomcook_algorithm = {DK_ALGORITHM_TOOMCOOK, TOOM_TILE, covers, pays, workspace,
                                      convolve};
