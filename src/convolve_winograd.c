/* Winograd convolution of 3x3 kernels, any groups: F(4x4) and F(2x2) with stride 1 and any
 * dilation, polyphase F(2x2) with stride 2 (winograd.h).
 *
 * A tile of m x m outputs is computed in the transformed domain, where the convolution is n*n
 * products of matrices [O, C] x [C, tiles]. For each sample, group and strip of tile rows:
 *
 *   1. inputs   V[n*n][C/G][tiles]   each channel padded, its tiles transformed
 *   2. for each block of eight output channels
 *      a. kernels  U[n*n][C/G][8]    mixed a few channels at a time in the first-level cache
 *      b. products M[n*n][8][panel]  of a panel of tiles
 *      c. outputs  y                 transformed back, bias added
 *
 * Where a strip has but a few tiles (a small image), U and V change roles in the products: vectors
 * run over output channels instead of tiles, and M is [n*n][tiles][8].
 *
 * Dilation d splits the image into d x d phases (every d-th pixel of every d-th row), each of which
 * is a convolution without dilation. Tiles are numbered by tile row, phase row, phase column, tile
 * column.
 *
 * One value that is not finite would spoil its whole tile, where the definition spoils 3x3 pixels
 * only: the input transform watches for it, and the sample is then convolved directly. */
#include "convolution.h"
#include "product.h"
#include "strip.h"
#include "winograd_tiles.h"

enum {
  V_FLOATS = 1280 * 1024 / 4, /* of transformed input in a strip, about */
  PANEL_TILES = 24,           /* M of a panel takes half of a first-level cache */
  MIX_CHANNELS = 32,          /* whose mixed kernels stay in the first-level cache */
};

/* A cache line more than a plane needs, lest n*n streams share cache sets. */
static size_t plane_floats(size_t floats) { return round_up(floats, 16) + 16; }

/* Input rows of one phase that tile rows read. */
static int32_t padded_rows(tile_shape f, int32_t tile_rows) {
  return (tile_rows - 1) * f.step + f.reach;
}

static tiling plan_tiles(const geometry *s, tile_shape f) {
  tiling t = {.m = f.m, .n = f.n, .d = s->dilation};
  const int32_t channels = s->C / s->G, d = t.d, m = t.m;
  t.tile_rows = ((s->Ho - 1) / d) / m + 1;
  t.tile_columns = ((s->Wo - 1) / d) / m + 1;
  const int64_t row_tiles = (int64_t)d * d * t.tile_columns;
  const int64_t fit = V_FLOATS / ((int64_t)t.n * t.n * channels * row_tiles);
  const int32_t strips = (t.tile_rows - 1) / (int32_t)(fit < 1 ? 1 : fit) + 1;
  t.strip_rows = (t.tile_rows - 1) / strips + 1; /* strips of equal height */
  t.strip_tiles = (int32_t)(t.strip_rows * row_tiles);
  const int32_t panels = (t.strip_tiles - 1) / PANEL_TILES + 1;
  t.panel = (int32_t)round_up((size_t)((t.strip_tiles - 1) / panels + 1), 8);

  t.width = (int32_t)round_up((size_t)t.tile_columns, 4) * f.step + 4; /* four tiles read that */
  t.padded_row = t.width * d;
  t.v_row = round_up((size_t)t.strip_tiles + 3, 8); /* four tiles are written at a time */
  t.v_plane = plane_floats(t.v_row * channels);
  t.u_plane = plane_floats((size_t)channels * LANES);
  t.m_plane = plane_floats((size_t)LANES * t.panel);

  const size_t nn = (size_t)t.n * t.n;
  t.padded = 0;
  t.v = t.padded + round_up((size_t)padded_rows(f, t.strip_rows) * d * t.padded_row, 16);
  t.u = t.v + nn * t.v_plane;
  t.mixed = t.u + nn * t.u_plane;
  t.products = t.mixed + (size_t)MIX_CHANNELS * 9 * LANES;
  t.total = t.products + nn * t.m_plane;
  return t;
}

/* Walks over a strip's tiles in their order. */
typedef struct tile_walk {
  int32_t ty, py, px, tx;
} tile_walk;

static tile_place next_place(const tiling *t, const geometry *s, tile_walk *walk) {
  const int32_t oy = walk->ty * t->m * t->d + walk->py, ox = walk->tx * t->m * t->d + walk->px;
  const int32_t down = s->Ho - oy, right = s->Wo - ox; /* may be negative: no output at all */
  const tile_place at = {oy * s->Wo + ox,
                         min_i32(t->m, t->d == 1 ? down : (down + t->d - 1) / t->d),
                         min_i32(t->m, t->d == 1 ? right : (right + t->d - 1) / t->d)};
  if (++walk->tx == t->tile_columns) {
    walk->tx = 0;
    if (++walk->px == t->d) {
      walk->px = 0;
      if (++walk->py == t->d)
        walk->py = 0, walk->ty++;
    }
  }
  return at;
}

/* What one block of output channels computes from a strip of transformed inputs. */
typedef struct block_work {
  const float *u, *v, *bias; /* bias [8] */
  float *products;
  float *y; /* [count, Ho, Wo] */
  int32_t channels, count;
  int32_t first_row, tiles; /* of the strip */
} block_work;

/* Products and outputs, vectors running over tiles. */
static void convolve_many_tiles(const scheme *f, const geometry *s, const tiling *t,
                                const block_work *b) {
  const size_t y_plane = (size_t)s->Ho * s->Wo;
  tile_walk walk = {.ty = b->first_row};
  for (int32_t tile = 0; tile < b->tiles; tile += t->panel) {
    const int32_t panel = min_i32(t->panel, b->tiles - tile);
    for (int p = 0; p < t->n * t->n; p++)
      product(b->u + p * t->u_plane, NULL, b->v + p * t->v_plane + tile, t->v_row, b->channels,
              panel, b->count, b->products + p * t->m_plane, (size_t)t->panel);
    for (int32_t i = 0; i < panel; i += 4) {
      tile_place at[4];
      for (int k = 0; k < 4; k++)
        at[k] = next_place(t, s, &walk);
      float *y = b->y;
      for (int32_t o = 0; o < b->count; o++, y += y_plane)
        f->outputs(s, b->products + (size_t)o * t->panel + i, t->m_plane,
                   wasm_f32x4_splat(b->bias[o]), min_i32(4, panel - i), at,
                   (float *const[4]){y, y, y, y});
    }
  }
}

/* The same, vectors running over output channels. */
static void convolve_few_tiles(const scheme *f, const geometry *s, const tiling *t,
                               const block_work *b) {
  const size_t y_plane = (size_t)s->Ho * s->Wo;
  for (int p = 0; p < t->n * t->n; p++)
    product(b->v + p * t->v_plane, NULL, b->u + p * t->u_plane, LANES, b->channels, LANES, b->tiles,
            b->products + p * t->m_plane, LANES);
  tile_walk walk = {.ty = b->first_row};
  for (int32_t tile = 0; tile < b->tiles; tile++) {
    const tile_place at = next_place(t, s, &walk);
    for (int32_t o = 0; o < b->count; o += 4) {
      float *y = b->y + (size_t)o * y_plane;
      f->outputs(s, b->products + tile * LANES + o, t->m_plane, wasm_v128_load(b->bias + o),
                 min_i32(4, b->count - o), (const tile_place[4]){at, at, at, at},
                 (float *const[4]){y, y + y_plane, y + 2 * y_plane, y + 3 * y_plane});
    }
  }
}

static void convolve_tiles(const scheme *f, const convolution *work) {
  const geometry *s = work->shape;
  const packed_kernels *kernels = work->kernels;
  const tiling t = plan_tiles(s, f->tile);
  const int32_t channels = s->C / s->G, tile_height = t.m * t.d;
  const int32_t end_tile_row = (work->end_row - 1) / tile_height + 1;
  float *padded = (float *)work->workspace + t.padded, *v = (float *)work->workspace + t.v;
  float *u = (float *)work->workspace + t.u, *mixed = (float *)work->workspace + t.mixed;
  float *products = (float *)work->workspace + t.products;

  for (int32_t g = first_group(work); g < end_group(work); g++)
    for (int32_t row = work->first_row / tile_height; row < end_tile_row; row += t.strip_rows) {
      const int32_t rows = min_i32(t.strip_rows, end_tile_row - row);
      const int32_t tiles = rows * t.d * t.d * t.tile_columns;

      v128_t watch = wasm_f32x4_splat(0);
      for (int32_t c = 0; c < channels; c++) {
        const float *x = work->x + (size_t)(g * channels + c) * s->H * s->W;
        pad_rows(x, s->H, s->W, s->padding, row * f->tile.step * t.d,
                 padded_rows(f->tile, rows) * t.d, t.d, t.width, padded);
        v128_t w = f->inputs(&t, rows, padded, v + c * t.v_row);
        watch = wasm_f32x4_add(watch, w);
      }
      if (!wasm_i32x4_all_true(wasm_f32x4_eq(watch, watch))) {
        direct_algorithm.convolve(work);
        return;
      }

      for (int32_t block = group_first_block(work, g); block < group_end_block(work, g); block++) {
        const channel_block o = kernels_block(kernels, block);
        float bias[LANES];
        kernels_mix_bias(kernels, block, work->bias, work->a, bias);
        for (int32_t c = 0; c < channels; c += MIX_CHANNELS) {
          const int32_t count = min_i32(MIX_CHANNELS, channels - c);
          kernels_mix(kernels, block, c * 9, count * 9, work->a, mixed);
          f->kernels(&t, count, mixed, u + (size_t)c * LANES);
        }
        const block_work b = {.u = u,
                              .v = v,
                              .bias = bias,
                              .products = products,
                              .y = work->y + (size_t)o.first * s->Ho * s->Wo,
                              .channels = channels,
                              .count = o.count,
                              .first_row = row,
                              .tiles = tiles};
        if (t.v_row == LANES)
          convolve_few_tiles(f, s, &t, &b);
        else
          convolve_many_tiles(f, s, &t, &b);
      }
    }
}

static void convolve_f2(const convolution *work) { convolve_tiles(&winograd_f2, work); }
static void convolve_f4(const convolution *work) { convolve_tiles(&winograd_f4, work); }
static void convolve_polyphase(const convolution *work) {
  convolve_tiles(&winograd_polyphase, work);
}

/* Also what direct convolution needs, should the input not be finite. */
static uint64_t workspace(const geometry *s, tile_shape f) {
  const uint64_t own = (uint64_t)sizeof(float) * plan_tiles(s, f).total;
  const uint64_t direct = direct_algorithm.workspace(s);
  return own > direct ? own : direct;
}

static uint64_t workspace_f2(const geometry *s) { return workspace(s, winograd_f2.tile); }
static uint64_t workspace_f4(const geometry *s) { return workspace(s, winograd_f4.tile); }
static uint64_t workspace_polyphase(const geometry *s) {
  return workspace(s, winograd_polyphase.tile);
}

static bool covers(const geometry *s) {
  return s->R == 3 && s->stride == 1 && direct_algorithm.covers(s);
}

static bool covers_polyphase(const geometry *s) {
  return s->R == 3 && s->stride == 2 && s->dilation == 1 && direct_algorithm.covers(s);
}

/* Below 16 input or 8 output channels the transforms cost more than they save. */
static bool pays(const geometry *s) { return s->C / s->G >= 16 && s->O / s->G >= 8; }

/* The error of F(4x4) grows with the channels added up: at 4,096 it takes a third of what the
 * library promises, on weights and inputs of either sign. */
static bool pays_f4(const geometry *s) { return pays(s) && s->C / s->G <= 4096; }

const algorithm winograd2_algorithm = {
    DK_ALGORITHM_WINOGRAD_2, 2, covers, pays, workspace_f2, convolve_f2};
const algorithm winograd4_algorithm = {
    DK_ALGORITHM_WINOGRAD_4, 4, covers, pays_f4, workspace_f4, convolve_f4};
const algorithm polyphase_algorithm = {
    DK_ALGORITHM_POLYPHASE, 2, covers_polyphase, pays, workspace_polyphase, convolve_polyphase};
