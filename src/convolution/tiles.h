/* Convolution of 3x3 kernels in two-dimensional tiles: what Winograd and polyphase convolution share. */
#ifndef DK_TILES_H
#define DK_TILES_H

#include "convolution/convolution.h"
#include "inner/winograd_tiles.h"

/* What the steps of one scheme cost (convolution/costs.h). */
typedef struct tiles_costs {
  double kernels; /* transforming the kernels of an input channel for four output channels */
  double inputs;  /* transforming a tile of an input channel */
  double outputs; /* transforming a tile of four output channels back */
  double product; /* one of the n*n products of a tile: an input channel, four output channels */
} tiles_costs;

double tiles_cost(const geometry *shape, tile_shape tile, const tiles_costs *costs);

uint64_t tiles_workspace(const geometry *shape, tile_shape tile); /* bytes of one thread */

/* The transformed kernels of all blocks (algorithm.prepare). */
uint64_t tiles_prepared_bytes(const geometry *shape, tile_shape tile);
void tiles_prepare(const scheme *scheme, const geometry *shape, const packed_kernels *kernels,
                   void *prepared);

/* chosen is the algorithm that asks, for its assertions. */
void tiles_convolve(const algorithm *chosen, const scheme *scheme, const convolution *work);

#endif
