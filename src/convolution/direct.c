/* Direct convolution: every output is the sum over its taps. Covers every shape but
 * depthwise with several groups, whose kernels are packed for convolution/depthwise.c.
 *
 * The input goes through in strips of rows. A strip of one group, all its channels, is written out
 * with its padding (inner/strip.h) into a place that stays in the second-level cache; then, for each block
 * of eight output channels, the kernels are mixed and the strip is convolved with them (inner/rows_direct.h).
 */
#include "base/attributes.h"
#include "convolution/convolution.h"
#include "inner/rows_direct.h"
#include "inner/strip.h"

enum {
  STRIP_FLOATS = 96 * 1024 / 4, /* of padded input: what leaves room for weights in the L2 */
  LEAST_PIXELS = 256,           /* of a strip's output, lest mixing anew for each strip show */
};

static strip plan(const geometry *s) {
  return strip_plan(s, s->C / s->G, DIRECT_COLUMNS, (LEAST_PIXELS - 1) / s->Wo + 1, STRIP_FLOATS);
}

/* The workspace: offsets [depth], mixed [depth, 8], padded [C/G, plane]. */
static size_t depth_floats(const geometry *s) { return round_up((size_t)(s->C / s->G) * s->R * s->R, 16); }

static uint64_t workspace(const geometry *s) {
  return (uint64_t)sizeof(float) * ((1 + LANES) * depth_floats(s) + s->C / s->G * plan(s).plane);
}

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const packed_kernels *kernels = work->kernels;
  const strip t = plan(s);
  int32_t *offset = work->workspace;
  float *mixed = (float *)work->workspace + depth_floats(s);
  float *padded = mixed + LANES * depth_floats(s);
  const int32_t channels = s->C / s->G;
  strip_taps(s, &t, channels, offset);

  for (int32_t g = first_group(work); g < end_group(work); g++) {
    const float *x = work->x + (size_t)g * channels * s->H * s->W;
    for (int32_t oy = work->first_row; oy < work->end_row; oy += t.rows_out) {
      const int32_t rows = min_i32(t.rows_out, work->end_row - oy);
      for (int32_t c = 0; c < channels; c++)
        strip_fill(s, &t, x + (size_t)c * s->H * s->W, oy, rows, padded + c * t.plane);

      rows_direct b = {.input = padded,
                       .row_step = (size_t)s->stride * t.row,
                       .taps = kernels->depth,
                       .offset = offset,
                       .y_plane = (size_t)s->Ho * s->Wo,
                       .rows = rows,
                       .Wo = s->Wo};
      for (int32_t block = group_first_block(work, g); block < group_end_block(work, g); block++) {
        const channel_block o = kernels_block(kernels, block);
        float bias[LANES];
        kernels_mix(kernels, block, 0, kernels->depth, work->a, mixed);
        kernels_mix_bias(kernels, block, work->bias, work->a, bias);
        b.weight = mixed, b.bias = bias;
        b.y = work->y + ((size_t)o.first * s->Ho + oy) * s->Wo;
        rows_direct_convolve(&b, o.count);
      }
    }
  }
}

static bool covers(const geometry *s) { return s->G == 1 || s->C > s->G; }

SMALL static double cost(const geometry *s) {
  const double C = s->C / s->G, reach = (double)s->dilation * (s->R - 1);
  const double rows_in = (s->Ho - 1.0) * s->stride + reach + 1;
  const double columns_in = (double)s->Wo * s->stride + reach;
  const double padding = 6 * C * rows_in * columns_in / 4;
  return padding + s->Ho * rows_direct_cost(C * s->R * s->R, s->O / s->G, s->Wo);
}

const algorithm direct_algorithm = {DK_ALGORITHM_DIRECT, 1, covers, cost, workspace, convolve, false};
