/* The gradient of a 3x3 kernel by the transpose of Winograd's algorithm F(4x4, 3x3).
 *
 * The forward algorithm computes a tile's outputs as y = A'[(G g) . (B'd)] (inner/winograd_1d.h). So the
 * gradient of g, summed over tiles, is
 *
 *     gw = G' [ sum over tiles of (A gy) . (B'd) ]
 *
 * with transforms of both axes: 36 products a tile instead of 144. For each group and strip of tile rows:
 *
 *   1. V[36][C/G][tiles] = B'd of every input channel
 *   2. for each block of eight output channels
 *      a. Z[36][8][tiles] = A gy of its channels
 *      b. dU[36][C/G][8] += sums over tiles of V times Z (inner/correlate.h)
 *      c. after the last strip gw += G' dU
 *
 * A vector holds four tiles side by side, because the sums run over tiles. Tiles are in the order tile row,
 * phase row, phase column, tile column: a dilation d splits the image into d x d phases. As in
 * convolution/winograd.c, one value that is not finite, or huge, would spoil a whole tile. The transforms
 * watch for such values (base/simd.h). */
#include <string.h>

#include "backward/backward.h"
#include "base/assert.h"
#include "base/attributes.h"
#include "inner/correlate.h"
#include "inner/pad.h"
#include "inner/transpose.h"
#include "inner/winograd_1d.h"

enum {
  M = 4,
  N = M + 2,
  NN = N * N,                 /* values of a transformed tile */
  V_FLOATS = 1920 * 1024 / 4, /* of a strip's transformed input, about */
  LEAST_TILES = 12,           /* of the image: with fewer, sums across lanes take longer than the rest */
};

/* The tiles of one group, and the layout of the workspace, in floats. */
typedef struct weight_winograd_layout {
  int32_t d;                             /* dilation */
  int32_t tile_rows;                     /* of one phase of the image */
  int32_t tile_columns;                  /* of one phase */
  int32_t strip_rows;                    /* tile rows in a strip */
  int32_t width, padded_row;             /* of the padded channel: the columns of one phase and of all */
  size_t v_row;                          /* from one channel of V or Z to the next */
  size_t v_plane, z_plane, u_plane;      /* from one of the 36 planes to the next */
  size_t u_block;                        /* floats of one block's dU */
  size_t padded, v, z, packed, u, total; /* where each begins; packed: a plane of Z as correlate reads it */
} weight_winograd_layout;

SMALL static weight_winograd_layout weight_winograd_plan(const geometry *s, int32_t blocks) {
  const int32_t channels = s->C / s->G, d = s->dilation_h;
  weight_winograd_layout t = {.d = d};
  t.tile_rows = ((s->Ho - 1) / d) / M + 1;
  t.tile_columns = ((s->Wo - 1) / d) / M + 1;
  const int64_t row_tiles = (int64_t)d * d * t.tile_columns;
  const int64_t fit = V_FLOATS / ((int64_t)NN * channels * row_tiles),
                least = (LEAST_TILES - 1) / row_tiles + 1;
  const int64_t want = fit > least ? fit : least;
  const int32_t strips = (int32_t)((t.tile_rows - 1) / want) + 1;
  t.strip_rows = (t.tile_rows - 1) / strips + 1; /* strips of equal height */
  const size_t strip_tiles = (size_t)(t.strip_rows * row_tiles);
  /* Four tiles read 4M + 2 columns. */
  t.width = round_up_i32(t.tile_columns, 4) * M + 4;
  t.padded_row = t.width * d;
  /* Tiles are written four at a time. */
  t.v_row = round_up(strip_tiles + 3, 4);
  t.v_plane = plane_floats(t.v_row * channels);
  t.z_plane = plane_floats(t.v_row * LANES);
  t.u_plane = plane_floats((size_t)channels * LANES);
  t.u_block = NN * t.u_plane;
  t.padded = 0;
  t.v = t.padded + round_up((size_t)(t.strip_rows * M + 2) * d * t.padded_row, 16);
  t.z = t.v + NN * t.v_plane;
  t.packed = t.z + NN * t.z_plane;
  t.u = t.packed + round_up(t.v_row * CORRELATE_ROWS, 16);
  /* With one strip, the sums of a block are complete before the next block begins. */
  t.total = t.u + t.u_block * (strips == 1 ? 1 : (size_t)blocks);
  return t;
}

bool weight_gradient_winograd_pays(const geometry *s) {
  const int32_t d = s->dilation_h;
  const int64_t tiles = (int64_t)d * d * (((s->Ho - 1) / d) / M + 1) * (((s->Wo - 1) / d) / M + 1);
  /* At least a quarter of the tiles' pixels must exist. */
  const int64_t least = tiles * M * M / 4;
  const int32_t channels = s->C / s->G;
  if (!geometry_is_uniform(s) || s->Rh != 3 || s->stride_h != 1 || channels < 16 || s->O / s->G < 8 ||
      tiles < LEAST_TILES || (int64_t)s->Ho * s->Wo < least || is_extreme(s))
    return false;
  const weight_winograd_layout t = weight_winograd_plan(s, 1);
  /* V and Z must fit the workspace. */
  const uint64_t strip = (uint64_t)d * d * t.strip_rows * t.tile_columns;
  return sizeof(float) * NN * strip * (channels + LANES) <= MOST_WORKSPACE;
}

/* From one row of the inputs of four tiles, in vectors of four, to the tiles' columns. t1:0 is column 0 of
 * tile 1:
 *
 *     r0 = t0:0123   r1 = t1:0123   r2 = t2:0123   r3 = t3:0123   r4 = t4:01..
 *     columns 0 to 3: the 4x4 transpose
 *     column 4 = t1:0 t2:0 t3:0 t4:0, which is column 0 shifted by one tile; column 5 likewise */
INLINE void weight_winograd_gather_columns(const v128_t r[5], v128_t column[N]) {
  for (int i = 0; i < 4; i++) column[i] = r[i];
  transpose4(column);
  column[4] = wasm_i32x4_shuffle(column[0], r[4], 1, 2, 3, 4);
  column[5] = wasm_i32x4_shuffle(column[1], r[4], 1, 2, 3, 5);
}

/* B' of both axes for four tiles side by side. padded: their inputs, rows `step` floats apart. Writes one
 * vector of tiles to each of the 36 planes of out, `plane` floats apart. Returns a watch (base/simd.h). */
INLINE v128_t weight_winograd_transform_inputs(const float *padded, size_t step, float *out, size_t plane) {
  /* B' down the columns, four columns a vector. */
  v128_t down[N][5], watch = wasm_f32x4_splat(0);
  for (int i = 0; i < 5; i++) {
    v128_t d[N], v[N];
    for (int r = 0; r < N; r++) d[r] = wasm_v128_load(padded + r * step + 4 * i);
    winograd_input(N, d, v);
    for (int r = 0; r < N; r++) down[r][i] = v[r];
    /* v[0] is made of the even inputs, v[N - 1] of the odd ones. */
    watch = wasm_f32x4_add(watch, wasm_f32x4_add(v[0], v[N - 1]));
  }
  /* B' across the rows, four tiles a vector. */
  for (int r = 0; r < N; r++) {
    v128_t column[N], v[N];
    weight_winograd_gather_columns(down[r], column);
    winograd_input(N, column, v);
    for (int q = 0; q < N; q++, out += plane) wasm_v128_store(out, v[q]);
  }
  return watch;
}

/* z [6] = A y, y [4]: the transpose of winograd_output. */
INLINE void weight_winograd_output_transposed(const v128_t y[M], v128_t z[N]) {
  const float a = POINT_A, b = POINT_B;
  const v128_t even_a = combine(SCALE_A, y[0], A2 * SCALE_A, y[2]);
  const v128_t odd_a = combine(a * SCALE_A, y[1], a * A2 * SCALE_A, y[3]);
  const v128_t even_b = combine(SCALE_B, y[0], B2 * SCALE_B, y[2]);
  const v128_t odd_b = combine(b * SCALE_B, y[1], b * B2 * SCALE_B, y[3]);
  z[0] = scale(SCALE_0, y[0]);
  z[1] = wasm_f32x4_add(even_a, odd_a);
  z[2] = wasm_f32x4_sub(even_a, odd_a);
  z[3] = wasm_f32x4_add(even_b, odd_b);
  z[4] = wasm_f32x4_sub(even_b, odd_b);
  z[5] = y[3];
}

/* g [3] = G' u, u [6]: the transpose of winograd_kernel. */
INLINE void weight_winograd_kernel_transposed(const v128_t u[N], v128_t g[3]) {
  const v128_t even_a = wasm_f32x4_add(u[1], u[2]), odd_a = wasm_f32x4_sub(u[1], u[2]);
  const v128_t even_b = wasm_f32x4_add(u[3], u[4]), odd_b = wasm_f32x4_sub(u[3], u[4]);
  g[0] = wasm_f32x4_add(u[0], wasm_f32x4_add(even_a, even_b));
  g[1] = combine(POINT_A, odd_a, POINT_B, odd_b);
  g[2] = wasm_f32x4_add(u[5], combine(A2, even_a, B2, even_b));
}

/* A of both axes for four tiles side by side. g: their gradients, rows `step` floats apart. Writes and
 * returns as weight_winograd_transform_inputs does. */
INLINE v128_t weight_winograd_transform_gradients(const float *g, size_t step, float *out, size_t plane) {
  v128_t down[N][M], watch = wasm_f32x4_splat(0);
  for (int i = 0; i < 4; i++) {
    v128_t column[M], z[N];
    for (int r = 0; r < M; r++) {
      column[r] = wasm_v128_load(g + r * step + 4 * i);
      watch = wasm_f32x4_add(watch, column[r]);
    }
    weight_winograd_output_transposed(column, z);
    for (int r = 0; r < N; r++) down[r][i] = z[r];
  }
  for (int r = 0; r < N; r++) {
    v128_t z[N];
    transpose4(down[r]);
    weight_winograd_output_transposed(down[r], z);
    for (int q = 0; q < N; q++, out += plane) wasm_v128_store(out, z[q]);
  }
  return watch;
}

/* Transforms the tiles of one channel in a strip: its inputs to V, or its gradients to Z. */
SMALL static v128_t weight_winograd_transform_channel(const weight_winograd_layout *t, int32_t rows,
                                                      const float *padded, bool gradients, float *out) {
  const size_t step = (size_t)t->d * t->padded_row;
  v128_t watch = wasm_f32x4_splat(0);
  for (int32_t ty = 0; ty < rows; ty++)
    for (int32_t phase = 0; phase < t->d * t->d; phase++, out += t->tile_columns) {
      const int32_t py = phase / t->d, px = phase % t->d;
      const float *row = padded + (size_t)(ty * M * t->d + py) * t->padded_row + px * t->width;
      for (int32_t tx = 0; tx < t->tile_columns; tx += 4) {
        const float *tile = row + (size_t)tx * M;
        watch = wasm_f32x4_add(
            watch, gradients ? weight_winograd_transform_gradients(tile, step, out + tx, t->z_plane)
                             : weight_winograd_transform_inputs(tile, step, out + tx, t->v_plane));
      }
    }
  return watch;
}

/* gw [channels, 9, 8] += G' dU */
static void weight_winograd_transform_sums(size_t u_plane, int32_t channels, const float *u, float *gw) {
  for (int32_t c = 0; c < channels; c++, u += LANES)
    for (int half = 0; half < LANES; half += 4) {
      v128_t down[3][N];
      for (int q = 0; q < N; q++) {
        v128_t column[N], g[3];
        for (int r = 0; r < N; r++) column[r] = wasm_v128_load(u + (size_t)(r * N + q) * u_plane + half);
        weight_winograd_kernel_transposed(column, g);
        for (int r = 0; r < 3; r++) down[r][q] = g[r];
      }
      for (int r = 0; r < 3; r++) {
        v128_t g[3];
        weight_winograd_kernel_transposed(down[r], g);
        for (int q = 0; q < 3; q++) {
          float *sum = gw + ((size_t)c * 9 + r * 3 + q) * LANES + half;
          wasm_v128_store(sum, wasm_f32x4_add(wasm_v128_load(sum), g[q]));
        }
      }
    }
}

/* Adds the sums over tiles to dU [36, channels, 8] of one block of output channels. */
SMALL static void weight_winograd_add_products(const weight_winograd_layout *t, int32_t tiles,
                                               int32_t channels, int32_t count, const int32_t *offset,
                                               float *workspace, float *u) {
  float *packed = workspace + t->packed;
  for (int32_t o = 0; o < count; o += CORRELATE_ROWS) {
    const int32_t rows = min_i32(count - o, CORRELATE_ROWS);
    for (int p = 0; p < NN; p++) {
      const float *z = workspace + t->z + p * t->z_plane + (size_t)o * t->v_row;
      correlate_pack(z, t->v_row, 1, tiles, rows, packed);
      const correlation work = {.g = packed,
                                .x = workspace + t->v + p * t->v_plane,
                                .offset = offset,
                                .rows = 1,
                                .columns = tiles,
                                .taps = channels,
                                .count = rows};
      correlate(&work, u + p * t->u_plane + o);
    }
  }
}

static size_t weight_winograd_offset_floats(const geometry *s) { return round_up((size_t)(s->C / s->G), 16); }

SMALL uint64_t weight_gradient_winograd_workspace(const geometry *s, int32_t blocks) {
  return sizeof(float) * (uint64_t)(weight_winograd_offset_floats(s) + weight_winograd_plan(s, blocks).total);
}

SMALL bool weight_gradient_winograd(const geometry *s, const float *x, const float *gy,
                                    const packed_kernels *gw, int32_t first_block, int32_t end_block,
                                    void *memory) {
  DK_ASSERT((uintptr_t)memory % 64 == 0 && first_block < end_block);
  const weight_winograd_layout layout = weight_winograd_plan(s, end_block - first_block), *t = &layout;
  const int32_t channels = s->C / s->G, run_blocks = gw->run_blocks, d = t->d;
  const size_t x_plane = (size_t)s->H * s->W, y_plane = (size_t)s->Ho * s->Wo;
  int32_t *offset = memory;
  float *workspace = (float *)memory + weight_winograd_offset_floats(s);
  float *padded = workspace + t->padded;
  for (int32_t c = 0; c < channels; c++) offset[c] = (int32_t)(c * t->v_row);

  for (int32_t g = first_block / run_blocks; g * run_blocks < end_block; g++)
    for (int32_t row = 0; row < t->tile_rows; row += t->strip_rows) {
      const int32_t rows = min_i32(t->strip_rows, t->tile_rows - row), first = row * M * d;
      v128_t watch = wasm_f32x4_splat(0);
      /* V of all input channels. */
      for (int32_t c = 0; c < channels; c++) {
        pad_rows(x + (size_t)(g * channels + c) * x_plane, s->H, s->W, first - s->top, -s->left,
                 (rows * M + 2) * d, d, t->width, padded);
        watch = wasm_f32x4_add(watch, weight_winograd_transform_channel(t, rows, padded, false,
                                                                        workspace + t->v + c * t->v_row));
      }
      for (int32_t block = max_i32(first_block, g * run_blocks);
           block < min_i32(end_block, (g + 1) * run_blocks); block++) {
        /* Z of this block's output channels. */
        const channel_block o = kernels_block(gw, block);
        for (int32_t i = 0; i < o.count; i++) {
          pad_rows(gy + (size_t)(o.first + i) * y_plane, s->Ho, s->Wo, first, 0, rows * M * d, d, t->width,
                   padded);
          watch = wasm_f32x4_add(watch, weight_winograd_transform_channel(t, rows, padded, true,
                                                                          workspace + t->z + i * t->v_row));
        }
        if (!watch_holds(watch)) return false;
        /* Products; after the last strip G' of their sums. */
        const bool one_strip = t->strip_rows == t->tile_rows;
        float *sums = workspace + t->u + (one_strip ? 0 : t->u_block * (size_t)(block - first_block));
        if (row == 0) memset(sums, 0, sizeof(float) * t->u_block);
        weight_winograd_add_products(t, rows * d * d * t->tile_columns, channels, o.count, offset, workspace,
                                     sums);
        if (row + rows == t->tile_rows)
          weight_winograd_transform_sums(t->u_plane, channels, sums, kernels_channel(gw, o.first));
      }
    }
  return true;
}
