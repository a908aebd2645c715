/* Winograd convolution of 3x3 kernels, any groups: F(4x4) and F(2x2) with stride 1 and any
 * dilation, polyphase F(2x2) with stride 2 (winograd.h).
 *
 * A tile of m x m outputs is computed in the transformed domain, where the convolution is n*n
 * products of matrices [O, C] x [C, tiles]. For each sample, group and strip of tile rows:
 *
 *   1. inputs   V[n*n][C/G][tiles]   each channel padded, its tiles transformed
 *   2. for each block of eight output channels
 *      a. kernels  U[n*n][C/G][8]    mixed, many channels at a time, since the K kernels are read
 *                                    fastest without a pause; transformed
 *      b. products M[n*n][8][panel]  of a panel of tiles
 *      c. outputs  y                 transformed back, bias added
 *
 * Where a strip has but a few tiles (a small image), kernels are the greater part of the work. A chunk
 * of channels is then transformed and its products added to M before the next one, so that its U never
 * leaves the caches; and vectors run over output channels instead of tiles:
 *
 *   V[chunks][n*n][64][tiles]    U[64][2][U_HALF] (winograd_tiles.h)    M[n*n][tiles][8]
 *
 * Dilation d splits the image into d x d phases (every d-th pixel of every d-th row), each of which
 * is a convolution without dilation. Tiles are numbered by tile row, phase row, phase column, tile
 * column.
 *
 * One value that is not finite would spoil its whole tile, where the definition spoils 3x3 pixels
 * only: the input transform watches for it, and the sample is then convolved directly. */
#include <string.h>

#include "convolution.h"
#include "product.h"
#include "strip.h"
#include "winograd_tiles.h"

enum {
  V_FLOATS = 1280 * 1024 / 4, /* of transformed input in a strip, about */
  PANEL_TILES = 24,           /* M of a panel takes half of a first-level cache */
  FEW_TILES = 16,             /* in a strip, or fewer */
  CHUNK = 64,                 /* channels */
  MIX_CHANNELS = 512,         /* whose mixed kernels take a small part of a second-level cache */
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
  const bool few = t.strip_tiles <= FEW_TILES;
  /* Four tiles are written at a time. Where they are few, those too many fall on the next channel's,
   * which are written later, or on a plane's margin. */
  t.v_row = few ? round_up((size_t)t.strip_tiles, 4) : round_up((size_t)t.strip_tiles + 3, 8);
  t.v_plane = plane_floats(t.v_row * (few ? CHUNK : channels));
  t.u_plane = plane_floats((size_t)channels * LANES);
  t.m_plane = plane_floats((size_t)LANES * max_i32(t.panel, FEW_TILES));

  const size_t nn = (size_t)t.n * t.n;
  t.padded = 0;
  t.v = t.padded + round_up((size_t)padded_rows(f, t.strip_rows) * d * t.padded_row, 16);
  t.v_chunk = few ? nn * t.v_plane : 0;
  t.u = t.v + nn * t.v_plane * (few ? (size_t)((channels - 1) / CHUNK + 1) : 1);
  t.mixed = t.u + (few ? (size_t)CHUNK * 2 * U_HALF : nn * t.u_plane);
  t.products = t.mixed + (size_t)min_i32(MIX_CHANNELS, channels) * 9 * LANES;
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

/* M [tiles][8] += sum over channels of V [channels][v_row] times U [channels][2][U_HALF], in blocks of
 * four tiles, of which the last may be fewer. */
static void add_products(const float *v, size_t v_row, const float *u,
                                                   int32_t channels, int32_t tiles, float *m) {
  for (; tiles > 0; tiles -= 4, v += 4, m += 4 * LANES) {
    const float *w = v, *x = u;
    v128_t sum[4][2];
    for (int i = 0; i < 4; i++)
      sum[i][0] = wasm_v128_load(m + i * LANES), sum[i][1] = wasm_v128_load(m + i * LANES + 4);
#pragma clang loop unroll(disable)
    for (int32_t c = 0; c < channels; c++, w += v_row, x += 2 * U_HALF) {
      const v128_t left = wasm_v128_load(x), right = wasm_v128_load(x + U_HALF);
      for (int i = 0; i < 4; i++) {
        const v128_t tile = wasm_v128_load32_splat(w + i);
        sum[i][0] = madd(tile, left, sum[i][0]);
        sum[i][1] = madd(tile, right, sum[i][1]);
      }
    }
    for (int i = 0; i < 4; i++)
      wasm_v128_store(m + i * LANES, sum[i][0]), wasm_v128_store(m + i * LANES + 4, sum[i][1]);
  }
}

/* What one block of output channels computes from a strip of transformed inputs. */
typedef struct block_work {
  const convolution *work;
  int32_t block, channels;
  int32_t first_row, tiles; /* of the strip */
  const float *v;
  float *u, *mixed, *products;
} block_work;

/* Channels first .. first + count - 1 of the mixed kernels; returns count. */
static int32_t mix(const block_work *b, int32_t first) {
  const int32_t count = min_i32(MIX_CHANNELS, b->channels - first);
  kernels_mix(b->work->kernels, b->block, first * 9, count * 9, b->work->a, b->mixed);
  return count;
}

/* Vectors running over tiles. */
static void convolve_many_tiles(const scheme *f, const tiling *t, const block_work *b) {
  const geometry *s = b->work->shape;
  const channel_block o = kernels_block(b->work->kernels, b->block);
  const size_t y_plane = (size_t)s->Ho * s->Wo, panel_row = (size_t)t->panel;
  float bias[LANES];
  kernels_mix_bias(b->work->kernels, b->block, b->work->bias, b->work->a, bias);
  for (int32_t c = 0; c < b->channels; c += MIX_CHANNELS) {
    const int32_t count = mix(b, c);
    f->kernels(t, count, b->mixed, b->u + (size_t)c * LANES);
  }

  tile_walk walk = {.ty = b->first_row};
  for (int32_t tile = 0; tile < b->tiles; tile += t->panel) {
    const int32_t panel = min_i32(t->panel, b->tiles - tile);
    for (int p = 0; p < t->n * t->n; p++)
      product(b->u + p * t->u_plane, NULL, b->v + p * t->v_plane + tile, t->v_row, b->channels,
              panel, o.count, b->products + p * t->m_plane, panel_row);
    for (int32_t i = 0; i < panel; i += 4) {
      tile_place at[4];
      for (int k = 0; k < 4; k++)
        at[k] = next_place(t, s, &walk);
      float *y = b->work->y + o.first * y_plane;
      for (int32_t lane = 0; lane < o.count; lane++, y += y_plane)
        f->outputs(s, b->products + lane * panel_row + i, t->m_plane, wasm_f32x4_splat(bias[lane]),
                   min_i32(4, panel - i), at, (float *const[4]){y, y, y, y});
    }
  }
}

/* Vectors running over output channels. */
static void convolve_few_tiles(const scheme *f, const tiling *t, const block_work *b) {
  const geometry *s = b->work->shape;
  const channel_block o = kernels_block(b->work->kernels, b->block);
  const size_t y_plane = (size_t)s->Ho * s->Wo;
  float bias[LANES];
  kernels_mix_bias(b->work->kernels, b->block, b->work->bias, b->work->a, bias);
  memset(b->products, 0, sizeof(float) * t->n * t->n * t->m_plane);
  const float *v = b->v;
  for (int32_t first = 0; first < b->channels; first += MIX_CHANNELS) {
    const int32_t mixed = mix(b, first);
    for (int32_t c = 0; c < mixed; c += CHUNK, v += t->v_chunk) {
      const int32_t count = min_i32(CHUNK, mixed - c);
      f->chunk(count, b->mixed + (size_t)c * 9 * LANES, b->u);
      for (int p = 0; p < t->n * t->n; p++)
        add_products(v + p * t->v_plane, t->v_row, b->u + p * 4, count, b->tiles,
                     b->products + p * t->m_plane);
    }
  }

  tile_walk walk = {.ty = b->first_row};
  for (int32_t tile = 0; tile < b->tiles; tile++) {
    const tile_place at = next_place(t, s, &walk);
    for (int32_t i = 0; i < o.count; i += 4) {
      float *y = b->work->y + (o.first + i) * y_plane;
      f->outputs(s, b->products + tile * LANES + i, t->m_plane, wasm_v128_load(bias + i),
                 min_i32(4, o.count - i), (const tile_place[4]){at, at, at, at},
                 (float *const[4]){y, y + y_plane, y + 2 * y_plane, y + 3 * y_plane});
    }
  }
}

static void convolve_tiles(const scheme *f, const convolution *work) {
  const geometry *s = work->shape;
  const tiling t = plan_tiles(s, f->tile);
  const int32_t channels = s->C / s->G, tile_height = t.m * t.d;
  const int32_t chunk = t.v_chunk ? CHUNK : channels;
  const int32_t end_tile_row = (work->end_row - 1) / tile_height + 1;
  float *space = work->workspace, *padded = space + t.padded, *v = space + t.v;

  for (int32_t g = first_group(work); g < end_group(work); g++)
    for (int32_t row = work->first_row / tile_height; row < end_tile_row; row += t.strip_rows) {
      const int32_t rows = min_i32(t.strip_rows, end_tile_row - row);

      v128_t watch = wasm_f32x4_splat(0);
      for (int32_t c = 0; c < channels; c++) {
        const float *x = work->x + (size_t)(g * channels + c) * s->H * s->W;
        pad_rows(x, s->H, s->W, s->padding, row * f->tile.step * t.d,
                 padded_rows(f->tile, rows) * t.d, t.d, t.width, padded);
        v128_t w = f->inputs(&t, rows, padded,
                             v + c / chunk * t.v_chunk + c % chunk * t.v_row);
        watch = wasm_f32x4_add(watch, w);
      }
      if (!wasm_i32x4_all_true(wasm_f32x4_eq(watch, watch))) {
        direct_algorithm.convolve(work);
        return;
      }

      for (int32_t block = group_first_block(work, g); block < group_end_block(work, g); block++) {
        const block_work b = {.work = work,
                              .block = block,
                              .channels = channels,
                              .first_row = row,
                              .tiles = rows * t.d * t.d * t.tile_columns,
                              .v = v,
                              .u = space + t.u,
                              .mixed = space + t.mixed,
                              .products = space + t.products};
        if (t.v_chunk)
          convolve_few_tiles(f, &t, &b);
        else
          convolve_many_tiles(f, &t, &b);
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
