/* Mixing: the weighted sum of the K kernels of a block of eight output channels. */
#ifndef DK_MIX_H
#define DK_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  MIX_STREAMS = 4, /* which mixing reads at the same time, at most */
  MIX_WIDTH = 2,   /* neighbouring weights of one kernel that lie side by side */
};

/* The K kernels of a block, depth weights of eight lanes each, in one of two precisions. They are divided
 * into streams of n kernels, the last of which may have fewer. A stream has for each MIX_WIDTH weights in
 * turn, or the last one if their number is odd, [n, MIX_WIDTH, 8]. With up to MIX_STREAMS kernels of floats,
 * each is a stream, [depth, 8]. */
typedef struct mix_kernels {
  const float *floats;    /* NULL: halves are read */
  const uint16_t *halves; /* base/half.h */
  int32_t K, depth;
} mix_kernels;

/* Returns n. Halves are one stream, since converting them takes longer than reading it. */
static inline int32_t mix_stream_kernels(int32_t K, bool in_halves) {
  return in_halves ? K : (K + MIX_STREAMS - 1) / MIX_STREAMS;
}

/* Returns the place of weight i of kernel k, of lane 0. */
static inline size_t mix_index(int32_t K, int32_t depth, bool in_halves, int32_t k, int32_t i) {
  const int32_t n = mix_stream_kernels(K, in_halves), within = k % n, first_kernel = k - within;
  const int32_t members = K - first_kernel < n ? K - first_kernel : n;
  const int32_t first = i - i % MIX_WIDTH, width = depth - first < MIX_WIDTH ? depth - first : MIX_WIDTH;
  return ((size_t)first_kernel * (size_t)depth + (size_t)first * (size_t)members +
          (size_t)(within * width + i - first)) *
         8;
}

/* mixed [count, 8] = sum over k of a[k] * kernel[k] of weights begin .. begin + count - 1. */
void mix(const mix_kernels *kernels, int32_t begin, int32_t count, const float *a, float *mixed);

/* mixed [count, 8] *= lanes [8] * each [count]. each may be NULL: 1. */
void mix_scale(const float *lanes, const float *each, int32_t count, float *mixed);

#endif
