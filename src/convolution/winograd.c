/* Winograd convolution of 3x3 kernels, any groups but depthwise: F(4x4) and F(2x2) with stride 1 and
 * any dilation, polyphase F(4x4) with stride 2 (inner/winograd_1d.h).
 *
 * A tile of m x m outputs is computed in the transformed domain, where the convolution is n*n
 * products of matrices [O/G, C/G] x [C/G, tiles]. For each sample, group and strip of tile rows:
 *
 *   1. for each four input channels
 *      inputs      V[chunks][n*n][tiles / 4][chunk / 4][4 tiles][4 channels]
 *                  padded side by side (inner/interleave.h), their tiles transformed
 *   2. for each block of eight output channels
 *      a. kernels  mixed, many channels at a time, since the K kernels are read fastest without
 *                  a pause; then for each chunk of input channels
 *                  U[channels][2][U_HALF]  transformed; stays in the caches (inner/winograd_tiles.h)
 *      b. products M[n*n][tiles][8]        the chunk's added to those of the chunks before
 *      c. outputs  y                       transformed back, bias added
 *
 * V is in the order in which the products read it. At the image's lower and right edges tiles have
 * outputs to spare, and the last ones do without some of the n*n products: each product is computed
 * for one of four sets of tiles, and V and M have the tiles of that set only.
 *
 * Threads that share the work take fours of channels in turn, and when all are done blocks. V is common
 * to them; padded, mixed, U and M each has of its own.
 *
 * Dilation d splits the image into d x d phases (every d-th pixel of every d-th row), each of which
 * is a convolution without dilation.
 *
 * One value that is not finite would spoil its whole tile, where the definition spoils 3x3 pixels
 * only, and one close to the largest float would overflow: padding watches for them (base/simd.h), and the
 * sample is then convolved directly. */
#include <stdatomic.h>
#include <string.h>

#include "base/attributes.h"
#include "convolution/convolution.h"
#include "inner/interleave.h"
#include "inner/winograd_1d.h"
#include "inner/winograd_tiles.h"

enum {
  STRIP_FLOATS = 1600 * 1024 / 4, /* of V and M */
  CHUNK = 64,                     /* channels */
  MIX_CHANNELS = 512,             /* whose mixed kernels take little of a second-level cache */
};

SMALL static tile_axis plan_axis(int32_t length, tile_shape f, int32_t d) {
  tile_axis axis = {.tiles = ((length - 1) / d) / f.m + 1};
  const int32_t spare = axis.tiles * f.m - length; /* outputs beyond the image */
  if (d > 1 || spare == 0) return axis;            /* phases may differ in length */
  axis.shift = spare > 1;
  for (int i = 0; i < f.n; i++) {
    const winograd_part part = winograd_part_of(f.n, i);
    axis.skip[i] = part == LAST_OUTPUT || (part == FIRST_OUTPUT && spare > 1);
  }
  return axis;
}

/* Pixels of padded input along an axis that some tiles read. */
static int32_t padded_length(const geometry *s, int32_t m, int32_t tiles) {
  return (tiles * m * s->dilation - 1) * s->stride + 2 * s->dilation + 1;
}

SMALL static tiling plan_tiles(const geometry *s, tile_shape f) {
  tiling t = {.m = f.m, .n = f.n, .d = s->dilation};
  const int32_t channels = round_up_i32(s->C / s->G, 4), d = t.d;
  t.down = plan_axis(s->Ho, f, d);
  t.across = plan_axis(s->Wo, f, d);
  const int64_t row_tiles = (int64_t)d * d * t.across.tiles;
  const int64_t fit = STRIP_FLOATS / ((int64_t)t.n * t.n * (channels + LANES) * row_tiles);
  const int32_t strips = (t.down.tiles - 1) / (int32_t)(fit < 1 ? 1 : fit) + 1;
  t.strip_rows = (t.down.tiles - 1) / strips + 1; /* strips of equal height */
  t.strip_tiles = (int32_t)(t.strip_rows * row_tiles);
  t.width = padded_length(s, t.m, t.across.tiles);
  t.chunk = min_i32(CHUNK, channels);

  const size_t nn = (size_t)t.n * t.n, tiles = round_up((size_t)t.strip_tiles, 4);
  t.v_block = (size_t)t.chunk * 4;
  t.v_plane = plane_floats(tiles / 4 * t.v_block);
  t.v_chunk = nn * t.v_plane;
  t.m_plane = plane_floats(tiles * LANES);

  t.places = 0;
  t.padded = round_up(t.strip_tiles * sizeof(tile_place) / sizeof(float), 16);
  t.v = t.padded + round_up((size_t)padded_length(s, t.m, t.strip_rows) * t.width * 4, 16);
  t.u = t.v + t.v_chunk * (size_t)((channels - 1) / t.chunk + 1);
  t.mixed = t.u + (size_t)t.chunk * 2 * U_HALF;
  t.products = t.mixed + (size_t)min_i32(MIX_CHANNELS, channels) * 9 * LANES;
  t.total = t.products + nn * t.m_plane;
  return t;
}

/* The output row or column at which a tile of an axis begins. */
static int32_t tile_start(const tiling *t, const tile_axis *axis, int32_t tile) {
  return tile * t->m * t->d - (tile == axis->tiles - 1 ? axis->shift : 0);
}

/* How many of a tile's m outputs along an axis there are, `left` pixels from its first to the image's
 * end. */
static int32_t tile_end(const tiling *t, int32_t left) {
  return min_i32(t->m, t->d == 1 ? left : (left + t->d - 1) / t->d);
}

/* The tiles of tile rows first .. first + rows - 1, and how many there are in each set. */
SMALL static void place_tiles(const geometry *s, const tiling *t, int32_t first, int32_t rows,
                              tile_place *place, int32_t count[TILE_SETS]) {
  const int32_t top = tile_start(t, &t->down, first), left = tile_start(t, &t->across, 0);
  for (int i = 0; i < TILE_SETS; i++) count[i] = 0;
  for (int32_t ty = first; ty < first + rows; ty++)
    for (int32_t phase = 0; phase < t->d * t->d; phase++)
      for (int32_t tx = 0; tx < t->across.tiles; tx++, place++) {
        const int32_t oy = tile_start(t, &t->down, ty) + phase / t->d;
        const int32_t ox = tile_start(t, &t->across, tx) + phase % t->d;
        const bool last_row = ty == t->down.tiles - 1, last_column = tx == t->across.tiles - 1;
        *place = (tile_place){
            .input = ((oy - top) * t->width + (ox - left)) * s->stride,
            .output = oy * s->Wo + ox,
            .top = last_row ? t->down.shift : 0,
            .bottom = tile_end(t, s->Ho - oy),
            .left = last_column ? t->across.shift : 0,
            .right = tile_end(t, s->Wo - ox),
        };
        for (int i = 0; i < TILE_SETS; i++) {
          place->v[i] = (int32_t)(count[i] / 4 * t->v_block) + count[i] % 4 * 4;
          place->m[i] = count[i] * LANES;
          count[i] += !(last_row && i >= 2) && !(last_column && i % 2);
        }
      }
}

/* T tiles' M [8] = or += sum over channels of V [channels / 4][4 tiles][4 channels] times
 * U [channels][2][U_HALF]; only `halves` of the eight output channels. Both are constants wherever
 * this is inlined. */
INLINE void multiply_tiles(const int T, const int halves, const float *v, const float *u, int32_t channels,
                           bool add, float *m) {
  v128_t sum[4][2];
  for (int i = 0; i < T; i++)
    for (int h = 0; h < halves; h++)
      sum[i][h] = add ? wasm_v128_load(m + i * LANES + h * 4) : wasm_f32x4_splat(0);
#pragma clang loop unroll(disable)
  for (int first = 0; first < 4; first++) { /* every fourth channel, for constant strides */
    const float *w = v + first, *x = u + first * 2 * U_HALF;
#pragma clang loop unroll(disable)
    for (const float *end = w + channels * 4; w != end; w += 16, x += 4 * 2 * U_HALF) {
      v128_t kernel[2];
      for (int h = 0; h < halves; h++) kernel[h] = wasm_v128_load(x + h * U_HALF);
      for (int i = 0; i < T; i++) {
        const v128_t tile = wasm_v128_load32_splat(w + i * 4);
        for (int h = 0; h < halves; h++) sum[i][h] = madd(tile, kernel[h], sum[i][h]);
      }
    }
  }
  for (int i = 0; i < T; i++)
    for (int h = 0; h < halves; h++) wasm_v128_store(m + i * LANES + h * 4, sum[i][h]);
}

/* The same for all tiles, of which four are v_block floats from the next four in V. */
static void multiply(const float *v, size_t v_block, const float *u, int32_t channels, int32_t tiles,
                     int32_t count, bool add, float *m) {
  for (; tiles > 0; tiles -= 4, v += v_block, m += 4 * LANES)
    if (count <= 4)
      multiply_tiles(4, 1, v, u, channels, add, m);
    else if (tiles <= 2)
      multiply_tiles(2, 2, v, u, channels, add, m);
    else
      multiply_tiles(4, 2, v, u, channels, add, m);
}

/* What the tasks of a strip, which several threads may share, are computed from. */
typedef struct strip_work {
  const convolution *work;
  const scheme *scheme;
  const tiling *tiling;
  int32_t channels;           /* C/G */
  int32_t group, first_block; /* the group, and its first block of the work's */
  int32_t top, left, rows;    /* where the padded strip begins in the image, and its rows */
  int32_t tiles[TILE_SETS];   /* in each set */
  const tile_place *places;   /* the tiles' */
  float *v;
  atomic_bool *spoilt; /* set where a watch does not hold */
} strip_work;

/* How many tiles product (r, q) is computed for. */
static int32_t product_tiles(const strip_work *b, int r, int q) {
  return b->tiles[2 * b->tiling->down.skip[r] + b->tiling->across.skip[q]];
}

/* Zeroes what fills up the last four tiles of each of V's planes, of four channels. No output depends on
 * these, but what was left there could be subnormal numbers, on which processors are slow. */
SMALL static void clear_spare_inputs(const strip_work *b, float *v) {
  const tiling *t = b->tiling;
  for (int r = 0; r < t->n; r++)
    for (int q = 0; q < t->n; q++, v += t->v_plane) {
      const int32_t tiles = product_tiles(b, r, q);
      if (tiles % 4) memset(v + tiles / 4 * t->v_block, 0, sizeof(float) * 16);
    }
}

/* The same of M's, which the last tile reads where it does without a product. */
SMALL static void clear_spare_products(const strip_work *b, float *m) {
  const tiling *t = b->tiling;
  for (int r = 0; r < t->n; r++)
    for (int q = 0; q < t->n; q++, m += t->m_plane) {
      const int32_t tiles = product_tiles(b, r, q);
      if (tiles < b->tiles[0]) memset(m + tiles * LANES, 0, sizeof(float) * LANES);
    }
}

/* V of four channels. */
static void transform_channels(const void *argument, int32_t index, int32_t thread) {
  const strip_work *b = argument;
  const geometry *s = b->work->shape;
  const tiling *t = b->tiling;
  const int32_t c = index * 4;
  float *padded = thread_space(b->work, thread) + t->padded;
  float *v = b->v + c / t->chunk * t->v_chunk + c % t->chunk * 4;
  const float *x[4]; /* beyond the last channel the last, with kernels that are zero */
  for (int k = 0; k < 4; k++)
    x[k] = b->work->x + (size_t)(b->group * b->channels + min_i32(c + k, b->channels - 1)) * s->H * s->W;
  clear_spare_inputs(b, v);
  if (!watch_holds(interleave(x, s->H, s->W, b->top, b->left, b->rows, t->width, padded)))
    atomic_store(b->spoilt, true);
  b->scheme->inputs(t, b->places, b->tiles[0], padded, v);
}

/* All products of one chunk of channels. */
static void multiply_chunk(const strip_work *b, const float *v, const float *u, int32_t channels,
                           int32_t count, bool add, float *m) {
  const tiling *t = b->tiling;
  const int32_t values = winograd_kernel_values(t->n), last = values - 1;
  for (int r = 0; r < t->n; r++)
    for (int q = 0; q < t->n; q++, v += t->v_plane, m += t->m_plane) {
      const int32_t tiles = product_tiles(b, r, q);
      const float *kernel = u + (min_i32(r, last) * values + min_i32(q, last)) * 4;
      multiply(v, t->v_block, kernel, channels, tiles, count, add, m);
    }
}

/* The outputs of a block of channels. */
static void convolve_block(const void *argument, int32_t index, int32_t thread) {
  const strip_work *b = argument;
  const convolution *work = b->work;
  const geometry *s = work->shape;
  const tiling *t = b->tiling;
  const int32_t block = b->first_block + index;
  const channel_block o = kernels_block(work->kernels, block);
  float *space = thread_space(work, thread);
  float *mixed = space + t->mixed, *u = space + t->u, *m = space + t->products;
  const float *v = b->v;
  clear_spare_products(b, m);
  for (int32_t first = 0; first < b->channels; first += MIX_CHANNELS) {
    const int32_t count = min_i32(MIX_CHANNELS, b->channels - first);
    kernels_mix(work->kernels, block, first * 9, count * 9, work->a, mixed);
    const int32_t fours = round_up_i32(count, 4);
    memset(mixed + (size_t)count * 9 * LANES, 0, sizeof(float) * (fours - count) * 9 * LANES);
    for (int32_t c = 0; c < fours; c += t->chunk, v += t->v_chunk) {
      const int32_t channels = min_i32(t->chunk, fours - c);
      b->scheme->kernels(channels, mixed + (size_t)c * 9 * LANES, u);
      multiply_chunk(b, v, u, channels, o.count, first + c > 0, m);
    }
  }

  float bias[LANES];
  kernels_mix_bias(work->kernels, block, work->bias, work->a, bias);
  for (int32_t i = 0; i < o.count; i += 4)
    b->scheme->outputs(s, t, b->places, b->tiles[0], m + i, bias + i, min_i32(4, o.count - i),
                       work->y + (size_t)(o.first + i) * s->Ho * s->Wo);
}

SMALL static void convolve_tiles(const scheme *f, const convolution *work) {
  const geometry *s = work->shape;
  const tiling t = plan_tiles(s, f->tile);
  const int32_t tile_height = t.m * t.d, end_tile_row = (work->end_row - 1) / tile_height + 1;
  float *space = thread_space(work, 0);
  tile_place *places = (tile_place *)(space + t.places);
  atomic_bool spoilt = false;
  strip_work b = {.work = work,
                  .scheme = f,
                  .tiling = &t,
                  .channels = s->C / s->G,
                  .left = tile_start(&t, &t.across, 0) * s->stride - s->padding,
                  .places = places,
                  .v = space + t.v,
                  .spoilt = &spoilt};

  for (int32_t row = work->first_row / tile_height; row < end_tile_row; row += t.strip_rows) {
    const int32_t rows = min_i32(t.strip_rows, end_tile_row - row);
    place_tiles(s, &t, row, rows, places, b.tiles);
    b.top = tile_start(&t, &t.down, row) * s->stride - s->padding;
    b.rows = padded_length(s, t.m, rows);

    for (b.group = first_group(work); b.group < end_group(work); b.group++) {
      parallel_for(work->context, (b.channels - 1) / 4 + 1, transform_channels, &b);
      if (spoilt) {
        direct_algorithm.convolve(work);
        return;
      }
      b.first_block = group_first_block(work, b.group);
      parallel_for(work->context, group_end_block(work, b.group) - b.first_block, convolve_block, &b);
    }
  }
}

static void convolve_f2(const convolution *work) { convolve_tiles(&winograd_f2, work); }
static void convolve_f4(const convolution *work) { convolve_tiles(&winograd_f4, work); }
static void convolve_polyphase(const convolution *work) { convolve_tiles(&winograd_polyphase, work); }

/* Also what direct convolution needs, should the watch not hold. */
static uint64_t workspace(const geometry *s, tile_shape f) {
  const tiling t = plan_tiles(s, f);
  const uint64_t tiles = (uint64_t)t.d * (uint32_t)t.d * (uint32_t)(t.strip_rows * t.across.tiles);
  const uint64_t transformed = sizeof(float) * f.n * f.n * tiles * (uint32_t)(s->C / s->G + LANES);
  if (transformed > MOST_WORKSPACE) return transformed; /* the layout's own sums may have overflown */
  return max_u64((uint64_t)sizeof(float) * t.total, direct_algorithm.workspace(s));
}

static uint64_t workspace_f2(const geometry *s) { return workspace(s, winograd_f2.tile); }
static uint64_t workspace_f4(const geometry *s) { return workspace(s, winograd_f4.tile); }
static uint64_t workspace_polyphase(const geometry *s) { return workspace(s, winograd_polyphase.tile); }

static bool covers(const geometry *s) { return s->R == 3 && s->stride == 1 && direct_algorithm.covers(s); }

static bool covers_polyphase(const geometry *s) {
  return s->R == 3 && s->stride == 2 && s->dilation == 1 && direct_algorithm.covers(s);
}

SMALL static double cost(const geometry *s, const scheme *f) {
  const tile_axis down = plan_axis(s->Ho, f->tile, s->dilation);
  const tile_axis across = plan_axis(s->Wo, f->tile, s->dilation);
  const int64_t phases = (int64_t)s->dilation * s->dilation, tiles = phases * down.tiles * across.tiles;
  int64_t products = 0; /* of four tiles at a time, or two */
  for (int r = 0; r < f->tile.n; r++)
    for (int q = 0; q < f->tile.n; q++) {
      const int64_t of = phases * (down.tiles - down.skip[r]) * (across.tiles - across.skip[q]);
      products += of <= 2 ? min_i32((int32_t)of, 1) * 2 : (of + 3) / 4 * 4;
    }
  const double C = round_up_i32(s->C / s->G, 4), vectors = (s->O / s->G - 1) / 4 + 1;
  const double kernels = 80 * C * vectors, inputs = f->input_cost * C, outputs = 200 * vectors;
  return kernels + (double)tiles * (inputs + outputs) + (double)products * (C + 6) * vectors;
}

/* The error of F(4x4) grows with the channels added up: at 4,096 it takes a third of what the
 * library promises, on weights and inputs of either sign. */
static bool exact_f4(const geometry *s) { return s->C / s->G <= 4096; }

static double cost_f2(const geometry *s) { return exact_f4(s) ? NEVER : cost(s, &winograd_f2); }
static double cost_f4(const geometry *s) { return exact_f4(s) ? cost(s, &winograd_f4) : NEVER; }
static double cost_polyphase(const geometry *s) { return cost(s, &winograd_polyphase); }

const algorithm winograd2_algorithm = {
    DK_ALGORITHM_WINOGRAD_2, 2, covers, cost_f2, workspace_f2, convolve_f2, true};
const algorithm winograd4_algorithm = {
    DK_ALGORITHM_WINOGRAD_4, 4, covers, cost_f4, workspace_f4, convolve_f4, true};
const algorithm polyphase_algorithm = {
    DK_ALGORITHM_POLYPHASE, 4,   covers_polyphase, cost_polyphase, workspace_polyphase,
    convolve_polyphase,     true};
