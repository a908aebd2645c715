/* Toom-Cook convolution along the columns, F(4, R), of depthwise kernels: R = 5, 7 or 9, stride 1, no
 * dilation (inner/toomcook_1d.h). With one input channel the transforms pay only from five taps a column on.
 *
 * For each block of eight output channels U[n][R][8] is mixed and transformed. Then, for each of its channels
 * and every four output rows:
 *
 *   a. inputs    V[n][W + padding]     n = R + 3 input rows, transformed down the columns
 *   b. products  M[n][Wo]              each row of V with the R taps of its row of U
 *   c. outputs   y                     transformed back, bias added
 *
 * A sample that is not finite, or huge, is convolved by convolution/depthwise.c. */
#include <string.h>

#include "convolution/convolution.h"
#include "inner/pad.h"
#include "inner/rows_few_taps.h"
#include "inner/toomcook_1d.h"

enum { LEAST_COLUMNS = 4 }; /* of input, which the transforms read at a time */

/* The workspace's layout, in floats. */
typedef struct toomcook_depthwise_layout {
  int32_t n;                  /* rows of V, U and M */
  size_t u_row, v_row, m_row; /* from one of n to the next */
  size_t mixed, u, window, v, products, total;
} toomcook_depthwise_layout;

static toomcook_depthwise_layout toomcook_depthwise_layout_of(const geometry *shape) {
  const size_t taps = (size_t)shape->Rh * shape->Rh;
  toomcook_depthwise_layout layout = {.n = shape->Rh + TOOM_TILE - 1, .u_row = (size_t)shape->Rh * LANES};
  /* A cache line more, so that the n rows do not share cache sets; inner/rows_few_taps.h goes beyond a row by
   * less. */
  layout.v_row = round_up((size_t)shape->W + (size_t)shape->left + (size_t)shape->right, 16) + 16;
  layout.m_row = round_up((size_t)shape->Wo, 16) + 16;
  layout.mixed = 0;
  layout.u = layout.mixed + round_up(taps * LANES, 16);
  layout.window = layout.u + layout.n * layout.u_row;
  layout.v = layout.window + round_up((size_t)layout.n * shape->W, 16);
  layout.products = layout.v + layout.n * layout.v_row;
  layout.total = layout.products + layout.n * layout.m_row;
  return layout;
}

/* One output channel. Returns false if the watch over the input does not hold. */
static bool toomcook_depthwise_convolve_channel(const convolution *work,
                                                const toomcook_depthwise_layout *layout, const toomcook *toom,
                                                const float *x, const float *u, float bias, float *y,
                                                float *space) {
  const geometry *shape = work->shape;
  float *v = space + layout->v, *products = space + layout->products;
  for (int32_t row = work->first_row; row < work->end_row; row += TOOM_TILE) {
    /* Transform the input rows of four output rows. */
    const int32_t oy = toomcook_first_row(row, work->first_row, work->end_row);
    const window input =
        pad_window(x, shape->H, shape->W, oy - shape->top, 0, layout->n, shape->W, space + layout->window);
    const v128_t watch =
        toomcook_inputs(toom, input.data, input.row, shape->W, v + shape->left, layout->v_row);
    if (!watch_holds(watch)) return false;

    /* Convolve each of the n rows with its taps. */
    rows_few_taps_convolve(&(rows_few_taps){.input = v,
                                            .input_row = layout->v_row,
                                            .weight = u,
                                            .rows = layout->n,
                                            .channels = 1,
                                            .R = shape->Rh,
                                            .columns = shape->Wo,
                                            .y = products,
                                            .y_row = layout->m_row});

    /* Transform back. */
    toomcook_outputs(toom, products, layout->m_row, NULL, bias, &work->steps->clamp, shape->Wo,
                     min_i32(TOOM_TILE, work->end_row - oy), y + (size_t)oy * shape->Wo, (size_t)shape->Wo);
  }
  return true;
}

static void toomcook_depthwise_convolve(const convolution *work) {
  const geometry *shape = work->shape;
  const packed_kernels *kernels = work->kernels;
  const toomcook_depthwise_layout layout = toomcook_depthwise_layout_of(shape);
  const toomcook toom = toomcook_for(shape->Rh);
  const int32_t multiplier = shape->O / shape->G;
  float *space = work->workspace, *mixed = space + layout.mixed, *u = space + layout.u;
  assert_work(&toomcook_depthwise_algorithm, work);

  /* Columns of padding are zeros, and so are their transforms: margins of V that are written once. */
  memset(space + layout.v, 0, sizeof(float) * layout.n * layout.v_row);

  for (int32_t block = work->first_block; block < work->end_block; block++) {
    /* Mix the kernels of eight output channels and transform them, one column of taps at a time. */
    const channel_block channels = kernels_block(kernels, block);
    float bias[LANES];
    const float *weight = convolution_kernels(work, block, 0, kernels->depth, mixed);
    convolution_bias(work, block, bias);
    for (int32_t q = 0; q < shape->Rh; q++)
      toomcook_kernels(&toom, weight + q * LANES, (size_t)shape->Rh * LANES, u + q * LANES, layout.u_row);

    /* Convolve each channel with its input channel. */
    for (int32_t lane = 0; lane < channels.count; lane++) {
      const int32_t o = channels.first + lane;
      const float *x = work->x + (o / multiplier) * work->x_channel;
      float *y = work->y + o * work->y_channel;
      if (!toomcook_depthwise_convolve_channel(work, &layout, &toom, x, u + lane, bias[lane], y, space)) {
        depthwise_algorithm.convolve(work);
        return;
      }
      convolution_finish(work, o, (size_t)work->first_row * shape->Wo,
                         (size_t)(work->end_row - work->first_row) * shape->Wo);
    }
  }
}

/* Also what depthwise convolution needs, if the watch does not hold. */
static uint64_t toomcook_depthwise_workspace(const geometry *shape) {
  return max_u64((uint64_t)sizeof(float) * toomcook_depthwise_layout_of(shape).total,
                 depthwise_algorithm.workspace(shape));
}

static bool toomcook_depthwise_covers(const geometry *shape) {
  return shape->C == shape->G && geometry_is_uniform(shape) &&
         (shape->Rh == 5 || shape->Rh == 7 || shape->Rh == 9) && shape->stride_h == 1 &&
         shape->dilation_h == 1 && shape->W >= LEAST_COLUMNS;
}

/* Short rows are faster without transforms: at 13 columns this is 1.06 (R = 5) to 1.22 times (R = 9) as fast
 * as depthwise convolution, at 8 columns 0.82 to 0.87 times. */
static double toomcook_depthwise_cost(const geometry *shape) {
  return shape->G > 1 && shape->Ho >= TOOM_TILE && shape->Wo >= 13 ? ALWAYS : NEVER;
}

const algorithm toomcook_depthwise_algorithm = {.id = DK_ALGORITHM_TOOMCOOK_DEPTHWISE,
                                                .name = "toomcook_depthwise",
                                                .family = DK_ALGORITHM_TOOMCOOK,
                                                .tile = TOOM_TILE,
                                                .prefix = PREFIX_SCALE | PREFIX_CLAMP,
                                                .specialised = true,
                                                .covers = toomcook_depthwise_covers,
                                                .cost = toomcook_depthwise_cost,
                                                .workspace = toomcook_depthwise_workspace,
                                                .convolve = toomcook_depthwise_convolve};
