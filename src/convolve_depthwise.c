/* Depthwise convolution: every output channel reads one input channel (C/G = 1), any multiplier,
 * kernel size, stride and dilation.
 *
 * A channel goes through in strips of rows, written out with their padding (strip.h) into the
 * first-level cache. The register block is 4 output rows x 8 output columns:
 *
 *     for every tap    one weight splatted, eight vectors of input, eight multiply-adds */
#include <string.h>

#include "convolution.h"
#include "simd.h"
#include "strip.h"

enum {
  ROWS = 4,
  COLUMNS = 8,
  STRIP_FLOATS = 24 * 1024 / 4, /* of padded input */
};

static strip plan(const geometry *s) { return strip_plan(s, 1, COLUMNS, ROWS, STRIP_FLOATS); }

typedef struct channel_work {
  const float *input; /* the strip */
  int32_t row_step;   /* floats from an output row's input to the next's */
  int32_t taps;
  const int32_t *offset; /* [taps] */
  const float *weight;   /* [taps], LANES apart */
  float bias;
  float *y; /* [rows, Wo] */
  int32_t Wo;
} channel_work;

/* height rows x width vectors of output from (row, column) on; both constants where inlined. Only
 * the first `columns` columns are stored. */
static inline __attribute__((always_inline)) void convolve_tile(const int height, const int width,
                                                                const channel_work *b, int32_t row,
                                                                int32_t column, int32_t columns) {
  v128_t sum[ROWS][2];
  for (int i = 0; i < height; i++)
    for (int v = 0; v < width; v++) sum[i][v] = wasm_f32x4_splat(b->bias);

  const float *input = b->input + (size_t)row * b->row_step + column;
  const float *weight = b->weight;
  const size_t row_step = b->row_step;
#pragma clang loop unroll(disable)
  for (int32_t tap = 0; tap < b->taps; tap++, weight += LANES) {
    const v128_t w = wasm_v128_load32_splat(weight);
    const float *in = input + b->offset[tap];
    for (int i = 0; i < height; i++, in += row_step)
      for (int v = 0; v < width; v++) sum[i][v] = madd(w, wasm_v128_load(in + 4 * v), sum[i][v]);
  }

  float *y = b->y + (size_t)row * b->Wo + column;
  for (int i = 0; i < height; i++, y += b->Wo) {
    if (columns >= 4 * width) {
      for (int v = 0; v < width; v++) wasm_v128_store(y + 4 * v, sum[i][v]);
    } else {
      float narrow[COLUMNS];
      for (int v = 0; v < width; v++) wasm_v128_store(narrow + 4 * v, sum[i][v]);
      memcpy(y, narrow, sizeof(float) * (size_t)columns);
    }
  }
}

/* A band of height rows. Its last tile ends with the row, and may compute columns once more. */
static inline __attribute__((always_inline)) void convolve_band(const int height,
                                                                const channel_work *b,
                                                                int32_t row) {
  int32_t x = 0;
  for (; x + COLUMNS <= b->Wo; x += COLUMNS) convolve_tile(height, 2, b, row, x, COLUMNS);
  const int32_t left = b->Wo - x;
  if (left == 0) return;
  if (left > 4)
    convolve_tile(height, 2, b, row, max_i32(b->Wo - COLUMNS, 0), min_i32(b->Wo, COLUMNS));
  else
    convolve_tile(height, 1, b, row, max_i32(b->Wo - 4, 0), min_i32(b->Wo, 4));
}

static void convolve_strip(const channel_work *b, int32_t rows) {
  if (rows < ROWS) {
    for (int32_t row = 0; row < rows; row++) convolve_band(1, b, row);
    return;
  }
  for (int32_t row = 0; row < rows; row += ROWS)
    convolve_band(ROWS, b, min_i32(row, rows - ROWS)); /* the last band ends with the strip */
}

/* The workspace: offsets [R*R], mixed [R*R, 8], padded strip. */
static size_t offset_floats(const geometry *s) { return round_up((size_t)s->R * s->R, 16); }
static size_t mixed_floats(const geometry *s) { return round_up((size_t)s->R * s->R * LANES, 16); }

static size_t workspace(const geometry *s) {
  return sizeof(float) * (offset_floats(s) + mixed_floats(s) + plan(s).plane);
}

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const packed_kernels *kernels = work->kernels;
  const strip t = plan(s);
  const int32_t multiplier = s->O / s->G;
  int32_t *offset = work->workspace;
  float *mixed = (float *)work->workspace + offset_floats(s);
  float *padded = mixed + mixed_floats(s);

  strip_taps(s, &t, offset);

  for (int32_t block = 0; block < kernels->blocks; block++) {
    const channel_block channels = kernels_block(kernels, block);
    float bias[LANES];
    kernels_mix(kernels, block, 0, kernels->depth, work->a, mixed);
    kernels_mix_bias(kernels, block, work->bias, work->a, bias);
    for (int32_t lane = 0; lane < channels.count; lane++) {
      const int32_t o = channels.first + lane;
      const float *x = work->x + (size_t)(o / multiplier) * s->H * s->W;
      for (int32_t oy = 0; oy < s->Ho; oy += t.rows_out) {
        const int32_t rows = min_i32(t.rows_out, s->Ho - oy);
        strip_fill(s, &t, x, oy, rows, padded);
        const channel_work b = {.input = padded, .row_step = s->stride * t.row,
                                .taps = s->R * s->R, .offset = offset,
                                .weight = mixed + lane, .bias = bias[lane],
                                .y = work->y + ((size_t)o * s->Ho + oy) * s->Wo, .Wo = s->Wo};
        convolve_strip(&b, rows);
      }
    }
  }
}

static bool covers(const geometry *s) { return s->C == s->G; }

/* One input channel in all is no depthwise convolution: direct shares its loads. */
static bool pays(const geometry *s) { return s->G > 1; }

const algorithm depthwise_algorithm = {DK_ALGORITHM_DEPTHWISE, 1, covers, pays, workspace,
                                       convolve};
