/* The gradient of a 3x3 kernel by Winograd's algorithm F(4x4, 3x3) transposed.
 *
 * The forward algorithm computes a tile's outputs as y = A'[(G g) . (B'd)] (winograd.h). The loss's
 * derivative along g is therefore, summed over tiles,
 *
 *     gw = G' [ sum over tiles of (A gy) . (B'd) ]
 *
 * with transforms of both axes, as there: 36 sums over tiles instead of 144 products a tile. For
 * each group and strip of tile rows:
 *
 *   1. V[36][C/G][tiles] = B'd of every input channel
 *   2. for each block of eight output channels
 *      a. Z[36][8][tiles] = A gy of its channels
 *      b. dU[36][C/G][8] += sums over tiles of V times Z (correlate.h)
 *      c. after the last strip gw += G' dU
 *
 * As in convolve_winograd.c one value that is not finite would spoil more than it should: the
 * transforms watch for it. */
#include <string.h>

#include "correlate.h"
#include "gradient.h"
#include "strip.h"
#include "transpose.h"
#include "winograd.h"

enum {
  M = 4,
  N = M + 2,
  NN = N * N,                /* tile, transformed tile */
  V_FLOATS = 1920 * 1024 / 4, /* of transformed input in a strip, about */
  LEAST_TILES = 12,          /* of the image: below, sums across lanes outweigh the rest */
};

typedef struct tiling {
  int32_t rows, columns; /* tiles of the image */
  int32_t strip_rows;    /* tile rows in a strip */
  int32_t width;         /* floats of a padded row: whole vectors of tiles */
  size_t row;            /* from one channel of V or Z to the next */
  size_t v_plane, z_plane, u_plane, u_block;
  size_t packed_plane;                   /* of Z as correlate takes it */
  size_t padded, v, z, packed, u, total; /* where each begins; total floats */
} tiling;

/* A cache line more than a plane needs, lest 36 streams share cache sets. */
static size_t plane_floats(size_t floats) { return round_up(floats, 16) + 16; }

static tiling plan(const geometry *s, int32_t blocks) {
  tiling t = {.rows = (s->Ho - 1) / M + 1, .columns = (s->Wo - 1) / M + 1};
  const int32_t channels = s->C / s->G;
  const int64_t fit = V_FLOATS / ((int64_t)NN * channels * t.columns);
  const int32_t least = (LEAST_TILES - 1) / t.columns + 1;
  const int32_t want = max_i32(fit > t.rows ? t.rows : (int32_t)fit, min_i32(least, t.rows));
  const int32_t strips = (t.rows - 1) / want + 1;
  t.strip_rows = (t.rows - 1) / strips + 1;                  /* strips of equal height */
  t.width = (int32_t)round_up((size_t)t.columns, 4) * M + 4; /* four tiles read 4M + 2 */
  t.row = round_up((size_t)t.strip_rows * t.columns + 3, 4); /* four are written at a time */
  t.v_plane = plane_floats(t.row * channels);
  t.z_plane = plane_floats(t.row * LANES);
  t.packed_plane = plane_floats(t.row * LANES);
  t.u_plane = plane_floats((size_t)channels * LANES);
  t.u_block = NN * t.u_plane;
  t.padded = 0;
  t.v = t.padded + round_up((size_t)(t.strip_rows * M + 2) * t.width, 16);
  t.z = t.v + NN * t.v_plane;
  t.packed = t.z + NN * t.z_plane;
  t.u = t.packed + NN * t.packed_plane;
  /* With one strip, a block's sums are done with before the next block's begin. */
  t.total = t.u + t.u_block * (t.strip_rows == t.rows ? 1 : (size_t)blocks);
  return t;
}

bool weight_gradient_winograd_pays(const geometry *s) {
  const int64_t tiles = ((int64_t)(s->Ho - 1) / M + 1) * ((s->Wo - 1) / M + 1);
  return s->R == 3 && s->stride == 1 && s->dilation == 1 && s->C / s->G >= 16 && s->O / s->G >= 8 &&
         tiles >= LEAST_TILES;
}

/* z [6] = A y, y [4]: the transpose of winograd_output. */
WINOGRAD_INLINE void output_transposed(const v128_t y[M], v128_t z[N]) {
  const v128_t even_a = madd(wasm_f32x4_splat(A2), y[2], y[0]);
  const v128_t odd_a = combine(POINT_A, y[1], POINT_A * A2, y[3]);
  const v128_t even_b = madd(wasm_f32x4_splat(B2), y[2], y[0]);
  const v128_t odd_b = combine(POINT_B, y[1], POINT_B * B2, y[3]);
  z[0] = y[0];
  z[1] = wasm_f32x4_add(even_a, odd_a);
  z[2] = wasm_f32x4_sub(even_a, odd_a);
  z[3] = wasm_f32x4_add(even_b, odd_b);
  z[4] = wasm_f32x4_sub(even_b, odd_b);
  z[5] = y[3];
}

/* g [3] = G' u, u [6]: the transpose of winograd_kernel. */
WINOGRAD_INLINE void kernel_transposed(const v128_t u[N], v128_t g[3]) {
  const v128_t even_a = wasm_f32x4_add(u[1], u[2]), odd_a = wasm_f32x4_sub(u[1], u[2]);
  const v128_t even_b = wasm_f32x4_add(u[3], u[4]), odd_b = wasm_f32x4_sub(u[3], u[4]);
  g[0] = wasm_f32x4_add(u[0], wasm_f32x4_add(even_a, even_b));
  g[1] = combine(POINT_A, odd_a, POINT_B, odd_b);
  g[2] = wasm_f32x4_add(u[5], combine(A2, even_a, B2, even_b));
}

/* Four tiles side by side: B' of both axes. d: their inputs, rows width apart. Writes a vector of
 * tiles every plane floats of out, and returns zeros, or NaN where a value was not finite. */
WINOGRAD_INLINE v128_t transform_inputs(const float *d, size_t width, float *out, size_t plane) {
  enum { VECTORS = 5 }; /* four tiles' columns and the next tile's first two */
  v128_t down[N][VECTORS], watch = wasm_f32x4_splat(0);
  for (int i = 0; i < VECTORS; i++) {
    v128_t column[N], b[N];
    for (int r = 0; r < N; r++)
      column[r] = wasm_v128_load(d + r * width + 4 * i);
    winograd_input(N, column, b);
    for (int r = 0; r < N; r++)
      down[r][i] = b[r];
    watch = wasm_f32x4_add(watch, winograd_watch(N, b));
  }
  for (int r = 0; r < N; r++) {
    v128_t tile[N], b[N];
    for (int i = 0; i < 4; i++)
      tile[i] = down[r][i];
    transpose4(tile);
    tile[4] =
        wasm_i32x4_shuffle(tile[0], down[r][4], 1, 2, 3, 4); /* the next tiles' first columns */
    tile[5] = wasm_i32x4_shuffle(tile[1], down[r][4], 1, 2, 3, 5);
    winograd_input(N, tile, b);
    for (int q = 0; q < N; q++, out += plane)
      wasm_v128_store(out, b[q]);
  }
  return watch;
}

/* The same for gradients: A of both axes. */
WINOGRAD_INLINE v128_t transform_gradients(const float *g, size_t width, float *out, size_t plane) {
  const v128_t zero = wasm_f32x4_splat(0);
  v128_t down[N][M], watch = zero;
  for (int i = 0; i < 4; i++) {
    v128_t column[M], z[N];
    for (int r = 0; r < M; r++) {
      column[r] = wasm_v128_load(g + r * width + 4 * i);
      watch = madd(zero, column[r], watch);
    }
    output_transposed(column, z);
    for (int r = 0; r < N; r++)
      down[r][i] = z[r];
  }
  for (int r = 0; r < N; r++) {
    v128_t z[N];
    transpose4(down[r]);
    output_transposed(down[r], z);
    for (int q = 0; q < N; q++, out += plane)
      wasm_v128_store(out, z[q]);
  }
  return watch;
}

/* One channel's tiles of a strip, from its padded rows. */
static v128_t transform_channel(const tiling *t, bool gradients, int32_t rows, const float *padded,
                                float *out, size_t plane) {
  v128_t watch = wasm_f32x4_splat(0);
  for (int32_t ty = 0; ty < rows; ty++)
    for (int32_t tx = 0; tx < t->columns; tx += 4) {
      const float *from = padded + (size_t)ty * M * t->width + (size_t)tx * M;
      float *to = out + (size_t)ty * t->columns + tx;
      const v128_t w = gradients ? transform_gradients(from, (size_t)t->width, to, plane)
                                 : transform_inputs(from, (size_t)t->width, to, plane);
      watch = wasm_f32x4_add(watch, w);
    }
  return watch;
}

static bool finite(v128_t watch) { return wasm_i32x4_all_true(wasm_f32x4_eq(watch, watch)); }

/* gw [channels, 9, 8] += G' dU */
static void transform_sums(const tiling *t, int32_t channels, const float *u, float *gw) {
  for (int32_t c = 0; c < channels; c++, u += LANES)
    for (int half = 0; half < LANES; half += 4) {
      v128_t down[3][N];
      for (int q = 0; q < N; q++) {
        v128_t column[N], g[3];
        for (int r = 0; r < N; r++)
          column[r] = wasm_v128_load(u + (size_t)(r * N + q) * t->u_plane + half);
        kernel_transposed(column, g);
        for (int r = 0; r < 3; r++)
          down[r][q] = g[r];
      }
      for (int r = 0; r < 3; r++) {
        v128_t g[3];
        kernel_transposed(down[r], g);
        for (int q = 0; q < 3; q++) {
          float *to = gw + ((size_t)c * 9 + r * 3 + q) * LANES + half;
          wasm_v128_store(to, wasm_f32x4_add(wasm_v128_load(to), g[q]));
        }
      }
    }
}

/* Tile rows row .. row + rows - 1 of the image. */
typedef struct strip_rows {
  int32_t row, rows;
} strip_rows;

/* dU of one block of output channels. */
static void add_products(const geometry *s, const tiling *t, strip_rows at, int32_t count,
                         const int32_t *offset, float *workspace, float *u) {
  const int32_t tiles = at.rows * t->columns, channels = s->C / s->G;
  const float *z = workspace + t->z;
  float *packed = workspace + t->packed;
  for (int32_t o = 0; o < count; o += CORRELATE_ROWS) {
    const int32_t rows = min_i32(count - o, CORRELATE_ROWS);
    for (int p = 0; p < NN; p++) {
      correlate_pack(z + p * t->z_plane + (size_t)o * t->row, t->row, 1, tiles, rows, packed);
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

static size_t offset_floats(const geometry *s) { return round_up((size_t)(s->C / s->G), 16); }

size_t weight_gradient_winograd_workspace(const geometry *s, int32_t blocks) {
  return sizeof(float) * (offset_floats(s) + plan(s, blocks).total);
}

bool weight_gradient_winograd(const geometry *s, const float *x, const float *gy,
                              const packed_kernels *gw, int32_t first_block, int32_t end_block,
                              void *memory) {
  const tiling t = plan(s, end_block - first_block);
  const int32_t channels = s->C / s->G, run_blocks = gw->run_blocks;
  const size_t x_plane = (size_t)s->H * s->W, y_plane = (size_t)s->Ho * s->Wo;
  int32_t *offset = memory;
  float *workspace = (float *)memory + offset_floats(s);
  float *padded = workspace + t.padded, *u = workspace + t.u;
  const bool one_strip = t.strip_rows == t.rows;
  for (int32_t c = 0; c < channels; c++)
    offset[c] = (int32_t)(c * t.row);

  for (int32_t g = first_block / run_blocks; g * run_blocks < end_block; g++)
    for (int32_t row = 0; row < t.rows; row += t.strip_rows) {
      const strip_rows at = {row, min_i32(t.strip_rows, t.rows - row)};
      v128_t watch = wasm_f32x4_splat(0);
      for (int32_t c = 0; c < channels; c++) {
        pad_rows(x + (size_t)(g * channels + c) * x_plane, s->H, s->W, s->padding, row * M,
                 at.rows * M + 2, 1, t.width, padded);
        watch = wasm_f32x4_add(watch, transform_channel(&t, false, at.rows, padded,
                                                        workspace + t.v + c * t.row, t.v_plane));
      }
      for (int32_t block = max_i32(first_block, g * run_blocks);
           block < min_i32(end_block, (g + 1) * run_blocks); block++) {
        const channel_block o = kernels_block(gw, block);
        for (int32_t i = 0; i < o.count; i++) {
          pad_rows(gy + (size_t)(o.first + i) * y_plane, s->Ho, s->Wo, 0, row * M, at.rows * M, 1,
                   t.width, padded);
          watch = wasm_f32x4_add(watch, transform_channel(&t, true, at.rows, padded,
                                                          workspace + t.z + i * t.row, t.z_plane));
        }
        if (!finite(watch))
          return false;
        float *sums = u + (one_strip ? 0 : t.u_block * (size_t)(block - first_block));
        if (row == 0)
          memset(sums, 0, sizeof(float) * t.u_block);
        add_products(s, &t, at, o.count, offset, workspace, sums);
        if (row + at.rows == t.rows)
          transform_sums(&t, channels, sums, kernels_channel(gw, 0, o.first));
      }
    }
  return true;
}
