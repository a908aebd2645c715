/* A tile of m x m outputs is computed in the transformed domain, where the convolution is n*n products of
 * matrices [O/G, C/G] x [C/G, tiles] (inner/winograd_1d.h). For each sample, strip of tile rows and group:
 *
 *   1. for each V_CHANNELS input channels
 *      inputs      V[chunks][n*n][tiles / v_tiles][chunk / V_CHANNELS][v_tiles][V_CHANNELS]
 *                  padded side by side (inner/interleave.h), their tiles transformed
 *   2. for each block of eight output channels
 *      a. kernels  mixed; then for each chunk of input channels
 *                  U[channels][U_CHANNEL]  transformed; stays in the caches (inner/winograd_tiles.h)
 *      b. products M[n*n][tiles][8]        the chunk's, added to those of the chunks before
 *      c. outputs  y                       transformed back
 *
 * Dilation d splits the image into d x d phases (every d-th pixel of every d-th row), each of which is a
 * convolution without dilation. */
#include "convolution/tiles.h"

#include <stdatomic.h>
#include <string.h>

#include "base/attributes.h"
#include "inner/interleave.h"
#include "inner/winograd_1d.h"
#include "inner/winograd_products.h"

enum {
  STRIP_FLOATS = 1600 * 1024 / 4, /* of V and M */
  CHUNK = 64,                     /* channels */
  MIX_CHANNELS = 512,             /* whose mixed kernels take little of a second-level cache */
  MOST_PREPARED = 256 * 1024,     /* bytes of U of all blocks, if it is kept */
  MOST_PREPARED_TILES = 16,       /* of an image for which U is kept */
};

/* The tiles of an axis of `length` outputs, at dilation d. At the image's lower and right edges tiles have
 * outputs to spare, and the last tile does without some of the products: each product is computed for one of
 * four sets of tiles, and V and M have the tiles of that set only. */
SMALL static tile_axis tiles_axis_of(int32_t length, tile_shape tile, int32_t d) {
  tile_axis axis = {.tiles = ((length - 1) / d) / tile.m + 1};
  const int32_t spare = axis.tiles * tile.m - length; /* outputs beyond the image */
  if (d > 1 || spare == 0) return axis;               /* phases may differ in length */
  axis.shift = spare > 1;
  for (int i = 0; i < tile.n; i++) {
    const winograd_part part = winograd_part_at(tile.n, i);
    axis.skip[i] = part == LAST_OUTPUT || (part == FIRST_OUTPUT && spare > 1);
  }
  return axis;
}

/* Pixels of padded input along an axis that some tiles read. */
static int32_t tiles_padded_length(const geometry *shape, int32_t m, int32_t tiles) {
  return (tiles * m * shape->dilation_h - 1) * shape->stride_h + 2 * shape->dilation_h + 1;
}

SMALL static tiling tiles_layout_of(const geometry *shape, tile_shape tile) {
  tiling layout = {.m = tile.m, .n = tile.n, .d = shape->dilation_h};
  const int32_t channels = round_up_i32(shape->C / shape->G, V_CHANNELS), d = layout.d;

  /* Strips of equal height whose V and M fit a cache. */
  layout.down = tiles_axis_of(shape->Ho, tile, d);
  layout.across = tiles_axis_of(shape->Wo, tile, d);
  const int64_t row_tiles = (int64_t)d * d * layout.across.tiles;
  const int64_t fit = STRIP_FLOATS / ((int64_t)layout.n * layout.n * (channels + LANES) * row_tiles);
  const int32_t strips = (layout.down.tiles - 1) / (int32_t)(fit < 1 ? 1 : fit) + 1;
  layout.strip_rows = (layout.down.tiles - 1) / strips + 1;
  layout.strip_tiles = (int32_t)(layout.strip_rows * row_tiles);
  layout.v_tiles = layout.strip_tiles <= 4 ? 4 : MOST_TILES;
  layout.width = tiles_padded_length(shape, layout.m, layout.across.tiles);
  layout.chunk = min_i32(CHUNK, channels);

  const size_t nn = (size_t)layout.n * layout.n, tiles = round_up((size_t)layout.strip_tiles, layout.v_tiles);
  layout.v_block = (size_t)layout.chunk * layout.v_tiles;
  layout.v_plane = plane_floats(tiles / layout.v_tiles * layout.v_block);
  layout.v_chunk = nn * layout.v_plane;
  layout.m_plane = plane_floats(tiles * LANES);

  const int32_t padded_rows = tiles_padded_length(shape, layout.m, layout.strip_rows);
  layout.places = 0;
  layout.padded = round_up(layout.strip_tiles * sizeof(tile_place) / sizeof(float), 16);
  layout.v = layout.padded + round_up((size_t)padded_rows * layout.width * V_CHANNELS, 16);
  layout.u = layout.v + layout.v_chunk * (size_t)((channels - 1) / layout.chunk + 1);
  layout.mixed = layout.u + (size_t)layout.chunk * U_CHANNEL;
  layout.products = layout.mixed + (size_t)min_i32(MIX_CHANNELS, channels) * 9 * LANES;
  layout.total = layout.products + nn * layout.m_plane;
  return layout;
}

/* The output row or column at which a tile of an axis begins. */
static int32_t tiles_start(const tiling *layout, const tile_axis *axis, int32_t tile) {
  return tile * layout->m * layout->d - (tile == axis->tiles - 1 ? axis->shift : 0);
}

/* How many of a tile's m outputs along an axis there are, `left` pixels from its first to the image's end. */
static int32_t tiles_end(const tiling *layout, int32_t left) {
  return min_i32(layout->m, layout->d == 1 ? left : (left + layout->d - 1) / layout->d);
}

/* The tiles of tile rows first .. first + rows - 1, and how many there are in each set. */
SMALL static void tiles_place(const geometry *shape, const tiling *layout, int32_t first, int32_t rows,
                              tile_place *place, int32_t count[TILE_SETS]) {
  const int32_t d = layout->d;
  const int32_t top = tiles_start(layout, &layout->down, first);
  const int32_t left = tiles_start(layout, &layout->across, 0);
  for (int i = 0; i < TILE_SETS; i++) count[i] = 0;
  for (int32_t ty = first; ty < first + rows; ty++)
    for (int32_t phase = 0; phase < d * d; phase++)
      for (int32_t tx = 0; tx < layout->across.tiles; tx++, place++) {
        /* Where the tile is in the strip and in the image. */
        const int32_t oy = tiles_start(layout, &layout->down, ty) + phase / d;
        const int32_t ox = tiles_start(layout, &layout->across, tx) + phase % d;
        const bool last_row = ty == layout->down.tiles - 1, last_column = tx == layout->across.tiles - 1;
        *place = (tile_place){
            .input = ((oy - top) * layout->width + (ox - left)) * shape->stride_h,
            .output = oy * shape->Wo + ox,
            .top = last_row ? layout->down.shift : 0,
            .bottom = tiles_end(layout, shape->Ho - oy),
            .left = last_column ? layout->across.shift : 0,
            .right = tiles_end(layout, shape->Wo - ox),
        };
        /* Where it is in each set; sets 2 and 3 are without the last row, 1 and 3 without the last column. */
        for (int i = 0; i < TILE_SETS; i++) {
          place->v[i] = (int32_t)(count[i] / layout->v_tiles * layout->v_block) +
                        count[i] % layout->v_tiles * V_CHANNELS;
          place->m[i] = count[i] * LANES;
          count[i] += !(last_row && i >= 2) && !(last_column && i % 2);
        }
      }
}

/* Floats of a block's prepared kernels: U of all its input channels. */
static size_t tiles_block_floats(const geometry *shape) {
  return (size_t)round_up_i32(shape->C / shape->G, 4) * U_CHANNEL;
}

/* What the tasks of a strip, which several threads may share, compute from. */
typedef struct tiles_strip {
  const convolution *work;
  const scheme *scheme;
  const tiling *layout;
  int32_t channels;           /* C/G */
  int32_t group, first_block; /* the group, and its first block of the work's */
  int32_t first_row, end_row; /* of the outputs */
  int32_t top, left, rows;    /* where the padded strip begins in the image, and its rows */
  int32_t tiles[TILE_SETS];   /* in each set */
  const tile_place *places;   /* of the tiles */
  float *v;
  atomic_bool *spoilt; /* set if a watch does not hold */
} tiles_strip;

/* How many tiles product (r, q) is computed for. */
static int32_t tiles_of_product(const tiles_strip *strip, int r, int q) {
  return strip->tiles[2 * strip->layout->down.skip[r] + strip->layout->across.skip[q]];
}

/* Zeroes what fills up the last v_tiles tiles of each of V's planes, of V_CHANNELS channels. No output
 * depends on these, but what was left there could be subnormal numbers, on which processors are slow. */
SMALL static void tiles_clear_spare_inputs(const tiles_strip *strip, float *v) {
  const tiling *layout = strip->layout;
  for (int r = 0; r < layout->n; r++)
    for (int q = 0; q < layout->n; q++, v += layout->v_plane) {
      const int32_t tiles = tiles_of_product(strip, r, q);
      if (tiles % layout->v_tiles)
        memset(v + tiles / layout->v_tiles * layout->v_block, 0,
               sizeof(float) * V_CHANNELS * layout->v_tiles);
    }
}

/* The same of M's, which the last tile reads if it does without a product. */
SMALL static void tiles_clear_spare_products(const tiles_strip *strip, float *m) {
  const tiling *layout = strip->layout;
  for (int r = 0; r < layout->n; r++)
    for (int q = 0; q < layout->n; q++, m += layout->m_plane) {
      const int32_t tiles = tiles_of_product(strip, r, q);
      if (tiles < strip->tiles[0]) memset(m + tiles * LANES, 0, sizeof(float) * LANES);
    }
}

/* V of V_CHANNELS channels. */
static void tiles_transform_channels(const void *argument, int32_t index, int32_t thread) {
  const tiles_strip *strip = argument;
  const geometry *shape = strip->work->shape;
  const tiling *layout = strip->layout;
  const int32_t c = index * V_CHANNELS;
  float *padded = thread_space(strip->work, thread) + layout->padded;
  float *v = strip->v + c / layout->chunk * layout->v_chunk + c % layout->chunk * layout->v_tiles;

  /* Beyond the last channel the last again: its kernels there are zero. */
  const float *x[V_CHANNELS];
  for (int k = 0; k < V_CHANNELS; k++) {
    const int32_t channel = strip->group * strip->channels + min_i32(c + k, strip->channels - 1);
    x[k] = strip->work->x + channel * strip->work->x_channel;
  }

  /* Write the channels side by side, with their padding, and transform their tiles. */
  tiles_clear_spare_inputs(strip, v);
  for (int k = 0; k < V_CHANNELS; k += 4)
    if (!watch_holds(interleave(x + k, shape->H, shape->W, strip->top, strip->left, strip->rows,
                                layout->width, V_CHANNELS, padded + k)))
      atomic_store(strip->spoilt, true);
  strip->scheme->transform_inputs(layout, strip->places, strip->tiles[0], padded, v);
}

/* All products of one chunk of channels. */
static void tiles_multiply_chunk(const tiles_strip *strip, const float *v, const float *u, int32_t channels,
                                 int32_t count, bool add, float *m) {
  const tiling *layout = strip->layout;
  const int32_t values = winograd_kernel_values(layout->n), last = values - 1;
  for (int r = 0; r < layout->n; r++)
    for (int q = 0; q < layout->n; q++, v += layout->v_plane, m += layout->m_plane) {
      const int32_t tiles = tiles_of_product(strip, r, q);
      const float *kernel = u + (min_i32(r, last) * values + min_i32(q, last)) * LANES;
      winograd_multiply(layout, v, kernel, channels, tiles, count, add, m);
    }
}

/* M of a block, from kernels that are mixed and transformed here. */
static void tiles_multiply_kernels(const tiles_strip *strip, int32_t block, float *space, float *m) {
  const convolution *work = strip->work;
  const tiling *layout = strip->layout;
  const int32_t outputs = kernels_block(work->kernels, block).count;
  float *mixed = space + layout->mixed, *u = space + layout->u;
  const float *v = strip->v;
  for (int32_t first = 0; first < strip->channels; first += MIX_CHANNELS) {
    /* Mix the kernels of many input channels, since the K kernels are read fastest without a pause, and
     * fill up the last four with zeros. */
    const int32_t count = min_i32(MIX_CHANNELS, strip->channels - first);
    const float *weight = convolution_kernels(work, block, first * 9, count * 9, mixed);
    const int32_t in_fours = round_up_i32(count, 4);
    if (in_fours > count) {
      if (weight != mixed) memcpy(mixed, weight, sizeof(float) * count * 9 * LANES);
      memset(mixed + (size_t)count * 9 * LANES, 0, sizeof(float) * (in_fours - count) * 9 * LANES);
      weight = mixed;
    }

    /* Transform the kernels of a chunk of them, and multiply. */
    for (int32_t c = 0; c < in_fours; c += layout->chunk, v += layout->v_chunk) {
      const int32_t channels = min_i32(layout->chunk, in_fours - c);
      strip->scheme->transform_kernels(channels, weight + (size_t)c * 9 * LANES, u);
      tiles_multiply_chunk(strip, v, u, channels, outputs, first + c > 0, m);
    }
  }
}

/* The outputs of a block of channels. */
static void tiles_convolve_block(const void *argument, int32_t index, int32_t thread) {
  const tiles_strip *strip = argument;
  const convolution *work = strip->work;
  const geometry *shape = work->shape;
  const tiling *layout = strip->layout;
  const int32_t block = strip->first_block + index;
  const channel_block channels_out = kernels_block(work->kernels, block);
  float *space = thread_space(work, thread);
  float *m = space + layout->products;
  const float *v = strip->v;
  tiles_clear_spare_products(strip, m);
  if (work->prepared) {
    /* Multiply by the kernels of a chunk of channels at a time. */
    const float *kernels = (const float *)work->prepared + block * tiles_block_floats(shape);
    const int32_t in_fours = round_up_i32(strip->channels, 4);
    for (int32_t c = 0; c < in_fours; c += layout->chunk, v += layout->v_chunk)
      tiles_multiply_chunk(strip, v, kernels + (size_t)c * U_CHANNEL, min_i32(layout->chunk, in_fours - c),
                           channels_out.count, c > 0, m);
  } else {
    tiles_multiply_kernels(strip, block, space, m);
  }

  /* Transform back; add the bias. */
  float bias[LANES];
  convolution_bias(work, block, bias);
  strip->scheme->transform_outputs(shape, layout, strip->places, strip->tiles[0], m, bias, channels_out.count,
                                   work->y + channels_out.first * work->y_channel, work->y_channel);
  convolution_finish_rows(work, channels_out, strip->first_row, strip->end_row - strip->first_row);
}

/* Threads that share the work take V_CHANNELS channels at a time, and when all channels are transformed,
 * blocks. V is common to them; each has padded, mixed, U and M of its own. */
SMALL void tiles_convolve(const algorithm *chosen, const scheme *scheme, const convolution *work) {
  const geometry *shape = work->shape;
  const tiling layout = tiles_layout_of(shape, scheme->tile);
  const int32_t tile_height = layout.m * layout.d, end_tile_row = (work->end_row - 1) / tile_height + 1;
  float *space = thread_space(work, 0);
  tile_place *places = (tile_place *)(space + layout.places);
  atomic_bool spoilt = false;
  assert_work(chosen, work);
  tiles_strip strip = {.work = work,
                       .scheme = scheme,
                       .layout = &layout,
                       .channels = shape->C / shape->G,
                       .left = tiles_start(&layout, &layout.across, 0) * shape->stride_h - shape->left,
                       .places = places,
                       .v = space + layout.v,
                       .spoilt = &spoilt};

  for (int32_t row = work->first_row / tile_height; row < end_tile_row; row += layout.strip_rows) {
    /* Place the tiles of a strip. */
    const int32_t rows = min_i32(layout.strip_rows, end_tile_row - row);
    tiles_place(shape, &layout, row, rows, places, strip.tiles);
    strip.first_row = row * tile_height;
    strip.end_row = min_i32((row + rows) * tile_height, work->end_row);
    strip.top = tiles_start(&layout, &layout.down, row) * shape->stride_h - shape->top;
    strip.rows = tiles_padded_length(shape, layout.m, rows);

    for (strip.group = first_group(work); strip.group < end_group(work); strip.group++) {
      /* Transform the group's inputs, V_CHANNELS channels a task. */
      parallel_for(work->context, (strip.channels - 1) / V_CHANNELS + 1, tiles_transform_channels, &strip);
      /* One value that is not finite would spoil its whole tile, where the definition spoils 3x3 pixels
       * only, and one close to the largest float would overflow. */
      if (spoilt) {
        direct_algorithm.convolve(work);
        return;
      }
      /* Compute its outputs, a block a task. */
      strip.first_block = group_first_block(work, strip.group);
      const int32_t blocks = group_end_block(work, strip.group) - strip.first_block;
      parallel_for(work->context, blocks, tiles_convolve_block, &strip);
    }
  }
}

/* Also what direct convolution needs, if a watch does not hold. */
uint64_t tiles_workspace(const geometry *shape, tile_shape tile) {
  const tiling layout = tiles_layout_of(shape, tile);
  const uint64_t d = (uint32_t)layout.d;
  const uint64_t tiles = d * d * (uint32_t)(layout.strip_rows * layout.across.tiles);
  const uint64_t transformed =
      sizeof(float) * tile.n * tile.n * tiles * (uint32_t)(shape->C / shape->G + LANES);
  if (transformed > MOST_WORKSPACE) return transformed; /* the layout's own sums may have overflowed */
  return max_u64((uint64_t)sizeof(float) * layout.total, direct_algorithm.workspace(shape));
}

/* U takes four times the memory of the kernels. Reading so much from a cache far away takes longer than
 * transforming the kernels, unless U is small; and with many tiles the transform hardly counts. Within these
 * limits preparing saves 2 to 30 % of a layer's time, beyond them it costs up to half of it. */
SMALL uint64_t tiles_prepared_bytes(const geometry *shape, tile_shape tile) {
  const int32_t down = tiles_axis_of(shape->Ho, tile, shape->dilation_h).tiles;
  const int32_t across = tiles_axis_of(shape->Wo, tile, shape->dilation_h).tiles;
  const int64_t phases = (int64_t)shape->dilation_h * shape->dilation_h;
  const uint64_t blocks = (uint64_t)shape->G * (uint32_t)((shape->O / shape->G - 1) / LANES + 1);
  const uint64_t bytes = sizeof(float) * blocks * tiles_block_floats(shape);
  return phases * down * across <= MOST_PREPARED_TILES && bytes <= MOST_PREPARED ? bytes : 0;
}

SMALL void tiles_prepare(const scheme *scheme, const geometry *shape, const packed_kernels *kernels,
                         void *prepared) {
  const int32_t channels = shape->C / shape->G;
  const size_t floats = tiles_block_floats(shape);
  for (int32_t block = 0; block < kernels->blocks; block++) {
    float *u = (float *)prepared + block * floats;
    memset(u, 0, sizeof(float) * floats);
    scheme->transform_kernels(channels, kernels->data + (size_t)block * kernels->depth * LANES, u);
  }
}

SMALL double tiles_cost(const geometry *shape, tile_shape tile, const tiles_costs *costs) {
  const tile_axis down = tiles_axis_of(shape->Ho, tile, shape->dilation_h);
  const tile_axis across = tiles_axis_of(shape->Wo, tile, shape->dilation_h);
  const int64_t phases = (int64_t)shape->dilation_h * shape->dilation_h;
  const int64_t tiles = phases * down.tiles * across.tiles;

  /* Each of the n*n products is computed for four tiles at a time, or for two. Builds that fuse compute six
   * at a time, which costs are not aware of. */
  int64_t products = 0;
  for (int r = 0; r < tile.n; r++)
    for (int q = 0; q < tile.n; q++) {
      const int64_t computed = phases * (down.tiles - down.skip[r]) * (across.tiles - across.skip[q]);
      if (computed > 2)
        products += (computed + 3) / 4 * 4;
      else if (computed > 0)
        products += 2;
    }

  const double C = round_up_i32(shape->C / shape->G, 4), vectors = (shape->O / shape->G - 1) / 4 + 1;
  const double kernels = costs->kernels * C * vectors;
  const double transforms = (double)tiles * (costs->inputs * C + costs->outputs * vectors);
  return kernels + transforms + costs->product * (double)products * C * vectors;
}
