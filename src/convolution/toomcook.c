/* Toom-Cook convolution along the columns, F(4, R): R = 5 or 7, stride 1 or 2, no dilation, any
 * groups but depthwise; and R = 3 at stride 1, where channels are so few that Winograd's
 * two-dimensional tiles would cost more than they save.
 *
 * Four output rows are computed from n = R + 3 input rows, transformed down the columns; along the
 * rows the convolution stays direct. At stride 2 there are two phases: the even of n = R + 6 input rows
 * meet the even taps of a column, the odd rows the odd taps, each as at stride 1, and their outputs are
 * added up. Products are 11 rather than 20 rows (R = 5), 13 rather than 28 (R = 7). The columns of V
 * are then split into even and odd ones, as in inner/pad.h. For each sample and group:
 *
 *   1. kernels   U[blocks][n][C/G][R][8]   mixed, transformed, all of them
 *   2. for every four output rows, a chunk of columns at a time, as many as the caches hold:
 *      a. inputs    V[C/G][n][chunk]        padded, transformed
 *      and for every one or four output channels:
 *      b. products  M[n][1 or 4][chunk]     for each row of n a direct convolution with R taps
 *      c. outputs   y                       transformed back, bias added
 *
 * As in convolution/winograd.c, a sample that is not finite, or huge, is convolved directly. */
#include <string.h>

#include "base/attributes.h"
#include "convolution/convolution.h"
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
typedef struct chunk_layout {
  int32_t n, chunk, width; /* output columns of a chunk; with its halo, a row of V or a phase of it */
  int32_t lanes;           /* output channels multiplied at a time */
  size_t v_row, v_channel; /* from a row of V to the next, from a channel */
  size_t m_plane, m_row;   /* from an output channel of M, a row of M, to the next */
  size_t u_row, u_block;   /* from one of n to the next, from a block to the next */
  size_t offset, mixed, u, bias, padded, v, products, total;
} chunk_layout;

/* Some output channels of a chunk. */
typedef struct chunk_lanes {
  int32_t R, stride, channels, lanes, rows, columns; /* C/G; output channels, rows and columns */
  const int32_t *offset;                             /* [C/G, R] */
  const float *v, *u, *bias;                         /* of the first output channel */
  float *products, *y;
  size_t y_plane, y_row;
} chunk_lanes;

static chunk_layout plan(const geometry *s) {
  const int32_t channels = s->C / s->G, R = s->R, blocks = (s->O / s->G - 1) / LANES + 1;
  chunk_layout t = {.n = R + (TOOM_TILE - 1) * s->stride};
  const int32_t most = min_i32(max_i32(V_FLOATS / (channels * t.n * s->stride), LEAST_CHUNK), MOST_CHUNK);
  const int32_t chunks = (s->Wo - 1) / most + 1;
  t.chunk = round_up_i32((s->Wo - 1) / chunks + 1, 4);
  t.width = round_up_i32(max_i32(t.chunk, DIRECT_COLUMNS) + (R - 1) / s->stride, 4);
  t.lanes = s->stride == 1 && rows_few_taps_pay(channels, R) ? 1 : 4;
  t.v_row = (size_t)s->stride * t.width;
  t.v_channel = t.n * t.v_row;
  t.m_plane = (size_t)t.width + CACHE_LINE; /* no power of two, lest rows share cache sets */
  t.m_row = t.lanes * t.m_plane;
  t.u_row = (size_t)channels * R * LANES;
  t.u_block = t.n * t.u_row;
  t.offset = 0;
  t.mixed = round_up((size_t)channels * R, 16);
  t.u = t.mixed + round_up((size_t)channels * R * R * LANES, 16);
  t.bias = t.u + blocks * t.u_block;
  t.padded = t.bias + round_up((size_t)blocks * LANES, 16);
  t.v = t.padded + round_up(t.v_channel, 16);
  t.products = t.v + round_up(channels * t.v_channel, 16) + 16;
  t.total = t.products + t.n * t.m_row;
  return t;
}

/* U and the mixed biases of some blocks of one group. toom [stride], here and below: of each phase. */
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
      for (int32_t q = 0; q < R; q++) {
        float *row = u + ((size_t)c * R + q) * LANES;
        for (int32_t phase = 0; phase < s->stride; phase++) {
          toomcook_kernels(&toom[phase], mixed + (((size_t)c * R + phase) * R + q) * LANES,
                           (size_t)s->stride * R * LANES, row, t->u_row);
          row += toom[phase].n * t->u_row;
        }
      }
  }
}

/* One channel's V for output rows oy .. oy + 3, columns from ox on: columns beyond the image are
 * zero, before the transform as after it. Returns a watch (base/simd.h) over its inputs. */
static v128_t transform_inputs(const geometry *s, const chunk_layout *t, const toomcook *toom, const float *x,
                               int32_t oy, int32_t ox, float *padded, float *v) {
  const int32_t left = ox - s->padding; /* where the columns of V begin in x */
  const int32_t begin = min_i32(max_i32(-left, 0), t->width - 4);
  const int32_t end = max_i32(min_i32(s->W - left, t->width), begin);
  const v128_t zero = wasm_f32x4_splat(0);
  float *row = v; /* what goes beyond the end of a row is written over by the next */
  for (int32_t i = 0; i < t->n; i++, row += t->width) {
    for (int32_t j = 0; j < begin; j += 4) wasm_v128_store(row + j, zero);
    for (int32_t j = end; j < t->width; j += 4) wasm_v128_store(row + j, zero);
  }
  if (begin == end) return zero;
  const int32_t columns = max_i32(end - begin, 4);
  const window d = pad_window(x, s->H, s->W, oy - s->padding, left + begin, t->n, columns, padded);
  return toomcook_inputs(toom, d.data, d.row, columns, v + begin, (size_t)t->width);
}

/* The same at stride 2. With 2 ox columns of padding less, the rows begin where the chunk does. A last row
 * that no output reads is left out: it could be so large that the outputs lose their last digits to it. */
static v128_t transform_phases(const geometry *s, const chunk_layout *t, const toomcook *toom, const float *x,
                               int32_t oy, int32_t ox, float *padded, float *v) {
  const int32_t row = (int32_t)t->v_row;
  const int32_t read = min_i32(s->H, 2 * (s->Ho - 1) + s->R - s->padding);
  pad_rows(x, read, s->W, s->padding - 2 * ox, 2 * (oy - ox), t->n, 2, t->width, padded);
  const v128_t even = toomcook_inputs(&toom[0], padded, 2 * row, row, v, t->v_row);
  const v128_t odd =
      toomcook_inputs(&toom[1], padded + row, 2 * row, row, v + toom[0].n * t->v_row, t->v_row);
  return wasm_f32x4_add(even, odd);
}

/* Some output channels of a block, multiplied and transformed back. */
static void convolve_lanes(const chunk_layout *t, const toomcook *toom, const chunk_lanes *b) {
  if (t->lanes == 1)
    rows_few_taps_convolve(&(rows_few_taps){.input = b->v,
                                            .input_row = t->v_row,
                                            .input_channel = t->v_channel,
                                            .weight = b->u,
                                            .rows = t->n,
                                            .channels = b->channels,
                                            .R = b->R,
                                            .columns = b->columns,
                                            .y = b->products,
                                            .y_row = t->m_row});
  else
    for (int32_t i = 0; i < t->n; i++)
      rows_direct_convolve(&(rows_direct){.input = b->v + i * t->v_row,
                                          .taps = b->channels * b->R,
                                          .offset = b->offset,
                                          .weight = b->u + i * t->u_row,
                                          .y = b->products + i * t->m_row,
                                          .y_plane = t->m_plane,
                                          .rows = 1,
                                          .Wo = max_i32(b->columns, DIRECT_COLUMNS)},
                           b->lanes);
  for (int32_t lane = 0; lane < b->lanes; lane++) {
    float *products = b->products + lane * t->m_plane, *odd = NULL;
    if (b->stride == 2) { /* the odd phase first, in place */
      odd = products + toom->n * t->m_row;
      toomcook_outputs(&toom[1], odd, t->m_row, NULL, 0, round_up_i32(b->columns, 4), TOOM_TILE, odd,
                       t->m_row);
    }
    toomcook_outputs(toom, products, t->m_row, odd, b->bias[lane], b->columns, b->rows,
                     b->y + lane * b->y_plane, b->y_row);
  }
}

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const chunk_layout t = plan(s);
  const toomcook toom[2] = {toomcook_for((s->R - 1) / s->stride + 1), toomcook_for(s->R / s->stride)};
  const int32_t channels = s->C / s->G;
  float *space = work->workspace, *v = space + t.v;
  /* M, and what is behind V's last row: columns beyond a row's end are computed with what is there, which
   * could be subnormal numbers, on which processors are slow. */
  float *const behind = v + channels * t.v_channel;
  memset(behind, 0, sizeof(float) * (size_t)(space + t.total - behind));
  int32_t *offset = (int32_t *)(space + t.offset); /* [C/G, R]: one loop over all taps is fastest */
  for (int32_t c = 0; c < channels; c++)
    for (int32_t q = 0; q < s->R; q++)
      offset[c * s->R + q] = (int32_t)(c * t.v_channel) + q % s->stride * t.width + q / s->stride;

  for (int32_t g = first_group(work); g < end_group(work); g++) {
    const int32_t first_block = group_first_block(work, g);
    const int32_t blocks = group_end_block(work, g) - first_block;
    transform_kernels(work, &t, toom, first_block, blocks, space);
    for (int32_t row = work->first_row; row < work->end_row; row += TOOM_TILE) {
      const int32_t oy = toomcook_first_row(row, work->first_row, work->end_row);
      for (int32_t ox = 0; ox < s->Wo; ox += t.chunk) {
        v128_t watch = wasm_f32x4_splat(0);
        for (int32_t c = 0; c < channels; c++) {
          const float *x = work->x + (size_t)(g * channels + c) * s->H * s->W;
          watch = wasm_f32x4_add(watch, (s->stride == 1 ? transform_inputs : transform_phases)(
                                            s, &t, toom, x, oy, ox, space + t.padded, v + c * t.v_channel));
        }
        if (!watch_holds(watch)) {
          direct_algorithm.convolve(work);
          return;
        }

        chunk_lanes b = {.R = s->R,
                         .stride = s->stride,
                         .channels = channels,
                         .rows = min_i32(TOOM_TILE, work->end_row - oy),
                         .columns = min_i32(t.chunk, s->Wo - ox),
                         .offset = offset,
                         .v = v,
                         .products = space + t.products,
                         .y_plane = (size_t)s->Ho * s->Wo,
                         .y_row = (size_t)s->Wo};
        for (int32_t i = 0; i < blocks; i++) {
          const channel_block o = kernels_block(work->kernels, first_block + i);
          for (int32_t lane = 0; lane < o.count; lane += t.lanes) {
            b.lanes = min_i32(t.lanes, o.count - lane);
            b.u = space + t.u + i * t.u_block + lane;
            b.bias = space + t.bias + (size_t)i * LANES + lane;
            b.y = work->y + (o.first + lane) * b.y_plane + (size_t)oy * s->Wo + ox;
            convolve_lanes(&t, toom, &b);
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
  return (s->R == 5 || s->R == 7 || (s->R == 3 && s->stride == 1)) && s->stride <= 2 && s->dilation == 1 &&
         direct_algorithm.covers(s);
}

/* U, which is all there at once, must not grow without bounds, and the error of R = 7 grows with the
 * channels added up: 64 of them take up to two thirds of what the library promises. */
SMALL static double cost(const geometry *s) {
  const chunk_layout t = plan(s);
  const int32_t C = s->C / s->G, O = s->O / s->G;
  if (t.bias - t.u > MOST_U || (s->R == 7 && C > 64)) return NEVER;
  const double tiles = (s->Ho - 1) / TOOM_TILE + 1, vectors = (s->Wo - 1) / 4 + 1, taps = (double)C * s->R;
  const double row =
      t.lanes == 1 ? O * (taps + 2) * (round_up_i32(s->Wo, 8) / 4) : rows_direct_cost(taps, O, s->Wo);
  const double kernels = 3 * taps * t.n * round_up_i32(O, LANES);
  const double inputs = C * (6 * s->stride * t.n * vectors + 200), outputs = 6 * s->stride * vectors * O;
  return kernels + tiles * (inputs + t.n * (row + 30.0 * O) + outputs);
}

const algorithm toomcook_algorithm = {
    DK_ALGORITHM_TOOMCOOK, TOOM_TILE, covers, cost, workspace, convolve, false};
