/* The inner loop of direct convolution: M output channels by V vectors of columns, in registers. */
#ifndef DK_TAPS_H
#define DK_TAPS_H

#include <stdint.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/geometry.h"
#include "base/simd.h"

enum { TAPS_CHANNELS = 4, TAPS_VECTORS = 6 }; /* the most output channels and vectors of a block */

typedef v128_t tap_sums[TAPS_CHANNELS][TAPS_VECTORS];

/* sum[m][j] += sum over taps i of weight[i][m] * input[offset[i] + 4 * j ..], weight [taps, 8]. Callers pass
 * constants for M and V. */
INLINE void add_taps(const int M, const int V, const float *input, const int32_t *offset, const float *weight,
                     int32_t taps, tap_sums sum) {
  DK_ASSERT(M >= 1 && M <= TAPS_CHANNELS && V >= 1 && V <= TAPS_VECTORS && taps >= 0);
#pragma clang loop unroll(disable)
  for (const float *end = weight + taps * LANES; weight != end; weight += LANES) {
    /* Load the inputs of this tap once for all output channels. */
    const float *tap = input + *offset++;
    v128_t x[TAPS_VECTORS];
    for (int j = 0; j < V; j++) x[j] = wasm_v128_load(tap + 4 * j);
    for (int m = 0; m < M; m++) {
      const v128_t w = wasm_v128_load32_splat(weight + m);
      for (int j = 0; j < V; j++) sum[m][j] = madd(w, x[j], sum[m][j]);
    }
  }
}

#endif
