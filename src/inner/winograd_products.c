/* See inner/winograd_products.h. A register tile has T tiles and H vectors of output channels:
 *
 *     6 x 2   most tiles if madd fuses (inner/matmul.c says why)
 *     4 x 2   most tiles if it does not; the last tiles
 *     2 x 2   the last two tiles
 *     6 x 1, 4 x 1   blocks of four or fewer output channels
 *
 * The two vectors of output channels lie side by side, so that engines with wider vectors can join them. */
#include "inner/winograd_products.h"

#include "base/assert.h"
#include "base/attributes.h"

/* For each of some blocks of T tiles: M [T][8] = or += the sum over channels of V [channels / V_CHANNELS][W]
 * [V_CHANNELS] times U [channels][U_CHANNEL]. Callers pass constants for T, H and W. */
INLINE void products_multiply(const int T, const int H, const int W, const float *v, size_t v_block,
                              const float *u, int32_t channels, int32_t blocks, bool add, float *m) {
#pragma clang loop unroll(disable)
  for (; blocks > 0; blocks--, v += v_block, m += T * LANES) {
    /* Begin with zero, or with the sums of the chunks before. */
    v128_t sum[MOST_TILES][2];
    for (int i = 0; i < T; i++)
      for (int h = 0; h < H; h++)
        sum[i][h] = add ? wasm_v128_load(m + i * LANES + h * 4) : wasm_f32x4_splat(0);

        /* Add up every V_CHANNELS-th channel in turn, so that strides are constant. */
#pragma clang loop unroll(disable)
    for (int first = 0; first < V_CHANNELS; first++) {
      const float *v_channel = v + first, *u_channel = u + first * U_CHANNEL;
      /* The last V_CHANNELS channels may be four only. */
      const int32_t groups = (channels - first + V_CHANNELS - 1) / V_CHANNELS;
#pragma clang loop unroll(disable)
      for (const float *end = v_channel + groups * W * V_CHANNELS; v_channel != end;
           v_channel += W * V_CHANNELS, u_channel += V_CHANNELS * U_CHANNEL) {
        v128_t kernel[2];
        for (int h = 0; h < H; h++) kernel[h] = wasm_v128_load(u_channel + h * 4);
        for (int i = 0; i < T; i++) {
          const v128_t tile = wasm_v128_load32_splat(v_channel + i * V_CHANNELS);
          for (int h = 0; h < H; h++) sum[i][h] = madd(tile, kernel[h], sum[i][h]);
        }
      }
    }

    /* Channels that are not wanted are zero: subnormal numbers would be slow to transform. */
    for (int i = 0; i < T; i++)
      for (int h = 0; h < 2; h++)
        wasm_v128_store(m + i * LANES + h * 4, h < H ? sum[i][h] : wasm_f32x4_splat(0));
  }
}

/* All tiles, W of which lie together in V: whole blocks of W tiles, then the last ones. */
INLINE void products_multiply_all(const int W, const tiling *t, const float *v, const float *u,
                                  int32_t channels, int32_t tiles, int32_t count, bool add, float *m) {
  if (count <= 4) {
    products_multiply(W, 1, W, v, t->v_block, u, channels, (tiles + W - 1) / W, add, m);
    return;
  }
  /* A block that lacks one tile of W is as fast whole. */
  const int32_t whole = (tiles + 1) / W, left = tiles - W * whole;
  products_multiply(W, 2, W, v, t->v_block, u, channels, whole, add, m);
  v += whole * t->v_block;
  m += whole * W * LANES;
  if (left > 2)
    products_multiply(4, 2, W, v, t->v_block, u, channels, 1, add, m);
  else if (left > 0)
    products_multiply(2, 2, W, v, t->v_block, u, channels, 1, add, m);
}

void winograd_multiply(const tiling *t, const float *v, const float *u, int32_t channels, int32_t tiles,
                       int32_t count, bool add, float *m) {
  DK_ASSERT(channels > 0 && channels % 4 == 0 && tiles >= 0 && count >= 1 && count <= LANES);
  if (MOST_TILES == 4 || t->v_tiles == MOST_TILES)
    products_multiply_all(MOST_TILES, t, v, u, channels, tiles, count, add, m);
  else
    products_multiply_all(4, t, v, u, channels, tiles, count, add, m);
}
