/* The K kernels in the order in which convolutions read them, and their mixing. The formula of every dynamic
 * convolution stands here. For each sample, output channel o, input channel c of the group of o, and tap t:
 *
 *     w[o,c,t] = f[o] * s[c] * q[t] * sum over k of a[k] * weight[k,o,c,t]
 *
 * Packed kernels.
 *
 * Output channels come in blocks of eight lanes. A block holds the C/G * Rh*Rw weights of the K kernels as
 * inner/mix.h says: up to four kernels one after the other, each
 *
 *     [C/G, Rh*Rw, 8]      lane = output channel within the block, zero if there is none
 *
 * and more kernels, or halves, as one stream. Mixing has eight weights in a row for each input channel and
 * tap as its result, as the inner loops read them. A block never spans two groups, except that depthwise
 * kernels (C/G = 1) fill blocks with channels of several groups: seven of eight lanes would otherwise be
 * empty.
 *
 * Values are floats, or halves. */
#ifndef DK_MIXING_H
#define DK_MIXING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/geometry.h"
#include "base/half.h"
#include "dynakernel.h"

typedef struct packed_kernels {
  int32_t K, O, G;
  int32_t taps;       /* Rh*Rw */
  int32_t depth;      /* C/G * Rh*Rw, how many weights one output channel has in a kernel */
  int32_t run;        /* consecutive output channels that blocks tile: O/G, or O if depthwise */
  int32_t run_blocks; /* blocks of one run */
  int32_t blocks;     /* of all runs */
  float *data;        /* blocks of K * depth * 8 values, or NULL */
  uint16_t *halves;   /* the same in half precision, or NULL: one of the two holds the kernels */
} packed_kernels;

/* How many values a block has, of all K kernels. */
static inline size_t kernels_block_values(const packed_kernels *kernels) {
  return (size_t)kernels->K * (size_t)kernels->depth * LANES;
}

/* Output channels of a block: first .. first + count - 1. */
typedef struct channel_block {
  int32_t first, count;
} channel_block;

/* The layout of K kernels of O output channels in G groups, with data and halves NULL. channels: C/G;
 * depthwise: whether blocks may span groups. Returns false if there would be more than MAX_ELEMENTS values.
 */
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

/* Returns where weight i, 0 .. depth - 1, of output channel o of kernel k lies. */
size_t kernels_index(const packed_kernels *kernels, int32_t k, int32_t o, int32_t i);

/* Reads and writes the value at an index. Halves round what is written. */
static inline float kernels_get(const packed_kernels *kernels, size_t index) {
  return kernels->data ? kernels->data[index] : float_from_half(kernels->halves[index]);
}
static inline void kernels_set(const packed_kernels *kernels, size_t index, float value) {
  if (kernels->data)
    kernels->data[index] = value;
  else
    kernels->halves[index] = half_from_float(value);
}

/* The address of weight 0 of output channel o of a single kernel of floats; its others follow LANES apart. */
float *kernels_channel(const packed_kernels *kernels, int32_t o);

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
