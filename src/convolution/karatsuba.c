/* 3x3 convolution with stride 2, no dilation, any groups but depthwise, for few channels: two output rows at
 * a time, from five row products instead of six.
 *
 * Even input rows e meet the outer rows of taps g0 and g2, odd ones o the middle row g1:
 *
 *     y0 = g0 e0 + g1 o0 + g2 e1 = (g0 + g2) e1 + g0 (e0 - e1) + g1 o0
 *     y1 = g0 e1 + g1 o1 + g2 e2 = (g0 + g2) e1 + g2 (e2 - e1) + g1 o1
 *
 * which is F(2, 2) (Karatsuba & Ofman 1962, transposed). Both rows start from the sum that they share; along
 * the rows the convolution stays direct. For each sample and group:
 *
 *   1. kernels   U[blocks][15 C/G][8]       mixed; the taps of the shared sum, of y0, of y1
 *   2. for each pair of output rows
 *      a. inputs   rows[C/G][5][2][width]   e0 - e1, o0, e1, o1, e2 - e1, padded, split as in inner/pad.h
 *      b. outputs  y                        four output channels by eight columns at a time
 *
 * A sample that is not finite, or huge, is convolved directly (base/simd.h: a watch). */
#include "base/attributes.h"
#include "convolution/convolution.h"
#include "convolution/costs.h"
#include "inner/pad.h"
#include "inner/taps.h"

enum {
  COLUMNS = 8,
  CHANNELS = 4,   /* of a register block of outputs */
  TAPS = 15,      /* of an input channel */
  INPUT_ROWS = 5, /* of a pair of output rows */
};

/* The sums of a pair, in U's order: which rows of taps meet which rows of input. */
enum { SUMS = 3 };
static const struct {
  int32_t count, input[2], taps[2];
} sums[SUMS] = {
    {1, {2}, {0}}, /* shared: its taps are g0 + g2 */
    {2, {0, 1}, {0, 1}},
    {2, {4, 3}, {2, 1}},
};

/* The workspace's layout, in floats. */
typedef struct karatsuba_layout {
  int32_t channels;        /* C/G */
  int32_t width, row;      /* floats of a phase; of a row, both phases */
  size_t channel, u_block; /* from an input channel to the next, from a block to the next */
  size_t offset, mixed, u, bias, rows, total;
} karatsuba_layout;

SMALL static karatsuba_layout karatsuba_layout_of(const geometry *shape) {
  const int32_t channels = shape->C / shape->G, blocks = (shape->O / shape->G - 1) / LANES + 1;
  karatsuba_layout layout = {.channels = channels, .width = round_up_i32(shape->Wo + 2, 2)};
  layout.row = 2 * layout.width;
  layout.channel = (size_t)INPUT_ROWS * layout.row;
  layout.u_block = (size_t)TAPS * channels * LANES;
  layout.offset = 0;
  layout.mixed = round_up((size_t)TAPS * channels, 16);
  layout.u = layout.mixed + round_up((size_t)channels * 9 * LANES, 16);
  layout.bias = layout.u + blocks * layout.u_block;
  layout.rows = layout.bias + round_up((size_t)blocks * LANES, 16);
  layout.total = layout.rows + channels * layout.channel;
  return layout;
}

/* offset [15 C/G]: where the input of each of U's taps is, for the first column. */
SMALL static void karatsuba_fill_offsets(const karatsuba_layout *layout, int32_t *offset) {
  for (int i = 0; i < SUMS; i++)
    for (int32_t c = 0; c < layout->channels; c++)
      for (int k = 0; k < sums[i].count; k++)
        for (int32_t q = 0; q < 3; q++)
          *offset++ =
              (int32_t)(c * layout->channel) + sums[i].input[k] * layout->row + q % 2 * layout->width + q / 2;
}

/* U of one block from its mixed kernels [C/G, 3, 3, 8]. */
SMALL static void karatsuba_order_taps(int32_t channels, const float *mixed, float *u) {
  for (int i = 0; i < SUMS; i++)
    for (int32_t c = 0; c < channels; c++)
      for (int k = 0; k < sums[i].count; k++) {
        /* Copy a row of three taps; for the shared sum add g2 to g0. */
        const float *taps = mixed + (c * 9 + sums[i].taps[k] * 3) * LANES;
        for (int32_t j = 0; j < 3 * LANES; j += 4, u += 4) {
          const v128_t tap = wasm_v128_load(taps + j);
          wasm_v128_store(u, i ? tap : wasm_f32x4_add(tap, wasm_v128_load(taps + 6 * LANES + j)));
        }
      }
}

/* The input rows of the pair of output rows from oy on, of one channel x [H, W]. Returns a watch
 * (base/simd.h) over the even ones. */
SMALL static v128_t karatsuba_fill_rows(const geometry *shape, const karatsuba_layout *layout, const float *x,
                                        int32_t oy, float *rows) {
  /* Write the five rows out with their padding: e0, o0, e1, o1, e2. */
  pad_rows(x, shape->H, shape->W, 2 * oy - shape->top, -shape->left, INPUT_ROWS, 2, layout->width, rows);

  /* Replace e0 by e0 - e1, and e2 by e2 - e1. */
  v128_t watch = wasm_f32x4_splat(0);
  const float *middle = rows + 2 * layout->row;
  float *first = rows, *third = rows + 4 * layout->row;
  for (const float *end = first + layout->row; first != end; first += 4, middle += 4, third += 4) {
    const v128_t e1 = wasm_v128_load(middle);
    const v128_t upper = wasm_f32x4_sub(wasm_v128_load(first), e1);
    const v128_t lower = wasm_f32x4_sub(wasm_v128_load(third), e1);
    wasm_v128_store(first, upper);
    wasm_v128_store(third, lower);
    watch = wasm_f32x4_add(watch, wasm_f32x4_add(upper, lower));
  }
  return watch;
}

/* Some output channels of a pair of rows. */
typedef struct karatsuba_lanes {
  const int32_t *offset;
  int32_t channels;      /* C/G */
  int32_t rows, lanes;   /* 1 or 2; 1 to 4 */
  const float *u, *bias; /* of the first output channel */
  float *y;
  size_t y_plane, y_row;
  clamp clamp;
} karatsuba_lanes;

/* COLUMNS columns; input and y are the first one's. Apart from karatsuba_convolve, which is compiled for
 * size. */
APART static void karatsuba_convolve_columns(const karatsuba_lanes *some, const float *input, float *y) {
  const int32_t shared_taps = 3 * some->channels, row_taps = 6 * some->channels;
  const int32_t *offset = some->offset;
  const float *u = some->u;
  tap_sums start, sum;

  /* The sum that both rows share, with the bias. */
  for (int m = 0; m < CHANNELS; m++) start[m][0] = start[m][1] = wasm_v128_load32_splat(some->bias + m);
  add_taps(CHANNELS, COLUMNS / 4, input, offset, u, shared_taps, start);
  offset += shared_taps;
  u += shared_taps * LANES;

#pragma clang loop unroll(disable)
  for (int32_t row = 0; row < some->rows;
       row++, offset += row_taps, u += row_taps * LANES, y += some->y_row) {
    /* Add what only this row has, and store it. */
    for (int m = 0; m < CHANNELS; m++) {
      sum[m][0] = start[m][0];
      sum[m][1] = start[m][1];
    }
    add_taps(CHANNELS, COLUMNS / 4, input, offset, u, row_taps, sum);
    if (some->clamp.used) {
      const v128_t low = wasm_f32x4_splat(some->clamp.low), high = wasm_f32x4_splat(some->clamp.high);
      for (int m = 0; m < CHANNELS; m++)
        for (int j = 0; j < COLUMNS / 4; j++) sum[m][j] = clamp_vector(sum[m][j], low, high);
    }
    float *out = y;
    for (int m = 0; m < CHANNELS && m < some->lanes; m++, out += some->y_plane) {
      wasm_v128_store(out, sum[m][0]);
      wasm_v128_store(out + 4, sum[m][1]);
    }
  }
}

SMALL static void karatsuba_convolve(const convolution *work) {
  const geometry *shape = work->shape;
  const karatsuba_layout layout = karatsuba_layout_of(shape);
  float *space = work->workspace, *u = space + layout.u, *bias = space + layout.bias;
  int32_t *offset = (int32_t *)(space + layout.offset);
  assert_work(&karatsuba_algorithm, work);
  karatsuba_fill_offsets(&layout, offset);

  for (int32_t g = first_group(work); g < end_group(work); g++) {
    /* Mix the kernels of all blocks, and order their taps by sums. */
    const int32_t first_block = group_first_block(work, g), end_block = group_end_block(work, g);
    for (int32_t block = first_block; block < end_block; block++) {
      const float *weight = convolution_kernels(work, block, 0, work->kernels->depth, space + layout.mixed);
      convolution_bias(work, block, bias + (block - first_block) * LANES);
      karatsuba_order_taps(layout.channels, weight, u + (block - first_block) * layout.u_block);
    }

    const float *x = work->x + (size_t)g * layout.channels * work->x_channel;
    for (int32_t oy = work->first_row; oy < work->end_row; oy += 2) {
      /* Prepare the input rows of a pair of output rows, all channels. */
      v128_t watch = wasm_f32x4_splat(0);
      for (int32_t c = 0; c < layout.channels; c++) {
        const float *plane = x + c * work->x_channel;
        float *rows = space + layout.rows + c * layout.channel;
        watch = wasm_f32x4_add(watch, karatsuba_fill_rows(shape, &layout, plane, oy, rows));
      }
      if (!watch_holds(watch)) {
        direct_algorithm.convolve(work);
        return;
      }

      karatsuba_lanes some = {.offset = offset,
                              .channels = layout.channels,
                              .rows = min_i32(2, work->end_row - oy),
                              .y_plane = work->y_channel,
                              .y_row = (size_t)shape->Wo,
                              .clamp = work->steps->clamp};
      for (int32_t block = first_block; block < end_block; block++) {
        const channel_block channels = kernels_block(work->kernels, block);
        for (int32_t lane = 0; lane < channels.count; lane += CHANNELS) {
          some.lanes = min_i32(CHANNELS, channels.count - lane);
          some.u = u + (block - first_block) * layout.u_block + lane;
          some.bias = bias + (block - first_block) * LANES + lane;
          some.y = work->y + (channels.first + lane) * some.y_plane + (size_t)oy * shape->Wo;
          for (int32_t column = 0; column < shape->Wo; column += COLUMNS) {
            /* The last block ends with the row, and computes some columns again. */
            const int32_t first = min_i32(column, shape->Wo - COLUMNS);
            karatsuba_convolve_columns(&some, space + layout.rows + first, some.y + first);
          }
        }
        convolution_finish_rows(work, channels, oy, some.rows);
      }
    }
  }
}

/* Also what direct convolution needs, if the watch does not hold. */
static uint64_t karatsuba_workspace(const geometry *shape) {
  return max_u64((uint64_t)sizeof(float) * karatsuba_layout_of(shape).total,
                 direct_algorithm.workspace(shape));
}

static bool karatsuba_covers(const geometry *shape) {
  return geometry_is_uniform(shape) && shape->Rh == 3 && shape->stride_h == 2 && shape->dilation_h == 1 &&
         shape->Wo >= COLUMNS && direct_algorithm.covers(shape);
}

SMALL static double karatsuba_cost(const geometry *shape) {
  const double C = shape->C / shape->G, pairs = (shape->Ho - 1) / 2 + 1, vectors = (shape->Wo - 1) / 4 + 1;
  const int32_t columns = round_up_i32(shape->Wo, COLUMNS), O = round_up_i32(shape->O / shape->G, CHANNELS);
  const double blocks = columns / 4 * O;
  const double inputs = KARATSUBA_INPUTS * C * vectors;
  return pairs * (inputs + KARATSUBA_TAP * blocks * TAPS * C);
}

const algorithm karatsuba_algorithm = {.id = DK_ALGORITHM_KARATSUBA,
                                       .name = "karatsuba",
                                       .family = DK_ALGORITHM_TOOMCOOK,
                                       .tile = 2,
                                       .prefix = PREFIX_SCALE | PREFIX_CLAMP,
                                       .covers = karatsuba_covers,
                                       .cost = karatsuba_cost,
                                       .workspace = karatsuba_workspace,
                                       .convolve = karatsuba_convolve};
