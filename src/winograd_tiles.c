/* See winograd_tiles.h. Each transform is written once, with the shape of the tile as a constant,
 * and compiled for each of the three. */
#include "winograd_tiles.h"

#include "winograd.h"

#define F2                                                                                         \
  { 2, 4, 2, 4 }
#define F4                                                                                         \
  { 4, 6, 4, 6 }
#define POLYPHASE                                                                                  \
  { 2, 5, 4, 5 }
static const tile_shape f2 = F2, f4 = F4, polyphase = POLYPHASE;

/* The columns of four tiles side by side, from one row of their inputs.
 *
 *   step 4, x from the first tile's column 0 on, in vectors of four:
 *     r0 = t0:0123   r1 = t1:0123   r2 = t2:0123   r3 = t3:0123   r4 = (t4:01..)
 *     column 0..3 = the 4x4 transpose; column 4 = t1:0 t2:0 t3:0 t4:0 = column 0 moved up by one
 *   step 2:
 *     r0 = t0:01 t1:01   r1 = t2:01 t3:01   r2 = (t4:01 ..)
 *     column 0, 1 = even, odd places; column 2, 3 = the same, moved up by one */
WINOGRAD_INLINE void gather_columns(const int step, const v128_t *r, v128_t *column) {
  if (step == 2) {
    column[0] = wasm_i32x4_shuffle(r[0], r[1], 0, 2, 4, 6);
    column[1] = wasm_i32x4_shuffle(r[0], r[1], 1, 3, 5, 7);
    column[2] = wasm_i32x4_shuffle(column[0], r[2], 1, 2, 3, 4);
    column[3] = wasm_i32x4_shuffle(column[1], r[2], 1, 2, 3, 5);
  } else {
    const v128_t low01 = wasm_i32x4_shuffle(r[0], r[1], 0, 4, 1, 5); /* t0:0 t1:0 t0:1 t1:1 */
    const v128_t low23 = wasm_i32x4_shuffle(r[2], r[3], 0, 4, 1, 5);
    const v128_t high01 = wasm_i32x4_shuffle(r[0], r[1], 2, 6, 3, 7);
    const v128_t high23 = wasm_i32x4_shuffle(r[2], r[3], 2, 6, 3, 7);
    column[0] = wasm_i64x2_shuffle(low01, low23, 0, 2);
    column[1] = wasm_i64x2_shuffle(low01, low23, 1, 3);
    column[2] = wasm_i64x2_shuffle(high01, high23, 0, 2);
    column[3] = wasm_i64x2_shuffle(high01, high23, 1, 3);
    column[4] = wasm_i32x4_shuffle(column[0], r[4], 1, 2, 3, 4);
    column[5] = wasm_i32x4_shuffle(column[1], r[4], 1, 2, 3, 5);
  }
}

/* One channel's tiles of a strip: padded rows -> V. Returns zero lanes, or NaN where a value was
 * not finite. */
WINOGRAD_INLINE v128_t transform_inputs(const tile_shape f, const tiling *t, int32_t rows,
                                        const float *padded, float *v) {
  const int vectors = f.step + 1;
  v128_t watch = wasm_f32x4_splat(0);
  int32_t tile = 0;
  for (int32_t ty = 0; ty < rows; ty++)
    for (int32_t phase = 0; phase < t->d * t->d; phase++) {
      const int32_t py = phase / t->d, px = phase % t->d;
      const float *row = padded + (size_t)(ty * f.step * t->d + py) * t->padded_row + px * t->width;
      const size_t step = (size_t)t->d * t->padded_row;
      for (int32_t tx = 0; tx < t->tile_columns; tx += 4) {
        v128_t down[6][5]; /* B' down the columns, before they are taken apart */
        for (int i = 0; i < vectors; i++) {
          v128_t d[6], b[6];
          for (int r = 0; r < f.reach; r++)
            d[r] = wasm_v128_load(row + r * step + tx * f.step + 4 * i);
          winograd_input(f.n, d, b);
          for (int r = 0; r < f.n; r++)
            down[r][i] = b[r];
          watch = wasm_f32x4_add(watch, winograd_watch(f.n, b));
        }
        float *out = v + tile + tx;
        for (int r = 0; r < f.n; r++) {
          v128_t column[6], b[6];
          gather_columns(f.step, down[r], column);
          winograd_input(f.n, column, b);
          for (int q = 0; q < f.n; q++, out += t->v_plane)
            wasm_v128_store(out, b[q]);
        }
      }
      tile += t->tile_columns;
    }
  return watch;
}

/* Mixed kernels [channels, 9, 8] -> U of these channels. */
WINOGRAD_INLINE void transform_kernels(const tile_shape f, const tiling *t, int32_t channels,
                                       const float *mixed, float *u) {
  for (int32_t c = 0; c < channels; c++, mixed += 9 * LANES, u += LANES)
    for (int half = 0; half < LANES; half += 4) {
      v128_t down[3][6];
      for (int q = 0; q < 3; q++) {
        v128_t g[3];
        for (int r = 0; r < 3; r++)
          g[r] = wasm_v128_load(mixed + (r * 3 + q) * LANES + half);
        winograd_kernel(f.n, g, down[q]);
      }
      float *out = u + half;
      for (int r = 0; r < f.n; r++) {
        const v128_t g[3] = {down[0][r], down[1][r], down[2][r]};
        v128_t across[6];
        winograd_kernel(f.n, g, across);
        for (int q = 0; q < f.n; q++, out += t->u_plane)
          wasm_v128_store(out, across[q]);
      }
    }
}

/* Row r of U from that row of G g. */
WINOGRAD_INLINE void store_kernel_row(const int n, const v128_t g[3], const int r, float *u) {
  v128_t across[6];
  winograd_kernel(n, g, across);
  for (int q = 0; q < n; q++)
    wasm_v128_store(u + (r * n + q) * 4, across[q]);
}

/* Rows first and last of U, which share sums (winograd_kernel), or one row where they are the same. */
WINOGRAD_INLINE void transform_kernel_rows(const int n, const int first, const int last,
                                           const float *taps, float *u) {
  v128_t upper[3], lower[3];
  for (int q = 0; q < 3; q++) {
    v128_t g[3], down[6];
    for (int r = 0; r < 3; r++)
      g[r] = wasm_v128_load(taps + (r * 3 + q) * LANES);
    winograd_kernel(n, g, down);
    upper[q] = down[first];
    lower[q] = down[last];
  }
  store_kernel_row(n, upper, first, u);
  if (last != first) store_kernel_row(n, lower, last, u);
}

/* Mixed kernels [channels, 9, 8] -> U of these channels, [channels, 2, U_HALF]: one or two rows at a
 * time, for which the taps are loaded anew, since all of G g would not fit the registers. */
WINOGRAD_INLINE void transform_chunk(const int n, int32_t channels, const float *mixed, float *u) {
  for (int32_t i = 0; i < 2 * channels; i++, u += U_HALF) {
    const float *taps = mixed + i / 2 * 9 * LANES + i % 2 * 4;
    transform_kernel_rows(n, 0, 0, taps, u);
    transform_kernel_rows(n, 1, 2, taps, u);
    transform_kernel_rows(n, 3, n == 4 ? 3 : 4, taps, u);
    if (n == 6) transform_kernel_rows(n, 5, 5, taps, u);
  }
}

/* One row of a tile, m pixels in the first lanes of v, to y: all of them, or the first columns,
 * step pixels apart. */
WINOGRAD_INLINE void store_whole_row(const int m, v128_t v, float *y) {
  if (m == 4)
    wasm_v128_store(y, v);
  else
    wasm_v128_store64_lane(y, v, 0);
}

WINOGRAD_INLINE void store_row(int32_t columns, int32_t step, v128_t v, float *y) {
  float pixel[4];
  wasm_v128_store(pixel, v);
  for (int q = 0; q < columns; q++)
    y[q * step] = pixel[q];
}

/* Four lanes of M, four tiles of one output channel or four output channels of one tile, -> pixels:
 * lane k's tile goes to y[k], an output plane, at at[k]. Only the first lanes are stored. */
WINOGRAD_INLINE void transform_outputs(const tile_shape f, const geometry *s, const float *products,
                                       size_t m_plane, v128_t bias, int lanes,
                                       const tile_place at[4], float *const y[4]) {
  const int m = f.m, n = f.n;
  v128_t down[4][6];
  for (int q = 0; q < n; q++) {
    v128_t v[6], a[4];
    for (int r = 0; r < n; r++)
      v[r] = wasm_v128_load(products + (size_t)(r * n + q) * m_plane);
    winograd_output(n, v, a);
    for (int r = 0; r < m; r++)
      down[r][q] = a[r];
  }
  bool whole = lanes == 4 && s->dilation == 1;
  for (int k = 0; k < 4; k++)
    whole &= at[k].rows == m && at[k].columns == m;
  for (int r = 0; r < m; r++) {
    v128_t a[4], pixels[4]; /* a[column], lane k = tile k; pixels[tile], lane = column */
    winograd_output(n, down[r], a);
    for (int q = 0; q < m; q++)
      a[q] = wasm_f32x4_add(a[q], bias);
    const v128_t low01 = wasm_i32x4_shuffle(a[0], a[1], 0, 4, 1, 5);  /* t0:01 t1:01 */
    const v128_t high01 = wasm_i32x4_shuffle(a[0], a[1], 2, 6, 3, 7); /* t2:01 t3:01 */
    if (m == 2) {
      pixels[0] = low01;
      pixels[1] = wasm_i64x2_shuffle(low01, low01, 1, 1);
      pixels[2] = high01;
      pixels[3] = wasm_i64x2_shuffle(high01, high01, 1, 1);
    } else {
      const v128_t low23 = wasm_i32x4_shuffle(a[2], a[3], 0, 4, 1, 5);
      const v128_t high23 = wasm_i32x4_shuffle(a[2], a[3], 2, 6, 3, 7);
      pixels[0] = wasm_i64x2_shuffle(low01, low23, 0, 2);
      pixels[1] = wasm_i64x2_shuffle(low01, low23, 1, 3);
      pixels[2] = wasm_i64x2_shuffle(high01, high23, 0, 2);
      pixels[3] = wasm_i64x2_shuffle(high01, high23, 1, 3);
    }
    if (whole)
      for (int k = 0; k < 4; k++)
        store_whole_row(m, pixels[k], y[k] + at[k].offset + (size_t)r * s->Wo);
    else
      for (int k = 0; k < lanes; k++)
        if (r < at[k].rows)
          store_row(at[k].columns, s->dilation, pixels[k],
                    y[k] + at[k].offset + (size_t)r * s->dilation * s->Wo);
  }
}

static v128_t inputs_f2(const tiling *t, int32_t rows, const float *padded, float *v) {
  return transform_inputs(f2, t, rows, padded, v);
}
static v128_t inputs_f4(const tiling *t, int32_t rows, const float *padded, float *v) {
  return transform_inputs(f4, t, rows, padded, v);
}
static v128_t inputs_polyphase(const tiling *t, int32_t rows, const float *padded, float *v) {
  return transform_inputs(polyphase, t, rows, padded, v);
}

static void kernels_f2(const tiling *t, int32_t channels, const float *mixed, float *u) {
  transform_kernels(f2, t, channels, mixed, u);
}
static void kernels_f4(const tiling *t, int32_t channels, const float *mixed, float *u) {
  transform_kernels(f4, t, channels, mixed, u);
}
static void kernels_polyphase(const tiling *t, int32_t channels, const float *mixed, float *u) {
  transform_kernels(polyphase, t, channels, mixed, u);
}

static void chunk_f2(int32_t channels, const float *mixed, float *u) {
  transform_chunk(f2.n, channels, mixed, u);
}
static void chunk_f4(int32_t channels, const float *mixed, float *u) {
  transform_chunk(f4.n, channels, mixed, u);
}
static void chunk_polyphase(int32_t channels, const float *mixed, float *u) {
  transform_chunk(polyphase.n, channels, mixed, u);
}

static void outputs_f2(const geometry *s, const float *products, size_t m_plane, v128_t bias,
                       int lanes, const tile_place at[4], float *const y[4]) {
  transform_outputs(f2, s, products, m_plane, bias, lanes, at, y);
}
static void outputs_f4(const geometry *s, const float *products, size_t m_plane, v128_t bias,
                       int lanes, const tile_place at[4], float *const y[4]) {
  transform_outputs(f4, s, products, m_plane, bias, lanes, at, y);
}
static void outputs_polyphase(const geometry *s, const float *products, size_t m_plane, v128_t bias,
                              int lanes, const tile_place at[4], float *const y[4]) {
  transform_outputs(polyphase, s, products, m_plane, bias, lanes, at, y);
}

const scheme winograd_f2 = {F2, inputs_f2, kernels_f2, chunk_f2, outputs_f2};
const scheme winograd_f4 = {F4, inputs_f4, kernels_f4, chunk_f4, outputs_f4};
const scheme winograd_polyphase = {POLYPHASE, inputs_polyphase, kernels_polyphase, chunk_polyphase,
                                   outputs_polyphase};
