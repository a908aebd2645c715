/* Winograd's tiles: how they lie in memory, and their transforms in two dimensions. */
#ifndef DK_WINOGRAD_TILES_H
#define DK_WINOGRAD_TILES_H

#include <stddef.h>

#include "base/geometry.h"
#include "base/simd.h"

typedef struct tile_shape {
  int m, n; /* outputs and multiplications of a tile along one axis */
} tile_shape;

/* The tiles along one axis. All begin m outputs after the one before, but the last may begin a
 * pixel earlier: where the image has one or two outputs left for it, these are then its second and
 * third, for which it needs neither the first nor the last product. */
typedef struct tile_axis {
  int32_t tiles;   /* of one phase */
  int32_t shift;   /* of the last tile, in outputs */
  uint8_t skip[9]; /* by place of a product: 1 where the last tile does without */
} tile_axis;

/* The tiles of one group, and the layout of the workspace, in floats. */
typedef struct tiling {
  int32_t m, n, d; /* as above, and the dilation */
  tile_axis down, across;
  int32_t strip_rows;      /* tile rows in a strip */
  int32_t strip_tiles;     /* tiles in a full strip */
  int32_t width;           /* pixels of a padded row */
  int32_t chunk;           /* channels whose U is made at a time */
  size_t v_block, v_plane; /* from four tiles to the next, from one of n*n to the next */
  size_t v_chunk, m_plane;
  size_t places, padded, v, u, mixed, products, total; /* where each begins; total floats */
} tiling;

/* Product (r, q) is computed for the tiles of set 2 * down.skip[r] + across.skip[q]: all; all but
 * the last column; all but the last row; all but both. */
enum { TILE_SETS = 4 };

/* A tile's place in its strip and in the output planes. Where it is not in a set its place there is
 * that of the next tile that is. */
typedef struct tile_place {
  int32_t input;                      /* pixels from the padded strip's first to the tile's first */
  int32_t output;                     /* from a plane's first to the tile's, which need not be there */
  int32_t top, bottom, left, right;   /* rows and columns of the tile that are outputs, d apart */
  int32_t v[TILE_SETS], m[TILE_SETS]; /* floats from the set's first tile in V and M to this one */
} tile_place;

/* Floats of half a channel in a chunk's U: values of output channels 0..3 or 4..7, 36 at most, so
 * that a transform writes contiguously, and a vector more lest both halves meet in a cache bank. */
enum { U_HALF = (6 * 6 + 1) * 4 };

/* A kind of tile with its transforms. */
typedef struct scheme {
  tile_shape tile;

  /* Four channels' tiles: padded [rows, width, 4] -> V. */
  void (*transform_inputs)(const tiling *t, const tile_place *place, int32_t tiles, const float *padded,
                           float *v);

  /* Mixed kernels [channels, 9, 8] -> U of a chunk, [channels, 2, U_HALF]. */
  void (*transform_kernels)(int32_t channels, const float *mixed, float *u);

  /* M [n*n][tiles][8], count lanes of it from products on, -> pixels: lane k to the output plane
   * at y + k planes. */
  void (*transform_outputs)(const geometry *s, const tiling *t, const tile_place *place, int32_t tiles,
                            const float *products, const float *bias, int32_t count, float *y);
} scheme;

extern const scheme winograd_f4, winograd_polyphase;

#endif
