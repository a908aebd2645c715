/* The K kernels in the order in which convolutions read them, and their mixing. The formula of every dynamic
 * convolution stands here. For each sample, output channel o, input channel c of the group of o, and tap t:
 *
 *     w[o,c,t] = f[o] * s[c] * q[t] * sum over k of a[k] * weight[k,o,c,t]
 *
 * Packed kernels.
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
#include "dynakernel.h"

typedef struct packed_kernels {
  int32_t K, O, G;
  int32_t taps;       /* Rh*Rw */
  int32_t depth;      /* C/G * Rh*Rw, how many weights one output channel has in a kernel */
  int32_t run;        /* consecutive output channels that blocks tile: O/G, or O if depthwise */
  int32_t run_blocks; /* blocks of one run */
  int32_t blocks;     /* of all runs */
  float *data;        /* [blocks, K, depth, 8] */
} packed_kernels;

/* Output channels of a block: first .. first + count - 1. */
typedef struct channel_block {
  int32_t first, count;
} channel_block;

/* The layout of K kernels of O output channels in G groups, with data NULL. channels: C/G; depthwise: whether
 * blocks may span groups. Returns false if there would be more than MAX_ELEMENTS values. */
bool kernels_layout(int32_t K, int32_t O, int32_t G, uint64_t channels, uint64_t taps, bool depthwise,
                    packed_kernels *kernels);

static inline channel_block kernels_block(const packed_kernels *kernels, int32_t block) {
  const int32_t run = block / kernels->run_blocks;
  const int32_t within = block % kernels->run_blocks * LANES;
  const int32_t left = kernels->run - within;
  return (channel_block){run * kernels->run + within, left < LANES ? left : LANES};
}

/* Returns the input channel that weight i, 0 .. depth - 1, of output channel o multiplies. */
static inline int32_t kernels_input(const packed_kernels *kernels, int32_t o, int32_t i) {
  return o / (kernels->O / kernels->G) * (kernels->depth / kernels->taps) + i / kernels->taps;
}

/* The address of kernel k's weight of output channel o for tap 0; further taps follow LANES apart. */
float *kernels_channel(const packed_kernels *kernels, int32_t k, int32_t o);

/* One kernel's weights of output channels first .. first + count - 1, [count, depth], into or out
 * of the packed form. */
void kernels_pack(packed_kernels *kernels, int32_t k, int32_t first, int32_t count, const float *weight);
void kernels_unpack(const packed_kernels *kernels, int32_t k, int32_t first, int32_t count, float *weight);

/* Mixtures of one sample have a [K], f [O], s [C] and q [Rh*Rw]. Each of them may be NULL (dk_mixture). */

/* Returns the mixture of sample n. */
dk_mixture mixture_of_sample(const packed_kernels *kernels, const dk_mixture *mixture, int32_t n);

/* Whether f, s and q are all NULL. */
static inline bool mixture_is_unscaled(const dk_mixture *mixture) {
  return !mixture->outputs && !mixture->inputs && !mixture->taps;
}

/* mixed [count, 8] = w of weights begin .. begin + count - 1 of the block. scale [O] is one more factor of
 * each output channel, or NULL. Empty lanes are 0. */
void kernels_mix(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count,
                 const dk_mixture *mixture, const float *scale, float *mixed);
void kernels_mix_reference(const packed_kernels *kernels, int32_t block, int32_t begin, int32_t count,
                           const dk_mixture *mixture, const float *scale, float *mixed);

/* mixed [8] = sum over k of a[k] * bias[k] for the channels of a block, 0 in empty lanes;
 * bias [K, O], or NULL if there is none. a NULL: 1. */
void kernels_mix_bias(const packed_kernels *kernels, int32_t block, const float *bias, const float *a,
                      float *mixed);

/* Returns f * s * q for weight i, 0 .. depth - 1, of output channel o. */
double mixture_scale(const packed_kernels *kernels, const dk_mixture *mixture, int32_t o, int32_t i);

/* lanes [8] = the factors of each output channel of the block: f, scale, and s if each output channel reads
 * one input channel. Empty lanes are 0. */
void mixture_lanes(const packed_kernels *kernels, int32_t block, const dk_mixture *mixture,
                   const float *scale, float *lanes);

/* Whether each output channel reads one input channel: s is then a factor of output channels. */
static inline bool reads_one_input(const packed_kernels *kernels) { return kernels->depth == kernels->taps; }

/* Returns s of the group of a block, [C/G], or NULL. Not for kernels that read one input. */
static inline const float *mixture_group_inputs(const packed_kernels *kernels, int32_t block,
                                                const dk_mixture *mixture) {
  if (!mixture->inputs) return NULL;
  return mixture->inputs + (size_t)(block / kernels->run_blocks) * (kernels->depth / kernels->taps);
}

#endif
