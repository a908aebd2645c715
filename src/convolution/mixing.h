/* The K kernels in the order in which convolutions read them, and their mixing.
 *
 * Output channels come in blocks of eight lanes. A block holds, for each of the K kernels in turn,
 *
 *     [C/G, R*R, 8]      lane = output channel within the block, zero where there is none
 *
 * so that mixing a block reads K contiguous streams and writes one, and what it writes is what
 * every algorithm's inner loop wants: for one input channel and one tap, eight weights in a row.
 * A block never spans two groups, but where each output channel reads one input channel
 * (C/G = 1: depthwise) blocks run over all output channels, lest seven lanes of eight be empty. */
#ifndef DK_KERNELS_H
#define DK_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/geometry.h"

typedef struct packed_kernels {
  int32_t K, O;
  int32_t depth;      /* C/G * R*R, the taps that one output channel adds up */
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
 * channel; depthwise: all of one input channel. Returns false where they would be more than
 * MAX_ELEMENTS. */
bool kernels_layout(int32_t K, int32_t O, int32_t G, uint64_t depth, bool depthwise, packed_kernels *kernels);

static inline channel_block kernels_block(const packed_kernels *kernels, int32_t block) {
  int32_t run = block / kernels->run_blocks;
  int32_t within = block % kernels->run_blocks * LANES;
  int32_t left = kernels->run - within;
  return (channel_block){run * kernels->run + within, left < LANES ? left : LANES};
}

/* Where kernel k's weight of output channel o for tap 0 stands; further taps follow LANES apart. */
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
 * bias [K, O], or NULL for none. */
void kernels_mix_bias(const packed_kernels *kernels, int32_t block, const float *bias, const float *a,
                      float *mixed);

#endif
