/* Mixing: the weighted sum of the K kernels of a block of eight output channels. */
#ifndef DK_MIX_H
#define DK_MIX_H

#include <stddef.h>
#include <stdint.h>

enum { MIX_WIDTH = 2 }; /* neighbouring weights of one kernel that lie side by side */

/* The K kernels of a block, depth weights of eight lanes each, in one of two precisions. For each MIX_WIDTH
 * weights in turn, or the last one if their number is odd, [K, MIX_WIDTH, 8]: mixing reads one stream. */
typedef struct mix_kernels {
  const float *floats;    /* NULL: halves are read */
  const uint16_t *halves; /* base/half.h */
  int32_t K, depth;
} mix_kernels;

/* Returns the place of weight i of kernel k, of lane 0. If K is 1, it is 8 * i. */
static inline size_t mix_index(int32_t K, int32_t depth, int32_t k, int32_t i) {
  const int32_t within = i % MIX_WIDTH, first = i - within;
  const int32_t width = depth - first < MIX_WIDTH ? depth - first : MIX_WIDTH;
  return ((size_t)first * (size_t)K + (size_t)(k * width + within)) * 8;
}

/* mixed [count, 8] = sum over k of a[k] * kernel[k] of weights begin .. begin + count - 1. */
void mix(const mix_kernels *kernels, int32_t begin, int32_t count, const float *a, float *mixed);

/* mixed [count, 8] *= lanes [8] * each [count]. each may be NULL: 1. */
void mix_scale(const float *lanes, const float *each, int32_t count, float *mixed);

#endif
