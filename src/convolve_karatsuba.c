/* 3x3 convolution with stride 2, no dilation, any groups but depthwise, for few channels: two output
 * rows at a time, from five row products instead of six.
 *
 * Even input rows e meet the outer rows of taps g0 and g2, odd ones o the middle row g1:
 *
 *     y0 = g0 e0 + g1 o0 + g2 e1 = (g0 + g2) e1 + g0 (e0 - e1) + g1 o0
 *     y1 = g0 e1 + g1 o1 + g2 e2 = (g0 + g2) e1 + g2 (e2 - e1) + g1 o1
 *
 * which is F(2, 2) (Karatsuba & Ofman 1962, transposed). Outputs need no transform: both rows start
 * from the sum that they share. Along the rows the convolution stays direct. For each sample and
 * group:
 *
 *   1. kernels   U[blocks][15 C/G][8]       mixed; the taps of the shared sum, of y0, of y1
 *   2. for each pair of output rows
 *      a. inputs   rows[C/G][5][2][width]   e0 - e1, o0, e1, o1, e2 - e1, padded, and split into
 *                                           even and odd columns as in pad.h
 *      b. outputs  y                        four output channels by eight columns at a time
 *
 * As in convolve_winograd.c, a sample that is not finite, or huge, is convolved directly. */
#include "convolution.h"
#include "pad.h"
#include "small.h"
#include "taps.h"

enum {
  COLUMNS = 8, CHANNELS = 4, /* of a register block of outputs */
  TAPS = 15,                 /* of an input channel */
  INPUT_ROWS = 5,            /* of a pair of output rows */
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
typedef struct layout {
  int32_t channels, width, row; /* C/G; floats of a phase; of a row, both phases */
  size_t channel, u_block;      /* from an input channel to the next, from a block to the next */
  size_t offset, mixed, u, bias, rows, total;
} layout;

SMALL static layout plan(const geometry *s) {
  const int32_t channels = s->C / s->G, blocks = (s->O / s->G - 1) / LANES + 1;
  layout t = {.channels = channels, .width = round_up_i32(s->Wo + 2, 2)};
  t.row = 2 * t.width;
  t.channel = (size_t)INPUT_ROWS * t.row;
  t.u_block = (size_t)TAPS * channels * LANES;
  t.offset = 0;
  t.mixed = round_up((size_t)TAPS * channels, 16);
  t.u = t.mixed + round_up((size_t)channels * 9 * LANES, 16);
  t.bias = t.u + blocks * t.u_block;
  t.rows = t.bias + round_up((size_t)blocks * LANES, 16);
  t.total = t.rows + channels * t.channel;
  return t;
}

/* offset [15 C/G]: where the input of each of U's taps stands, for the first column. */
SMALL static void fill_offsets(const layout *t, int32_t *offset) {
  for (int i = 0; i < SUMS; i++)
    for (int32_t c = 0; c < t->channels; c++)
      for (int k = 0; k < sums[i].count; k++)
        for (int32_t q = 0; q < 3; q++)
          *offset++ =
              (int32_t)(c * t->channel) + sums[i].input[k] * t->row + q % 2 * t->width + q / 2;
}

/* U of one block from its mixed kernels [C/G, 3, 3, 8]. */
SMALL static void order_taps(int32_t channels, const float *mixed, float *u) {
  for (int i = 0; i < SUMS; i++)
    for (int32_t c = 0; c < channels; c++)
      for (int k = 0; k < sums[i].count; k++) {
        const float *from = mixed + (c * 9 + sums[i].taps[k] * 3) * LANES;
        for (int32_t j = 0; j < 3 * LANES; j += 4, u += 4) {
          const v128_t tap = wasm_v128_load(from + j);
          wasm_v128_store(u, i ? tap : wasm_f32x4_add(tap, wasm_v128_load(from + 6 * LANES + j)));
        }
      }
}

/* The input rows of the pair of output rows from oy on, of one channel x [H, W]. Returns a watch
 * (simd.h) over the even ones. */
SMALL static v128_t fill_rows(const geometry *s, const layout *t, const float *x, int32_t oy,
                              float *rows) {
  pad_rows(x, s->H, s->W, s->padding, 2 * oy, INPUT_ROWS, 2, t->width, rows);
  v128_t watch = wasm_f32x4_splat(0);
  const float *middle = rows + 2 * t->row;
  float *first = rows, *third = rows + 4 * t->row;
  for (const float *end = first + t->row; first != end; first += 4, middle += 4, third += 4) {
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
typedef struct pair_lanes {
  const int32_t *offset;
  int32_t channels;      /* C/G */
  int32_t rows, lanes;   /* 1 or 2; 1 to 4 */
  const float *u, *bias; /* of the first output channel */
  float *y;
  size_t y_plane, y_row;
} pair_lanes;

/* COLUMNS columns; input and y are the first one's. Apart from convolve, which is compiled for size. */
APART static void convolve_columns(const pair_lanes *b, const float *input, float *y) {
  const int32_t shared = 3 * b->channels, own = 6 * b->channels;
  const int32_t *offset = b->offset;
  const float *u = b->u;
  tap_sums start, sum;
  for (int m = 0; m < CHANNELS; m++)
    start[m][0] = start[m][1] = wasm_v128_load32_splat(b->bias + m);
  add_taps(CHANNELS, COLUMNS / 4, input, offset, u, shared, start);
  offset += shared, u += shared * LANES;
#pragma clang loop unroll(disable)
  for (int32_t row = 0; row < b->rows; row++, offset += own, u += own * LANES, y += b->y_row) {
    for (int m = 0; m < CHANNELS; m++) sum[m][0] = start[m][0], sum[m][1] = start[m][1];
    add_taps(CHANNELS, COLUMNS / 4, input, offset, u, own, sum);
    float *to = y;
    for (int m = 0; m < CHANNELS && m < b->lanes; m++, to += b->y_plane) {
      wasm_v128_store(to, sum[m][0]);
      wasm_v128_store(to + 4, sum[m][1]);
    }
  }
}

SMALL static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const layout t = plan(s);
  float *space = work->workspace, *u = space + t.u, *bias = space + t.bias;
  int32_t *offset = (int32_t *)(space + t.offset);
  fill_offsets(&t, offset);

  for (int32_t g = first_group(work); g < end_group(work); g++) {
    const int32_t first_block = group_first_block(work, g), end_block = group_end_block(work, g);
    for (int32_t block = first_block; block < end_block; block++) {
      kernels_mix(work->kernels, block, 0, work->kernels->depth, work->a, space + t.mixed);
      kernels_mix_bias(work->kernels, block, work->bias, work->a,
                       bias + (block - first_block) * LANES);
      order_taps(t.channels, space + t.mixed, u + (block - first_block) * t.u_block);
    }
    const float *x = work->x + (size_t)g * t.channels * s->H * s->W;
    for (int32_t oy = work->first_row; oy < work->end_row; oy += 2) {
      v128_t watch = wasm_f32x4_splat(0);
      for (int32_t c = 0; c < t.channels; c++)
        watch = wasm_f32x4_add(watch, fill_rows(s, &t, x + (size_t)c * s->H * s->W, oy,
                                                space + t.rows + c * t.channel));
      if (!watch_holds(watch)) {
        direct_algorithm.convolve(work);
        return;
      }
      pair_lanes b = {.offset = offset,
                      .channels = t.channels,
                      .rows = min_i32(2, work->end_row - oy),
                      .y_plane = (size_t)s->Ho * s->Wo,
                      .y_row = (size_t)s->Wo};
      for (int32_t block = first_block; block < end_block; block++) {
        const channel_block o = kernels_block(work->kernels, block);
        for (int32_t lane = 0; lane < o.count; lane += CHANNELS) {
          b.lanes = min_i32(CHANNELS, o.count - lane);
          b.u = u + (block - first_block) * t.u_block + lane;
          b.bias = bias + (block - first_block) * LANES + lane;
          b.y = work->y + (o.first + lane) * b.y_plane + (size_t)oy * s->Wo;
          for (int32_t column = 0; column < s->Wo; column += COLUMNS) {
            const int32_t from =
                min_i32(column, s->Wo - COLUMNS); /* the last block ends with the row */
            convolve_columns(&b, space + t.rows + from, b.y + from);
          }
        }
      }
    }
  }
}

/* Also what direct convolution needs, should the watch not hold. */
static uint64_t workspace(const geometry *s) {
  return max_u64((uint64_t)sizeof(float) * plan(s).total, direct_algorithm.workspace(s));
}

static bool covers(const geometry *s) {
  return s->R == 3 && s->stride == 2 && s->dilation == 1 && s->Wo >= COLUMNS &&
         direct_algorithm.covers(s);
}

SMALL static double cost(const geometry *s) {
  const double C = s->C / s->G, pairs = (s->Ho - 1) / 2 + 1, vectors = (s->Wo - 1) / 4 + 1;
  const double additions = round_up_i32(s->Wo, COLUMNS) / 4 * round_up_i32(s->O / s->G, CHANNELS);
  const double inputs = 70 * C * vectors;
  return pairs * (inputs + additions * (TAPS * C + 4));
}

const algorithm karatsuba_algorithm = {DK_ALGORITHM_TOOMCOOK, 2, covers, cost, workspace, convolve, false};
