/* Mixing: the weighted sum of the K kernels of a block of eight output channels. */
#ifndef DK_MIX_H
#define DK_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  MIX_APART = 4, /* kernels of floats that lie apart, at most */
  MIX_WIDTH = 2, /* neighbouring weights of one kernel that lie side by side, of kernels that do not */
};

/* The K kernels of a block, depth weights of eight lanes each, in one of two precisions. Up to MIX_APART
 * kernels of floats lie one after the other, [K, depth, 8]. More kernels, or halves, are one stream: it has
 * for each MIX_WIDTH weights in turn, or the last one if their number is odd, [K, MIX_WIDTH, 8]. */
typedef struct mix_kernels {
  const float *floats;    /* NULL: halves are read */
  const uint16_t *halves; /* base/half.h */
  int32_t K, depth;
} mix_kernels;

static inline bool mix_is_apart(int32_t K, bool in_halves) { return K <= MIX_APART && !in_halves; }

/* Returns the place of weight i of kernel k, of lane 0. */
static inline size_t mix_index(int32_t K, int32_t depth, bool in_halves, int32_t k, int32_t i) {
  if (mix_is_apart(K, in_halves)) return ((size_t)k * (size_t)depth + (size_t)i) * 8;
  const int32_t first = i - i % MIX_WIDTH, width = depth - first < MIX_WIDTH ? depth - first : MIX_WIDTH;
  return ((size_t)first * (size_t)K + (size_t)(k * width + i - first)) * 8;
}

/* mixed [count, 8] = sum over k of a[k] * kernel[k] of weights begin .. begin + count - 1. */
void mix(const mix_kernels *kernels, int32_t begin, int32_t count, const float *a, float *mixed);

/* The same times lanes [8] * each [count], for kernels that lie apart. each may be NULL: 1. */
void mix_scaled(const mix_kernels *kernels, int32_t begin, int32_t count, const float *a, const float *lanes,
                const float *each, float *mixed);

/* mixed [count, 8] *= lanes [8] * each [count]. each may be NULL: 1. */
void mix_scale(const float *lanes, const float *each, int32_t count, float *mixed);

#endif
