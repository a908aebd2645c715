/* Transposes four vectors as a 4 x 4 matrix. */
#ifndef DK_TRANSPOSE_H
#define DK_TRANSPOSE_H

#include "base/attributes.h"
#include "base/simd.h"

/* v[row], lane = column -> v[column], lane = row. "1:0" is row 1, column 0. */
INLINE void transpose4(v128_t v[4]) {
  const v128_t low01 = wasm_i32x4_shuffle(v[0], v[1], 0, 4, 1, 5);  /* 0:0 1:0 0:1 1:1 */
  const v128_t low23 = wasm_i32x4_shuffle(v[2], v[3], 0, 4, 1, 5);  /* 2:0 3:0 2:1 3:1 */
  const v128_t high01 = wasm_i32x4_shuffle(v[0], v[1], 2, 6, 3, 7); /* 0:2 1:2 0:3 1:3 */
  const v128_t high23 = wasm_i32x4_shuffle(v[2], v[3], 2, 6, 3, 7); /* 2:2 3:2 2:3 3:3 */
  v[0] = wasm_i64x2_shuffle(low01, low23, 0, 2);
  v[1] = wasm_i64x2_shuffle(low01, low23, 1, 3);
  v[2] = wasm_i64x2_shuffle(high01, high23, 0, 2);
  v[3] = wasm_i64x2_shuffle(high01, high23, 1, 3);
}

#endif
