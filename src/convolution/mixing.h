/* The K kernels in the order in which convolutions read them, and their mixing.
 *
 * Output channels come in blocks of eight lanes. A block holds, for each of the K kernels in turn,
 *
 *     [C/G, Rh*Rw, 8]      lane = output channel within the block, zero if there is none
 *
 * Mixing a block reads K contiguous streams and writes one. The result has eight weights in a row for each
 * input channel and tap, as the inner loops read them. A block never spans two groups, except that depthwise
 * kernels (C/G = 1) fill blocks with channels of several groups: seven of eight lanes would otherwise be
 * empty. */
#ifndef DK_MIXING_H
#define DK_MIXING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/geometry.h"

typedef struct packed_kernels {
  int32_t K, O;
  int32_t depth;      /* C/G * Rh*Rw, the taps that one output channel adds up */
  int32_t run;        /* consecutive output channels that blocks tile: O/G, or O if depthwise */
  int32_t run_blocks; /* blocks of one run */
  int32_t blocks;     /* of all runs */
  float *data;        /* [blocks, K, depth, 8] */
} packed_kernels;

/* Output channels of a block: first .. first + count - 1. */
typedef struct channel_block {
  int32_t first, count;
} channel_block;

/* The layout of K kernels of O output channels in G groups, with data NULL. depth: taps of an output
 * channel; depthwise: whether each output channel reads one input channel. Returns false if there would be
 * more than MAX_ELEMENTS values. */
bool kernels_layout(int32_t K, int32_t O, int32_t G, uint64_t depth, bool depthwise, packed_kernels *kernels);

static inline channel_block kernels_block(const packed_kernels *kernels, int32_t block) {
  const int32_t run = block / kernels->run_blocks;
  const int32_t within = block % kernels->run_blocks * LANES;
  const int32_t left = kernels->run - within;
  return (channel_block){run * kernels->run + within, left < LANES ? left : LANES};
}

/* The address of kernel k's weight of output channel o for tap 0; further taps follow LANES apart. */
float *kernels_channel(const packed_kernels *kernels, int32_t k, int32_t o);

/* One kernel's weights of output channels first .. first + count - 1, [count, depth], into or out
 * of the packed form. */
void kernels_pack(packed_kernels *kernels, int32_t k, int32_t first, int32_t count, const float *weight);
void kernels_unpack(const packed_kernels *kernels, int32_t k, int32_t first, int32_t count, float *weight);

/* mixed [count, 8] = sum over k of a[k] * taps begin .. begin + count - 1 of the block. */
void kernels_mix(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count, const float *a,
                 float *mixed);
void kernels_mix_reference(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count,
                           const float *a, float *mixed);

/* mixed [8] = sum over k of a[k] * bias[k] for the channels of a block, 0 in empty lanes;
 * bias [K, O], or NULL if there is none. */
void kernels_mix_bias(const packed_kernels *kernels, int32_t block, const float *bias, const float *a,
                      float *mixed);

#endif
