/* Winograd convolution of 3x3 kernels, any groups: F(4x4) and F(2x2) with stride 1 and any dilation,
 * polyphase F(2x2) with stride 2 (winograd.h).
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
#include <string.h>

#include "convolution.h"
#include "product.h"
#include "strip.h"
#include "winograd.h"

enum {
  V_FLOATS = 1280 * 1024 / 4, /* of transformed input in a strip, about */
  PANEL_TILES = 48,           /* M of a panel stays in the first- and second-level cache */
  MIX_CHANNELS = 32,          /* whose mixed kernels stay in the first-level cache */
};

/* One of the three; a constant wherever it is inlined. */
typedef struct scheme {
  int m, n;  /* outputs and multiplications of a tile along one axis */
  int step;  /* input pixels from one tile to the next */
  int reach; /* input pixels of a tile */
} scheme;

static const scheme f2 = {2, 4, 2, 4}, f4 = {4, 6, 4, 6}, polyphase = {2, 5, 4, 5};

/* The tiles of one group, and the layout of the workspace, in floats. */
typedef struct tiling {
  int32_t m, n, d;           /* as above, and the dilation */
  int32_t tile_rows;         /* of all the image, over one phase */
  int32_t tile_columns;      /* of one phase */
  int32_t strip_rows;        /* tile rows in a strip */
  int32_t strip_tiles;       /* tiles in a full strip */
  int32_t panel;             /* tiles in a panel */
  int32_t width, padded_row; /* of the padded channel: one phase's columns, all phases' */
  size_t v_row, v_plane;     /* from one channel to the next, from one of n*n to the next; a row of
                                8 also says that tiles are few */
  size_t u_plane, m_plane;
  size_t padded, v, u, mixed, products, total; /* where each begins; total floats */
} tiling;

/* A cache line more than a plane needs, lest n*n streams share cache sets. */
static size_t plane_floats(size_t floats) { return round_up(floats, 16) + 16; }

/* Input rows of one phase that tile rows read. */
static int32_t padded_rows(scheme f, int32_t tile_rows) {
  return (tile_rows - 1) * f.step + f.reach;
}

static tiling plan_tiles(const geometry *s, scheme f) {
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

/* The columns of four tiles side by side, from one row of their inputs.
 *
 *   step 4, x from the first tile's column 0 on, in vectors of four:
 *     r0 = t0:0123   r1 = t1:0123   r2 = t2:0123   r3 = t3:0123   r4 = (t4:01..)
 *     column 0..3 = the 4x4 transpose; column 4 = t1:0 t2:0 t3:0 t4:0 = column 0 moved up by one
 *   step 2:
 *     r0 = t0:01 t1:01   r1 = t2:01 t3:01   r2 = (t4:01 ..)
 *     column 0, 1 = even, odd places; column 2, 3 = the same, moved up by one */
WINOGRAD_INLINE void gather_columns(const int step, const v128_t *r, v128_t *column) {
  if (step == 2) {
    column[0] = wasm_i32x4_shuffle(r[0], r[1], 0, 2, 4, 6);
    column[1] = wasm_i32x4_shuffle(r[0], r[1], 1, 3, 5, 7);
    column[2] = wasm_i32x4_shuffle(column[0], r[2], 1, 2, 3, 4);
    column[3] = wasm_i32x4_shuffle(column[1], r[2], 1, 2, 3, 5);
  } else {
    const v128_t low01 = wasm_i32x4_shuffle(r[0], r[1], 0, 4, 1, 5); /* t0:0 t1:0 t0:1 t1:1 */
    const v128_t low23 = wasm_i32x4_shuffle(r[2], r[3], 0, 4, 1, 5);
    const v128_t high01 = wasm_i32x4_shuffle(r[0], r[1], 2, 6, 3, 7);
    const v128_t high23 = wasm_i32x4_shuffle(r[2], r[3], 2, 6, 3, 7);
    column[0] = wasm_i64x2_shuffle(low01, low23, 0, 2);
    column[1] = wasm_i64x2_shuffle(low01, low23, 1, 3);
    column[2] = wasm_i64x2_shuffle(high01, high23, 0, 2);
    column[3] = wasm_i64x2_shuffle(high01, high23, 1, 3);
    column[4] = wasm_i32x4_shuffle(column[0], r[4], 1, 2, 3, 4);
    column[5] = wasm_i32x4_shuffle(column[1], r[4], 1, 2, 3, 5);
  }
}

/* One channel's tiles of a strip: padded rows -> V. Returns zero lanes, or NaN where a value was not
 * finite. */
WINOGRAD_INLINE v128_t transform_inputs(const scheme f, const tiling *t, int32_t rows,
                                        const float *padded, float *v) {
  const int vectors = f.step + 1;
  v128_t watch = wasm_f32x4_splat(0);
  int32_t tile = 0;
  for (int32_t ty = 0; ty < rows; ty++)
    for (int32_t phase = 0; phase < t->d * t->d; phase++) {
      const int32_t py = phase / t->d, px = phase % t->d;
      const float *row = padded + (size_t)(ty * f.step * t->d + py) * t->padded_row + px * t->width;
      const size_t step = (size_t)t->d * t->padded_row;
      for (int32_t tx = 0; tx < t->tile_columns; tx += 4) {
        v128_t down[6][5]; /* B' down the columns, before they are taken apart */
        for (int i = 0; i < vectors; i++) {
          v128_t d[6], b[6];
          for (int r = 0; r < f.reach; r++)
            d[r] = wasm_v128_load(row + r * step + tx * f.step + 4 * i);
          winograd_input(f.n, d, b);
          for (int r = 0; r < f.n; r++) down[r][i] = b[r];
          watch = wasm_f32x4_add(watch, winograd_watch(f.n, b));
        }
        float *out = v + tile + tx;
        for (int r = 0; r < f.n; r++) {
          v128_t column[6], b[6];
          gather_columns(f.step, down[r], column);
          winograd_input(f.n, column, b);
          for (int q = 0; q < f.n; q++, out += t->v_plane) wasm_v128_store(out, b[q]);
        }
      }
      tile += t->tile_columns;
    }
  return watch;
}

/* Mixed kernels [channels, 9, 8] -> U of these channels. */
WINOGRAD_INLINE void transform_kernels(const scheme f, const tiling *t, int32_t channels,
                                       const float *mixed, float *u) {
  for (int32_t c = 0; c < channels; c++, mixed += 9 * LANES, u += LANES)
    for (int half = 0; half < LANES; half += 4) {
      v128_t down[3][6];
      for (int q = 0; q < 3; q++) {
        v128_t g[3];
        for (int r = 0; r < 3; r++) g[r] = wasm_v128_load(mixed + (r * 3 + q) * LANES + half);
        winograd_kernel(f.n, g, down[q]);
      }
      float *out = u + half;
      for (int r = 0; r < f.n; r++) {
        const v128_t g[3] = {down[0][r], down[1][r], down[2][r]};
        v128_t across[6];
        winograd_kernel(f.n, g, across);
        for (int q = 0; q < f.n; q++, out += t->u_plane) wasm_v128_store(out, across[q]);
      }
    }
}

/* Where a tile's outputs go: the first one's place in an output plane, and how many of the m rows and
 * columns lie within it. Outputs are `dilation` pixels apart in both directions. */
typedef struct tile_place {
  int32_t offset, rows, columns;
} tile_place;

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
      if (++walk->py == t->d) walk->py = 0, walk->ty++;
    }
  }
  return at;
}

/* One row of a tile, m pixels in the first lanes of v, to y: all of them, or the first columns, step
 * pixels apart. */
WINOGRAD_INLINE void store_whole_row(const int m, v128_t v, float *y) {
  if (m == 4)
    wasm_v128_store(y, v);
  else
    wasm_v128_store64_lane(y, v, 0);
}

WINOGRAD_INLINE void store_row(int32_t columns, int32_t step, v128_t v, float *y) {
  float pixel[4];
  wasm_v128_store(pixel, v);
  for (int q = 0; q < columns; q++) y[q * step] = pixel[q];
}

/* Four lanes of M, four tiles of one output channel or four output channels of one tile, -> pixels:
 * lane k's tile goes to y[k], an output plane, at at[k]. Only the first lanes are stored. */
WINOGRAD_INLINE void transform_outputs(const scheme f, const geometry *s, const float *products,
                                       size_t m_plane, v128_t bias, int lanes,
                                       const tile_place at[4], float *const y[4]) {
  const int m = f.m, n = f.n;
  v128_t down[4][6];
  for (int q = 0; q < n; q++) {
    v128_t v[6], a[4];
    for (int r = 0; r < n; r++) v[r] = wasm_v128_load(products + (size_t)(r * n + q) * m_plane);
    winograd_output(n, v, a);
    for (int r = 0; r < m; r++) down[r][q] = a[r];
  }
  bool whole = lanes == 4 && s->dilation == 1;
  for (int k = 0; k < 4; k++) whole &= at[k].rows == m && at[k].columns == m;
  for (int r = 0; r < m; r++) {
    v128_t a[4], pixels[4]; /* a[column], lane k = tile k; pixels[tile], lane = column */
    winograd_output(n, down[r], a);
    for (int q = 0; q < m; q++) a[q] = wasm_f32x4_add(a[q], bias);
    const v128_t low01 = wasm_i32x4_shuffle(a[0], a[1], 0, 4, 1, 5);  /* t0:01 t1:01 */
    const v128_t high01 = wasm_i32x4_shuffle(a[0], a[1], 2, 6, 3, 7); /* t2:01 t3:01 */
    if (m == 2) {
      pixels[0] = low01;
      pixels[1] = wasm_i64x2_shuffle(low01, low01, 1, 1);
      pixels[2] = high01;
      pixels[3] = wasm_i64x2_shuffle(high01, high01, 1, 1);
    } else {
      const v128_t low23 = wasm_i32x4_shuffle(a[2], a[3], 0, 4, 1, 5);
      const v128_t high23 = wasm_i32x4_shuffle(a[2], a[3], 2, 6, 3, 7);
      pixels[0] = wasm_i64x2_shuffle(low01, low23, 0, 2);
      pixels[1] = wasm_i64x2_shuffle(low01, low23, 1, 3);
      pixels[2] = wasm_i64x2_shuffle(high01, high23, 0, 2);
      pixels[3] = wasm_i64x2_shuffle(high01, high23, 1, 3);
    }
    if (whole)
      for (int k = 0; k < 4; k++)
        store_whole_row(m, pixels[k], y[k] + at[k].offset + (size_t)r * s->Wo);
    else
      for (int k = 0; k < lanes; k++)
        if (r < at[k].rows)
          store_row(at[k].columns, s->dilation, pixels[k],
                    y[k] + at[k].offset + (size_t)r * s->dilation * s->Wo);
  }
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
WINOGRAD_INLINE void convolve_many_tiles(const scheme f, const geometry *s, const tiling *t,
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
      for (int k = 0; k < 4; k++) at[k] = next_place(t, s, &walk);
      float *y = b->y;
      for (int32_t o = 0; o < b->count; o++, y += y_plane)
        transform_outputs(f, s, b->products + (size_t)o * t->panel + i, t->m_plane,
                          wasm_f32x4_splat(b->bias[o]), min_i32(4, panel - i), at,
                          (float *const[4]){y, y, y, y});
    }
  }
}

/* The same, vectors running over output channels. */
WINOGRAD_INLINE void convolve_few_tiles(const scheme f, const geometry *s, const tiling *t,
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
      transform_outputs(f, s, b->products + tile * LANES + o, t->m_plane,
                        wasm_v128_load(b->bias + o), min_i32(4, b->count - o),
                        (const tile_place[4]){at, at, at, at},
                        (float *const[4]){y, y + y_plane, y + 2 * y_plane, y + 3 * y_plane});
    }
  }
}

WINOGRAD_INLINE void convolve_tiles(const scheme f, const convolution *work) {
  const geometry *s = work->shape;
  const packed_kernels *kernels = work->kernels;
  const tiling t = plan_tiles(s, f);
  const int32_t channels = s->C / s->G, tile_height = f.m * t.d;
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
        pad_rows(x, s->H, s->W, s->padding, row * f.step * t.d, padded_rows(f, rows) * t.d, t.d,
                 t.width, padded);
        v128_t w = transform_inputs(f, &t, rows, padded, v + c * t.v_row);
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
          transform_kernels(f, &t, count, mixed, u + (size_t)c * LANES);
        }
        const block_work b = {.u = u, .v = v, .bias = bias, .products = products,
                              .y = work->y + (size_t)o.first * s->Ho * s->Wo,
                              .channels = channels, .count = o.count,
                              .first_row = row, .tiles = tiles};
        if (t.v_row == LANES)
          convolve_few_tiles(f, s, &t, &b);
        else
          convolve_many_tiles(f, s, &t, &b);
      }
    }
}

static void convolve_f2(const convolution *work) { convolve_tiles(f2, work); }
static void convolve_f4(const convolution *work) { convolve_tiles(f4, work); }
static void convolve_polyphase(const convolution *work) { convolve_tiles(polyphase, work); }

/* Also what direct convolution needs, should the input not be finite. */
static uint64_t workspace(const geometry *s, scheme f) {
  const uint64_t own = (uint64_t)sizeof(float) * plan_tiles(s, f).total;
  const uint64_t direct = direct_algorithm.workspace(s);
  return own > direct ? own : direct;
}

static uint64_t workspace_f2(const geometry *s) { return workspace(s, f2); }
static uint64_t workspace_f4(const geometry *s) { return workspace(s, f4); }
static uint64_t workspace_polyphase(const geometry *s) { return workspace(s, polyphase); }

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

const algorithm winograd2_algorithm = {DK_ALGORITHM_WINOGRAD_2, 2, covers, pays, workspace_f2,
                                       convolve_f2};
const algorithm winograd4_algorithm = {DK_ALGORITHM_WINOGRAD_4, 4, covers, pays_f4, workspace_f4,
                                       convolve_f4};
const algorithm polyphase_algorithm = {DK_ALGORITHM_POLYPHASE, 2, covers_polyphase, pays,
                                       workspace_polyphase, convolve_polyphase};
