/* See inner/winograd_tiles.h. Each transform is written once, with the shape of the tile as a constant, and
 * compiled for both shapes. The transforms of both axes do not fit the registers together. The results of the
 * first go through memory, a row or a column at a time. */
#include "inner/winograd_tiles.h"

#include "base/attributes.h"
#include "inner/transpose.h"
#include "inner/winograd_1d.h"

#define F4                                                                                                   \
  { 4, 6 }
#define POLYPHASE                                                                                            \
  { 4, 9 }
static const tile_shape f4 = F4, polyphase = POLYPHASE;

enum { MOST_M = 4, MOST_N = 9 };

INLINE void winograd_transform_inputs(const tile_shape f, const tiling *t, const tile_place *place,
                                      int32_t tiles, const float *padded, float *v) {
  const int n = f.n;
  const size_t column = (size_t)t->d * V_CHANNELS, row = column * t->width, v_plane = t->v_plane;
  const int skip_first = t->across.skip[0], skip_last = t->across.skip[n - 1];
  for (; tiles > 0; tiles--, place++) {
    /* B' down each column of the tile. */
    float down[MOST_N][MOST_N][V_CHANNELS];
    const float *pixel = padded + (size_t)place->input * V_CHANNELS;
    float *line = down[0][0];
#pragma clang loop unroll(disable)
    for (int q = 0; q < n; q++, pixel += column, line += V_CHANNELS) {
      v128_t d[VECTORS][MOST_N], b[VECTORS][MOST_N];
      const float *input = pixel;
      for (int r = 0; r < n; r++, input += row)
        for (int h = 0; h < VECTORS; h++) d[h][r] = wasm_v128_load(input + 4 * h);
      for (int h = 0; h < VECTORS; h++) winograd_input(n, d[h], b[h]);
      for (int r = 0; r < n; r++)
        for (int h = 0; h < VECTORS; h++) wasm_v128_store(line + r * MOST_N * V_CHANNELS + 4 * h, b[h][r]);
    }

    /* B' across each row, and each product's input to its set of tiles. */
    float *plane = v;
    line = down[0][0];
#pragma clang loop unroll(disable)
    for (int r = 0; r < n; r++, line += MOST_N * V_CHANNELS) {
      v128_t d[VECTORS][MOST_N], b[VECTORS][MOST_N];
      for (int q = 0; q < n; q++)
        for (int h = 0; h < VECTORS; h++) d[h][q] = wasm_v128_load(line + q * V_CHANNELS + 4 * h);
      for (int h = 0; h < VECTORS; h++) winograd_input(n, d[h], b[h]);
      const int32_t *offset = place->v + 2 * t->down.skip[r];
      const ptrdiff_t first = offset[skip_first] - offset[0], last = offset[skip_last] - offset[0];
      float *out = plane + offset[0];
      for (int q = 0; q < n; q++, out += v_plane) {
        const winograd_part part = winograd_part_at(n, q);
        float *const values = part == FIRST_OUTPUT ? out + first : part == LAST_OUTPUT ? out + last : out;
        for (int h = 0; h < VECTORS; h++) wasm_v128_store(values + 4 * h, b[h][q]);
      }
      plane += n * v_plane;
    }
  }
}

/* Writes row r of U from row r of G g, for V vectors of output channels. */
INLINE void winograd_store_kernel_row(const int n, const int V, v128_t g[VECTORS][3], const int r, float *u) {
  const int values = winograd_kernel_values(n);
  v128_t across[VECTORS][6];
  for (int h = 0; h < V; h++) winograd_kernel(n, g[h], across[h]);
  for (int q = 0; q < values; q++)
    for (int h = 0; h < V; h++) wasm_v128_store(u + (r * values + q) * LANES + 4 * h, across[h][q]);
}

/* Writes rows first and last of U, which share sums (winograd_kernel); one row if they are the same. V
 * vectors of output channels at a time. */
INLINE void winograd_transform_kernel_rows(const int n, const int V, const int first, const int last,
                                           const float *taps, float *u) {

  for (int half = 0; half < LANES; half += 4 * V, taps += 4 * V, u += 4 * V) {
    v128_t upper[VECTORS][3], lower[VECTORS][3];
    for (int q = 0; q < 3; q++)
      for (int h = 0; h < V; h++) {
        v128_t g[3], down[6];
        for (int r = 0; r < 3; r++) g[r] = wasm_v128_load(taps + (r * 3 + q) * LANES + 4 * h);
        winograd_kernel(n, g, down);
        upper[h][q] = down[first];
        lower[h][q] = down[last];
      }
    winograd_store_kernel_row(n, V, upper, first, u);
    if (last != first) winograd_store_kernel_row(n, V, lower, last, u);
  }
}

/* One or two rows at a time, which load the taps again: all of G g would not fit the registers. The first and
 * the last row read three taps only, so that two vectors of output channels fit. */
INLINE void winograd_transform_kernels(const tile_shape f, int32_t channels, const float *mixed, float *u) {
#pragma clang loop unroll(disable)
  for (int32_t i = 0; i < channels; i++, mixed += 9 * LANES, u += U_CHANNEL) {
    winograd_transform_kernel_rows(f.n, VECTORS, 0, 0, mixed, u);
    winograd_transform_kernel_rows(f.n, 1, 1, 2, mixed, u);
    winograd_transform_kernel_rows(f.n, 1, 3, 4, mixed, u);
    winograd_transform_kernel_rows(f.n, VECTORS, 5, 5, mixed, u);
  }
}

/* Stores the pixels of a tile [m][4 channels][4 columns] that are outputs. */
APART SMALL static void winograd_store_pixels(const geometry *s, const tile_place *place, int32_t count,
                                              const float *tile, float *y, size_t y_plane) {
  const ptrdiff_t d = s->dilation_h;
  for (int32_t r = place->top; r < place->bottom; r++)
    for (int32_t k = 0; k < count; k++) {
      const float *pixels = tile + (r * 4 + k) * 4;
      float *out = y + k * y_plane + r * d * s->Wo;
      if (place->right - place->left == 4) {
        const v128_t columns = wasm_v128_load(pixels);
        wasm_v128_store32_lane(out, columns, 0);
        wasm_v128_store32_lane(out + d, columns, 1);
        wasm_v128_store32_lane(out + 2 * d, columns, 2);
        wasm_v128_store32_lane(out + 3 * d, columns, 3);
      } else {
        for (int32_t q = place->left; q < place->right; q++) out[q * d] = pixels[q];
      }
    }
}

/* A' down each column of a tile's products [8], of which VECTORS vectors: down [m][MOST_N][8]. */
INLINE void winograd_outputs_down(const tile_shape f, const tiling *t, const tile_place *place,
                                  const float *products, float *down) {
  const int m = f.m, n = f.n;
  const size_t m_plane = t->m_plane, row = n * m_plane;
  const int skip_first = 2 * t->down.skip[0], skip_last = 2 * t->down.skip[n - 1];
#pragma clang loop unroll(disable)
  for (int q = 0; q < n; q++, products += m_plane, down += LANES) {
    v128_t v[VECTORS][MOST_N], a[VECTORS][MOST_M];
    const int32_t *offset = place->m + t->across.skip[q];
    const ptrdiff_t first = offset[skip_first] - offset[0], last = offset[skip_last] - offset[0];
    const float *in = products + offset[0];
    for (int r = 0; r < n; r++, in += row) {
      const winograd_part part = winograd_part_at(n, r);
      for (int h = 0; h < VECTORS; h++)
        v[h][r] = wasm_v128_load((part == FIRST_OUTPUT  ? in + first
                                  : part == LAST_OUTPUT ? in + last
                                                        : in) +
                                 4 * h);
    }
    for (int h = 0; h < VECTORS; h++) winograd_output(n, v[h], a[h]);
    for (int r = 0; r < m; r++)
      for (int h = 0; h < VECTORS; h++) wasm_v128_store(down + r * MOST_N * LANES + 4 * h, a[h][r]);
  }
}

INLINE void winograd_transform_outputs(const tile_shape f, const geometry *s, const tiling *t,
                                       const tile_place *place, int32_t tiles, const float *products,
                                       const float *bias, int32_t count, float *y, size_t y_plane) {
  const int m = f.m, n = f.n;
#pragma clang loop unroll(disable)
  for (; tiles > 0; tiles--, place++) {
    float down[MOST_M][MOST_N][LANES];
#pragma clang loop unroll(disable)
    for (int h = 0; h < LANES; h += 4 * VECTORS)
      winograd_outputs_down(f, t, place, products + h, down[0][0] + h);

    const bool inside =
        s->dilation_h == 1 && place->top == 0 && place->left == 0 && place->bottom == m && place->right == m;
#pragma clang loop unroll(disable)
    for (int32_t k = 0; k < count; k += 4) {
      /* A' across each row. A tile at an edge goes to memory first, and its outputs from there. */
      const bool whole = inside && count - k >= 4;
      const v128_t b = wasm_v128_load(bias + k);
      float edge[MOST_M][4][4];
      float *const pixels = y + k * y_plane + place->output;
      float *out = whole ? pixels : edge[0][0];
      const float *line = down[0][0] + k;
      const size_t row_step = whole ? (size_t)s->Wo : 16, channel_step = whole ? y_plane : 4;
#pragma clang loop unroll(disable)
      for (int r = 0; r < m; r++, out += row_step, line += MOST_N * LANES) {
        v128_t v[MOST_N], a[4]; /* columns, lane = channel; then channels, lane = column */
        for (int q = 0; q < n; q++) v[q] = wasm_v128_load(line + q * LANES);
        winograd_output(n, v, a);
        for (int q = 0; q < m; q++) a[q] = wasm_f32x4_add(a[q], b);
        transpose4(a);
        float *channel = out;
        for (int i = 0; i < 4; i++, channel += channel_step) wasm_v128_store(channel, a[i]);
      }
      if (!whole) winograd_store_pixels(s, place, min_i32(count - k, 4), edge[0][0], pixels, y_plane);
    }
  }
}

static void inputs_f4(const tiling *t, const tile_place *place, int32_t tiles, const float *padded,
                      float *v) {
  winograd_transform_inputs(f4, t, place, tiles, padded, v);
}
static void inputs_polyphase(const tiling *t, const tile_place *place, int32_t tiles, const float *padded,
                             float *v) {
  winograd_transform_inputs(polyphase, t, place, tiles, padded, v);
}

static void kernels_f4(int32_t channels, const float *mixed, float *u) {
  winograd_transform_kernels(f4, channels, mixed, u);
}
static void kernels_polyphase(int32_t channels, const float *mixed, float *u) {
  winograd_transform_kernels(polyphase, channels, mixed, u);
}

static void outputs_f4(const geometry *s, const tiling *t, const tile_place *place, int32_t tiles,
                       const float *products, const float *bias, int32_t count, float *y, size_t y_plane) {
  winograd_transform_outputs(f4, s, t, place, tiles, products, bias, count, y, y_plane);
}
static void outputs_polyphase(const geometry *s, const tiling *t, const tile_place *place, int32_t tiles,
                              const float *products, const float *bias, int32_t count, float *y,
                              size_t y_plane) {
  winograd_transform_outputs(polyphase, s, t, place, tiles, products, bias, count, y, y_plane);
}

const scheme winograd_f4 = {F4, inputs_f4, kernels_f4, outputs_f4};
const scheme winograd_polyphase = {POLYPHASE, inputs_polyphase, kernels_polyphase, outputs_polyphase};
