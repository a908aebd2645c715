/* Direct convolution: every output is the sum over its taps. Covers every shape but
 * one input channel per group, whose kernels are packed for convolve_depthwise.c.
 *
 * The input goes through in strips of rows. A strip of one group, all its channels, is written out
 * with its padding (strip.h) into a place that stays in the second-level cache; then, for each block
 * of eight output channels, the kernels are mixed and the strip is convolved with them, in
 * register blocks of 4 output channels x 8 output columns:
 *
 *     for every input channel and tap    two vectors of input, four weights splatted,
 *                                        eight multiply-adds
 *
 * The loop over taps must stay a loop: unrolled, V8 spills the accumulators. */
#include <string.h>

#include "convolution.h"
#include "simd.h"
#include "strip.h"

enum {
  COLUMNS = 8,                  /* output columns of a register block */
  STRIP_FLOATS = 96 * 1024 / 4, /* of padded input: what leaves room for weights in the L2 */
  LEAST_PIXELS = 256,           /* of a strip's output, lest mixing anew for each strip show */
};

static strip plan(const geometry *s) {
  return strip_plan(s, s->C / s->G, COLUMNS, (LEAST_PIXELS - 1) / s->Wo + 1, STRIP_FLOATS);
}

/* What the register block reads and writes. */
typedef struct block_work {
  const float *input;     /* [channels, plane] */
  size_t plane, row_step; /* floats from a channel, from an output row's input, to the next */
  int32_t channels, taps;
  const int32_t *offset; /* [taps] */
  const float *mixed;    /* [channels, taps, 8], from the first lane used */
  const float *bias;     /* likewise */
  float *y;              /* first output row of the first output channel */
  size_t y_plane;        /* floats from an output channel to the next */
  int32_t rows, Wo;
} block_work;

/* M output channels, M a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void convolve_rows(const int M, const block_work *b) {
  for (int32_t row = 0; row < b->rows; row++) {
    for (int32_t x = 0; x < b->Wo; x += COLUMNS) {
      /* The last block of a row ends with the row and computes a few columns once more. */
      const int32_t column = x + COLUMNS <= b->Wo ? x : max_i32(b->Wo - COLUMNS, 0);
      const float *input = b->input + row * b->row_step + column;
      const float *w = b->mixed;
      v128_t sum[4][2];
      for (int m = 0; m < M; m++) sum[m][0] = sum[m][1] = wasm_v128_load32_splat(b->bias + m);

      for (int32_t c = 0; c < b->channels; c++, input += b->plane) {
#pragma clang loop unroll(disable)
        for (int32_t i = 0; i < b->taps; i++, w += LANES) {
          const float *tap = input + b->offset[i];
          const v128_t left = wasm_v128_load(tap), right = wasm_v128_load(tap + 4);
          for (int m = 0; m < M; m++) {
            const v128_t weight = wasm_v128_load32_splat(w + m);
            sum[m][0] = madd(weight, left, sum[m][0]);
            sum[m][1] = madd(weight, right, sum[m][1]);
          }
        }
      }

      float *y = b->y + (size_t)row * b->Wo + column;
      for (int m = 0; m < M; m++, y += b->y_plane) {
        if (b->Wo >= COLUMNS) {
          wasm_v128_store(y, sum[m][0]);
          wasm_v128_store(y + 4, sum[m][1]);
        } else {
          float narrow[COLUMNS];
          wasm_v128_store(narrow, sum[m][0]);
          wasm_v128_store(narrow + 4, sum[m][1]);
          memcpy(y, narrow, sizeof(float) * (size_t)b->Wo);
        }
      }
    }
  }
}

static void convolve_block(block_work b, int32_t count) {
  for (; count >= 4; count -= 4) {
    convolve_rows(4, &b);
    b.mixed += 4, b.bias += 4, b.y += 4 * b.y_plane;
  }
  if (count == 3) convolve_rows(3, &b);
  if (count == 2) convolve_rows(2, &b);
  if (count == 1) convolve_rows(1, &b);
}

/* The workspace: offsets [R*R], mixed [depth, 8], padded [C/G, plane]. */
static size_t offset_floats(const geometry *s) { return round_up((size_t)s->R * s->R, 16); }
static size_t mixed_floats(const geometry *s) {
  return round_up((size_t)(s->C / s->G) * s->R * s->R * LANES, 16);
}

static size_t workspace(const geometry *s) {
  return sizeof(float) * (offset_floats(s) + mixed_floats(s) + s->C / s->G * plan(s).plane);
}

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const packed_kernels *kernels = work->kernels;
  const strip t = plan(s);
  int32_t *offset = work->workspace;
  float *mixed = (float *)work->workspace + offset_floats(s);
  float *padded = mixed + mixed_floats(s);
  const int32_t channels = s->C / s->G, group_blocks = kernels->blocks / s->G;
  strip_taps(s, &t, offset);

  for (int32_t g = 0; g < s->G; g++) {
    const float *x = work->x + (size_t)g * channels * s->H * s->W;
    for (int32_t oy = 0; oy < s->Ho; oy += t.rows_out) {
      const int32_t rows = min_i32(t.rows_out, s->Ho - oy);
      for (int32_t c = 0; c < channels; c++)
        strip_fill(s, &t, x + (size_t)c * s->H * s->W, oy, rows, padded + c * t.plane);

      block_work b = {.input = padded, .plane = t.plane,
                      .row_step = (size_t)s->stride * t.row,
                      .channels = channels, .taps = s->R * s->R, .offset = offset,
                      .y_plane = (size_t)s->Ho * s->Wo, .rows = rows, .Wo = s->Wo};
      for (int32_t i = 0; i < group_blocks; i++) {
        const int32_t block = g * group_blocks + i;
        const channel_block o = kernels_block(kernels, block);
        float bias[LANES];
        kernels_mix(kernels, block, 0, kernels->depth, work->a, mixed);
        kernels_mix_bias(kernels, block, work->bias, work->a, bias);
        b.mixed = mixed, b.bias = bias;
        b.y = work->y + ((size_t)o.first * s->Ho + oy) * s->Wo;
        convolve_block(b, o.count);
      }
    }
  }
}

static bool covers(const geometry *s) { return s->G == 1 || s->C > s->G; }

const algorithm direct_algorithm = {DK_ALGORITHM_DIRECT, 1, covers, covers, workspace, convolve};
