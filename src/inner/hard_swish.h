/* Hard swish of four numbers. */
#ifndef DK_HARD_SWISH_H
#define DK_HARD_SWISH_H

#include "base/attributes.h"
#include "inner/prefix.h"

/* x * clip(x / 6 + 1/2, 0, 1) */
INLINE v128_t hard_swish(v128_t x) {
  const v128_t gate = madd(x, steady_f32(1.0f / 6), steady_f32(0.5f));
  return wasm_f32x4_mul(x, clamp_vector(gate, steady_f32(0), steady_f32(1)));
}

#endif
