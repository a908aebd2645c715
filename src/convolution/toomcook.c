/* Toom-Cook convolution along the columns, F(4, R): R = 5 or 7, stride 1 or 2, no dilation, any groups but
 * depthwise; and R = 3 at stride 1, for channels so few that Winograd's two-dimensional tiles cost more than
 * they save.
 *
 * Four output rows are computed from n = R + 3 input rows, transformed down the columns; along the rows the
 * convolution stays direct. Products are 11 rather than 20 rows (R = 5), 13 rather than 28 (R = 7). At stride
 * 2 there are two phases: the even of n = R + 6 input rows meet the even taps of a column, the odd rows the
 * odd taps, each as at stride 1, and their outputs are added up. For each sample and group:
 *
 *   1. kernels   U[blocks][n][C/G][R][8]   mixed, transformed, all of them
 *   2. for every four output rows and chunk of columns:
 *      a. inputs    V[C/G][n][chunk]        padded, transformed
 *      and for every one or four output channels:
 *      b. products  M[n][1 or 4][chunk]     each row of n convolved directly with R taps
 *      c. outputs   y                       transformed back, bias added
 *
 * A sample that is not finite, or huge, is convolved directly (base/simd.h: a watch). */
#include <string.h>

#include "base/attributes.h"
#include "convolution/convolution.h"
#include "convolution/costs.h"
#include "convolution/direct.h"
#include "inner/pad.h"
#include "inner/rows_direct.h"
#include "inner/rows_few_taps.h"
#include "inner/toomcook_1d.h"

enum {
  LEAST_CHUNK = 64,             /* output columns */
  MOST_CHUNK = 512,             /* the longer, the fewer places to which outputs are stored at a time */
  V_FLOATS = 16384,             /* of a chunk: half as many are no faster */
  MOST_U = 2 * 1024 * 1024 / 4, /* floats */
  CACHE_LINE = 16,              /* floats; more than inner/rows_few_taps.h goes beyond a row */
};

/* The workspace's layout, in floats. */
typedef struct toomcook_layout {
  int32_t n;               /* rows of V, U and M, of both phases */
  int32_t chunk;           /* output columns of a chunk */
  int32_t width;           /* of a row of V, or of a phase of it at stride 2: a chunk with its halo */
  int32_t lanes;           /* output channels multiplied at a time: 1 or 4 */
  size_t v_row, v_channel; /* from a row of V to the next, from a channel to the next */
  size_t m_plane, m_row;   /* from an output channel of M to the next, from a row of M to the next */
  size_t u_row, u_block;   /* from one of n to the next, from a block to the next */
  size_t offset, mixed, u, bias, padded, v, products, total;
} toomcook_layout;

/* Some output channels of a chunk. */
typedef struct toomcook_lanes {
  int32_t R, stride, channels, lanes, rows, columns; /* C/G; output channels, rows and columns */
  const int32_t *offset;                             /* [C/G, R] */
  const float *v, *u, *bias;                         /* of the first output channel */
  float *products, *y;
  size_t y_plane, y_row;
  const clamp *bounds;
} toomcook_lanes;

static toomcook_layout toomcook_layout_of(const geometry *shape) {
  const int32_t channels = shape->C / shape->G, R = shape->Rh, stride = shape->stride_h;
  const int32_t blocks = (shape->O / shape->G - 1) / LANES + 1;
  toomcook_layout layout = {.n = R + (TOOM_TILE - 1) * stride};

  /* Chunks of equal width, as wide as the caches hold. */
  const int32_t fitting = V_FLOATS / (channels * layout.n * stride);
  const int32_t most = min_i32(max_i32(fitting, LEAST_CHUNK), MOST_CHUNK);
  const int32_t chunks = (shape->Wo - 1) / most + 1;
  layout.chunk = round_up_i32((shape->Wo - 1) / chunks + 1, 4);
  layout.width = round_up_i32(max_i32(layout.chunk, DIRECT_COLUMNS) + (R - 1) / stride, 4);
  layout.lanes = stride == 1 && rows_few_taps_pay(channels, R) ? 1 : 4;

  layout.v_row = (size_t)stride * layout.width;
  layout.v_channel = layout.n * layout.v_row;
  layout.m_plane =
      (size_t)layout.width + CACHE_LINE; /* no power of two, so that rows do not share cache sets */
  layout.m_row = layout.lanes * layout.m_plane;
  layout.u_row = (size_t)channels * R * LANES;
  layout.u_block = layout.n * layout.u_row;

  layout.offset = 0;
  layout.mixed = round_up((size_t)channels * R, 16);
  layout.u = layout.mixed + round_up((size_t)channels * R * R * LANES, 16);
  layout.bias = layout.u + blocks * layout.u_block;
  layout.padded = layout.bias + round_up((size_t)blocks * LANES, 16);
  layout.v = layout.padded + round_up(layout.v_channel, 16);
  layout.products = layout.v + round_up(channels * layout.v_channel, 16) + 16;
  layout.total = layout.products + layout.n * layout.m_row;
  return layout;
}

/* U and the mixed biases of some blocks of one group. toom [stride], here and below: of each phase. */
static void toomcook_transform_kernels(const convolution *work, const toomcook_layout *layout,
                                       const toomcook *toom, int32_t first_block, int32_t blocks,
                                       float *space) {
  const geometry *shape = work->shape;
  const int32_t R = shape->Rh, channels = shape->C / shape->G;
  for (int32_t i = 0; i < blocks; i++) {
    /* Mix the kernels and biases of eight output channels. */
    const float *weight =
        convolution_kernels(work, first_block + i, 0, work->kernels->depth, space + layout->mixed);
    convolution_bias(work, first_block + i, space + layout->bias + (size_t)i * LANES);

    /* Transform each column q of taps of each input channel: phase p has the taps p, p + stride, ... */
    float *u = space + layout->u + i * layout->u_block;
    for (int32_t c = 0; c < channels; c++)
      for (int32_t q = 0; q < R; q++) {
        float *row = u + ((size_t)c * R + q) * LANES;
        for (int32_t phase = 0; phase < shape->stride_h; phase++) {
          toomcook_kernels(&toom[phase], weight + (((size_t)c * R + phase) * R + q) * LANES,
                           (size_t)shape->stride_h * R * LANES, row, layout->u_row);
          row += toom[phase].n * layout->u_row;
        }
      }
  }
}

/* One channel's V at stride 1, for output rows oy .. oy + 3 and columns from ox on. Columns beyond the image
 * are zero, before the transform as after it. Returns a watch (base/simd.h) over its inputs. */
static v128_t toomcook_transform_inputs(const geometry *shape, const toomcook_layout *layout,
                                        const toomcook *toom, const float *x, int32_t oy, int32_t ox,
                                        float *padded, float *v) {
  /* Columns begin .. end - 1 of V are within the image, 4 of them or more, or none. */
  const int32_t left = ox - shape->left; /* the column of x that column 0 of V is */
  const int32_t begin = min_i32(max_i32(-left, 0), layout->width - 4);
  const int32_t end = max_i32(min_i32(shape->W - left, layout->width), begin);

  /* Zero the columns on both sides. What is written beyond the end of a row is overwritten by the next. */
  const v128_t zero = wasm_f32x4_splat(0);
  float *row = v;
  for (int32_t i = 0; i < layout->n; i++, row += layout->width) {
    for (int32_t j = 0; j < begin; j += 4) wasm_v128_store(row + j, zero);
    for (int32_t j = end; j < layout->width; j += 4) wasm_v128_store(row + j, zero);
  }
  if (begin == end) return zero;

  /* Transform the columns between. */
  const int32_t columns = max_i32(end - begin, 4);
  const window input =
      pad_window(x, shape->H, shape->W, oy - shape->top, left + begin, layout->n, columns, padded);
  return toomcook_inputs(toom, input.data, input.row, columns, v + begin, (size_t)layout->width);
}

/* The same at stride 2, where each row of V has its even columns before its odd ones (inner/pad.h). */
static v128_t toomcook_transform_phases(const geometry *shape, const toomcook_layout *layout,
                                        const toomcook *toom, const float *x, int32_t oy, int32_t ox,
                                        float *padded, float *v) {
  const int32_t row = (int32_t)layout->v_row;
  /* A last row that no output reads is left out: it could be so large that outputs lose their last digits to
   * it. */
  const int32_t read = min_i32(shape->H, 2 * (shape->Ho - 1) + shape->Rh - shape->top);
  pad_rows(x, read, shape->W, 2 * oy - shape->top, 2 * ox - shape->left, layout->n, 2, layout->width, padded);
  const v128_t even = toomcook_inputs(&toom[0], padded, 2 * row, row, v, layout->v_row);
  const v128_t odd =
      toomcook_inputs(&toom[1], padded + row, 2 * row, row, v + toom[0].n * layout->v_row, layout->v_row);
  return wasm_f32x4_add(even, odd);
}

/* Some output channels of a block, multiplied and transformed back. */
static void toomcook_convolve_lanes(const toomcook_layout *layout, const toomcook *toom,
                                    const toomcook_lanes *some) {
  /* Convolve each of the n rows with its taps. */
  if (layout->lanes == 1)
    rows_few_taps_convolve(&(rows_few_taps){.input = some->v,
                                            .input_row = layout->v_row,
                                            .input_channel = layout->v_channel,
                                            .weight = some->u,
                                            .rows = layout->n,
                                            .channels = some->channels,
                                            .R = some->R,
                                            .columns = some->columns,
                                            .y = some->products,
                                            .y_row = layout->m_row});
  else
    for (int32_t i = 0; i < layout->n; i++)
      rows_direct_convolve(&(rows_direct){.input = some->v + i * layout->v_row,
                                          .taps = some->channels * some->R,
                                          .offset = some->offset,
                                          .weight = some->u + i * layout->u_row,
                                          .y = some->products + i * layout->m_row,
                                          .y_plane = layout->m_plane,
                                          .rows = 1,
                                          .Wo = max_i32(some->columns, DIRECT_COLUMNS)},
                           some->lanes);

  for (int32_t lane = 0; lane < some->lanes; lane++) {
    float *products = some->products + lane * layout->m_plane, *odd = NULL;
    /* At stride 2, transform the odd phase back first, in place. */
    if (some->stride == 2) {
      odd = products + toom->n * layout->m_row;
      toomcook_outputs(&toom[1], odd, layout->m_row, NULL, 0, NULL, round_up_i32(some->columns, 4), TOOM_TILE,
                       odd, layout->m_row);
    }
    /* Transform back; add the odd phase and the bias. */
    toomcook_outputs(toom, products, layout->m_row, odd, some->bias[lane], some->bounds, some->columns,
                     some->rows, some->y + lane * some->y_plane, some->y_row);
  }
}

static void toomcook_convolve(const convolution *work) {
  const geometry *shape = work->shape;
  const toomcook_layout layout = toomcook_layout_of(shape);
  const toomcook toom[2] = {toomcook_for((shape->Rh - 1) / shape->stride_h + 1),
                            toomcook_for(shape->Rh / shape->stride_h)};
  const int32_t channels = shape->C / shape->G;
  float *space = work->workspace, *v = space + layout.v;
  assert_work(&toomcook_algorithm, work);

  /* Clear M and what is behind V's last row: columns beyond a row's end are computed with what is there,
   * which could be subnormal numbers, on which processors are slow. */
  float *const behind = v + channels * layout.v_channel;
  memset(behind, 0, sizeof(float) * (size_t)(space + layout.total - behind));

  /* Where each tap's input is, [C/G, R]: one loop over all taps is fastest. */
  int32_t *offset = (int32_t *)(space + layout.offset);
  for (int32_t c = 0; c < channels; c++)
    for (int32_t q = 0; q < shape->Rh; q++)
      offset[c * shape->Rh + q] =
          (int32_t)(c * layout.v_channel) + q % shape->stride_h * layout.width + q / shape->stride_h;

  for (int32_t g = first_group(work); g < end_group(work); g++) {
    const int32_t first_block = group_first_block(work, g);
    const int32_t blocks = group_end_block(work, g) - first_block;
    toomcook_transform_kernels(work, &layout, toom, first_block, blocks, space);

    /* For every four output rows; the last four end with the work. */
    for (int32_t row = work->first_row; row < work->end_row; row += TOOM_TILE) {
      const int32_t oy = toomcook_first_row(row, work->first_row, work->end_row);
      for (int32_t ox = 0; ox < shape->Wo; ox += layout.chunk) {
        /* Transform the inputs of a chunk of columns, all channels. */
        v128_t watch = wasm_f32x4_splat(0);
        for (int32_t c = 0; c < channels; c++) {
          const float *x = work->x + (g * channels + c) * work->x_channel;
          float *padded = space + layout.padded, *v_channel = v + c * layout.v_channel;
          v128_t seen;
          if (shape->stride_h == 1)
            seen = toomcook_transform_inputs(shape, &layout, toom, x, oy, ox, padded, v_channel);
          else
            seen = toomcook_transform_phases(shape, &layout, toom, x, oy, ox, padded, v_channel);
          watch = wasm_f32x4_add(watch, seen);
        }
        if (!watch_holds(watch)) {
          direct_algorithm.convolve(work);
          return;
        }

        toomcook_lanes some = {.R = shape->Rh,
                               .stride = shape->stride_h,
                               .channels = channels,
                               .rows = min_i32(TOOM_TILE, work->end_row - oy),
                               .columns = min_i32(layout.chunk, shape->Wo - ox),
                               .offset = offset,
                               .v = v,
                               .products = space + layout.products,
                               .y_plane = work->y_channel,
                               .y_row = (size_t)shape->Wo,
                               .bounds = &work->steps->clamp};
        /* Compute one or four output channels at a time from them. */
        for (int32_t i = 0; i < blocks; i++) {
          const channel_block block = kernels_block(work->kernels, first_block + i);
          for (int32_t lane = 0; lane < block.count; lane += layout.lanes) {
            some.lanes = min_i32(layout.lanes, block.count - lane);
            some.u = space + layout.u + i * layout.u_block + lane;
            some.bias = space + layout.bias + (size_t)i * LANES + lane;
            some.y = work->y + (block.first + lane) * some.y_plane + (size_t)oy * shape->Wo + ox;
            toomcook_convolve_lanes(&layout, toom, &some);
          }
          /* A chunk that is narrower than the image is finished row by row. */
          const bool whole = some.columns == shape->Wo;
          for (int32_t lane = 0; lane < block.count; lane++)
            for (int32_t r = 0; r < (whole ? 1 : some.rows); r++)
              convolution_finish(work, block.first + lane, (size_t)(oy + r) * shape->Wo + ox,
                                 (size_t)some.columns * (whole ? some.rows : 1));
        }
      }
    }
  }
}

/* Also what direct convolution needs, if the watch does not hold. */
static uint64_t toomcook_workspace(const geometry *shape) {
  return max_u64((uint64_t)sizeof(float) * toomcook_layout_of(shape).total,
                 direct_algorithm.workspace(shape));
}

static bool toomcook_covers(const geometry *shape) {
  const bool has_transform = shape->Rh == 5 || shape->Rh == 7 || (shape->Rh == 3 && shape->stride_h == 1);
  return geometry_is_uniform(shape) && has_transform && shape->stride_h <= 2 && shape->dilation_h == 1 &&
         direct_algorithm.covers(shape);
}

/* NEVER if U, which is all there at once, would be too large, or R = 7 too inexact: its error grows with the
 * channels that are added up, and 64 of them take up to two thirds of what the library promises. */
SMALL static double toomcook_cost(const geometry *shape) {
  const toomcook_layout layout = toomcook_layout_of(shape);
  const int32_t C = shape->C / shape->G, O = shape->O / shape->G, stride = shape->stride_h;
  if (layout.bias - layout.u > MOST_U || (shape->Rh == 7 && C > 64)) return NEVER;
  const double tiles = (shape->Ho - 1) / TOOM_TILE + 1, vectors = (shape->Wo - 1) / 4 + 1;
  const double taps = (double)C * shape->Rh;
  const double wide_vectors = round_up_i32(shape->Wo, 8) / 4;
  const double row = layout.lanes == 1 ? O * (FEW_TAPS_TAP * taps + FEW_TAPS_BLOCK) * wide_vectors
                                       : direct_row_cost(taps, O, shape->Wo);
  const double kernels = TOOMCOOK_KERNELS * taps * layout.n * round_up_i32(O, LANES);
  const double inputs = C * (TOOMCOOK_INPUTS * stride * layout.n * vectors + TOOMCOOK_CHANNEL);
  const double outputs = TOOMCOOK_OUTPUTS * stride * vectors * O;
  return kernels + tiles * (inputs + layout.n * (row + TOOMCOOK_ROW * O) + outputs);
}

const algorithm toomcook_algorithm = {.id = DK_ALGORITHM_TOOMCOOK,
                                      .name = "toomcook",
                                      .tile = TOOM_TILE,
                                      .prefix = PREFIX_SCALE | PREFIX_CLAMP,
                                      .specialised = true,
                                      .covers = toomcook_covers,
                                      .cost = toomcook_cost,
                                      .workspace = toomcook_workspace,
                                      .convolve = toomcook_convolve};
