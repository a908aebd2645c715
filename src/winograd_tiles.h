/* Winograd's tiles: how they lie in memory, and their transforms in two dimensions. */
#ifndef DK_WINOGRAD_TILES_H
#define DK_WINOGRAD_TILES_H

#include "convolution.h"
#include "simd.h"

typedef struct tile_shape {
  int m, n;  /* outputs and multiplications of a tile along one axis */
  int step;  /* input pixels from one tile to the next */
  int reach; /* input pixels of a tile */
} tile_shape;

/* The tiles of one group, and the layout of the workspace, in floats. */
typedef struct tiling {
  int32_t m, n, d;           /* as above, and the dilation */
  int32_t tile_rows;         /* of all the image, over one phase */
  int32_t tile_columns;      /* of one phase */
  int32_t strip_rows;        /* tile rows in a strip */
  int32_t strip_tiles;       /* tiles in a full strip */
  int32_t panel;             /* tiles in a panel */
  int32_t width, padded_row; /* of the padded channel: one phase's columns, all phases' */
  size_t v_row, v_plane;     /* from one channel to the next, from one of n*n to the next */
  size_t v_chunk;            /* from one chunk of channels to the next, 0 unless tiles are few */
  size_t u_plane, m_plane;
  size_t padded, v, u, mixed, products, total; /* where each begins; total floats */
} tiling;

/* Where a tile's outputs go: the first one's place in an output plane, and how many of the m rows
 * and columns lie within it. Outputs are `dilation` pixels apart in both directions. */
typedef struct tile_place {
  int32_t offset, rows, columns;
} tile_place;

/* Floats of half a channel in a chunk's U: n*n values (36 at most) of output channels 0..3 or 4..7, so
 * that a transform writes contiguously, and a vector more lest both halves meet in a cache bank. */
enum { U_HALF = (6 * 6 + 1) * 4 };

/* A kind of tile with its transforms. */
typedef struct scheme {
  tile_shape tile;

  /* One channel's tiles of a strip: padded rows -> V. Returns zero lanes, or NaN where a value was
   * not finite. */
  v128_t (*inputs)(const tiling *t, int32_t rows, const float *padded, float *v);

  /* Mixed kernels [channels, 9, 8] -> U of these channels. */
  void (*kernels)(const tiling *t, int32_t channels, const float *mixed, float *u);

  /* The same -> U of a chunk, [channels, 2, U_HALF]. */
  void (*chunk)(int32_t channels, const float *mixed, float *u);

  /* Four lanes of M, four tiles of one output channel or four output channels of one tile, ->
   * pixels: lane k's tile goes to y[k], an output plane, at at[k]. Only the first lanes are stored.
   */
  void (*outputs)(const geometry *s, const float *products, size_t m_plane, v128_t bias, int lanes,
                  const tile_place at[4], float *const y[4]);
} scheme;

extern const scheme winograd_f2, winograd_f4, winograd_polyphase;

#endif
