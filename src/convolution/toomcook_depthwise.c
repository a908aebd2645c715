/* Toom-Cook convolution along the columns, F(4, R), of depthwise kernels: R = 5, 7 or 9, stride 1, no
 * dilation (inner/toomcook_1d.h). With one input channel the transforms pay from five taps a column on only.
 *
 * For each block of eight output channels U[n][R][8] is mixed and transformed. Then, for each of its
 * channels and every four output rows:
 *
 *   a. inputs    V[n][W + 2 padding]   n = R + 3 input rows, transformed down the columns
 *   b. products  M[n][Wo]              each row of V with the R taps of its row of U
 *   c. outputs   y                     transformed back, bias added
 *
 * Columns of padding are zeros, and so are their transforms: margins of V that are written once. As in
 * convolution/winograd.c, a sample that is not finite, or huge, is convolved directly. */
#include <string.h>

#include "convolution/convolution.h"
#include "inner/pad.h"
#include "inner/rows_few_taps.h"
#include "inner/toomcook_1d.h"

/* The workspace's layout, in floats. */
typedef struct band_layout {
  int32_t n;
  size_t u_row, v_row, m_row; /* from one of n to the next */
  size_t mixed, u, window, v, products, total;
} band_layout;

static band_layout plan(const geometry *s) {
  const size_t taps = (size_t)s->R * s->R;
  band_layout t = {.n = s->R + TOOM_TILE - 1, .u_row = (size_t)s->R * LANES};
  /* A cache line more, lest n rows share cache sets; inner/rows_few_taps.h goes beyond a row by less. */
  t.v_row = round_up((size_t)s->W + 2 * (size_t)s->padding, 16) + 16;
  t.m_row = round_up((size_t)s->Wo, 16) + 16;
  t.mixed = 0;
  t.u = t.mixed + round_up(taps * LANES, 16);
  t.window = t.u + t.n * t.u_row;
  t.v = t.window + round_up((size_t)t.n * s->W, 16);
  t.products = t.v + t.n * t.v_row;
  t.total = t.products + t.n * t.m_row;
  return t;
}

/* One output channel. False where the watch over the input does not hold. */
static bool convolve_channel(const convolution *work, const band_layout *t, const toomcook *toom,
                             const float *x, const float *u, float bias, float *y, float *space) {
  const geometry *s = work->shape;
  float *v = space + t->v, *products = space + t->products;
  for (int32_t row = work->first_row; row < work->end_row; row += TOOM_TILE) {
    const int32_t oy = toomcook_first_row(row, work->first_row, work->end_row);
    const window d = pad_window(x, s->H, s->W, oy - s->padding, 0, t->n, s->W, space + t->window);
    const v128_t watch = toomcook_inputs(toom, d.data, d.row, s->W, v + s->padding, t->v_row);
    if (!watch_holds(watch)) return false;
    rows_few_taps_convolve(&(rows_few_taps){.input = v,
                                            .input_row = t->v_row,
                                            .weight = u,
                                            .rows = t->n,
                                            .channels = 1,
                                            .R = s->R,
                                            .columns = s->Wo,
                                            .y = products,
                                            .y_row = t->m_row});
    toomcook_outputs(toom, products, t->m_row, NULL, bias, s->Wo, min_i32(TOOM_TILE, work->end_row - oy),
                     y + (size_t)oy * s->Wo, (size_t)s->Wo);
  }
  return true;
}

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const packed_kernels *kernels = work->kernels;
  const band_layout t = plan(s);
  const toomcook toom = toomcook_for(s->R);
  const int32_t multiplier = s->O / s->G;
  float *space = work->workspace, *mixed = space + t.mixed, *u = space + t.u;
  memset(space + t.v, 0, sizeof(float) * t.n * t.v_row);

  for (int32_t block = work->first_block; block < work->end_block; block++) {
    const channel_block channels = kernels_block(kernels, block);
    float bias[LANES];
    kernels_mix(kernels, block, 0, kernels->depth, work->a, mixed);
    kernels_mix_bias(kernels, block, work->bias, work->a, bias);
    for (int32_t q = 0; q < s->R; q++)
      toomcook_kernels(&toom, mixed + q * LANES, (size_t)s->R * LANES, u + q * LANES, t.u_row);
    for (int32_t lane = 0; lane < channels.count; lane++) {
      const int32_t o = channels.first + lane;
      const float *x = work->x + (size_t)(o / multiplier) * s->H * s->W;
      float *y = work->y + (size_t)o * s->Ho * s->Wo;
      if (!convolve_channel(work, &t, &toom, x, u + lane, bias[lane], y, space)) {
        depthwise_algorithm.convolve(work);
        return;
      }
    }
  }
}

static uint64_t workspace(const geometry *s) {
  return max_u64((uint64_t)sizeof(float) * plan(s).total, depthwise_algorithm.workspace(s));
}

static bool covers(const geometry *s) {
  return s->C == s->G && (s->R == 5 || s->R == 7 || s->R == 9) && s->stride == 1 && s->dilation == 1 &&
         s->W >= 4;
}

/* Short rows are sooner convolved directly: at 13 columns this is 1.06 (R = 5) to 1.22 times (R = 9)
 * as fast, at 8 columns 0.82 to 0.87 times. */
static double cost(const geometry *s) {
  return s->G > 1 && s->Ho >= TOOM_TILE && s->Wo >= 13 ? ALWAYS : NEVER;
}

const algorithm depthwise_toomcook_algorithm = {
    DK_ALGORITHM_TOOMCOOK, TOOM_TILE, covers, cost, workspace, convolve, false};
