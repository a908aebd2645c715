/* Winograd's tiles: their layout in memory, and their transforms in two dimensions. */
#ifndef DK_WINOGRAD_TILES_H
#define DK_WINOGRAD_TILES_H

#include <stddef.h>

#include "base/geometry.h"
#include "base/simd.h"

typedef struct tile_shape {
  int m, n; /* outputs and multiplications of a tile along one axis */
} tile_shape;

/* The tiles along one axis. Each begins m outputs after the one before. The last may begin one output
 * earlier: if only one or two outputs are left for it, these are then its second and third, which need
 * neither the first nor the last product. */
typedef struct tile_axis {
  int32_t tiles;   /* of one phase */
  int32_t shift;   /* of the last tile, in outputs */
  uint8_t skip[9]; /* for each product: 1 if the last tile skips it */
} tile_axis;

/* The tiles of one group, and the layout of the workspace, in floats. */
typedef struct tiling {
  int32_t m, n, d; /* of tile_shape; the dilation */
  tile_axis down, across;
  int32_t strip_rows;      /* tile rows in a strip */
  int32_t strip_tiles;     /* tiles in a full strip */
  int32_t width;           /* pixels of a padded row */
  int32_t v_tiles;         /* tiles whose V lie together: 4 if a strip has no more, else MOST_TILES */
  int32_t chunk;           /* channels that are transformed to U at a time */
  size_t v_block, v_plane; /* from v_tiles tiles of V to the next; from one of its n*n planes to the next */
  size_t v_chunk, m_plane;
  size_t places, padded, v, u, mixed, products, total; /* where each begins; total floats */
} tiling;

/* Product (r, q) is computed for the tiles of set 2 * down.skip[r] + across.skip[q]: all tiles; all but the
 * last column; all but the last row; all but both. */
enum { TILE_SETS = 4 };

/* A tile's place in its strip and in the output planes. If the tile is not in a set, its place there is that
 * of the next tile in the set. */
typedef struct tile_place {
  int32_t input;                    /* pixels from the first of the padded strip to the tile's first */
  int32_t output;                   /* pixels from a plane's first to the tile's first, which may not exist */
  int32_t top, bottom, left, right; /* rows and columns of the tile that are outputs, d apart */
  int32_t v[TILE_SETS], m[TILE_SETS]; /* floats from the set's first tile in V and M to this one */
} tile_place;

/* How much is computed side by side. An engine with wider vectors, such as V8 with --wasm-revectorize, joins
 * two adjacent vectors if both are loaded before either is stored. Loops over two vectors need more
 * registers, and only fused multiplication leaves them enough (inner/matmul.c). */
enum {
  VECTORS = MADD_FUSES ? 2 : 1,    /* of channels that are transformed together */
  V_CHANNELS = 4 * VECTORS,        /* input channels that lie side by side in V */
  MOST_TILES = MADD_FUSES ? 6 : 4, /* that are multiplied at a time */
};

/* Floats of a channel in a chunk's U: at most 36 values of eight output channels. Eight floats more, so that
 * the same value of all channels does not fall into few sets of the cache. */
enum { U_CHANNEL = (6 * 6 + 1) * LANES };

/* A kind of tile with its transforms. */
typedef struct scheme {
  tile_shape tile;

  /* The tiles of V_CHANNELS channels: padded [rows, width, V_CHANNELS] -> V. */
  void (*transform_inputs)(const tiling *t, const tile_place *place, int32_t tiles, const float *padded,
                           float *v);

  /* Mixed kernels [channels, 9, 8] -> U of a chunk [channels, U_CHANNEL]. */
  void (*transform_kernels)(int32_t channels, const float *mixed, float *u);

  /* M [n*n][tiles][8] -> outputs. Lane k < count goes to the plane at y + k * y_plane. bias [8]. */
  void (*transform_outputs)(const geometry *s, const tiling *t, const tile_place *place, int32_t tiles,
                            const float *products, const float *bias, int32_t count, float *y,
                            size_t y_plane);
} scheme;

extern const scheme winograd_f4, winograd_polyphase;

#endif
