/* Direct convolution: every output is the sum over its taps. Covers every shape but depthwise with several
 * groups, whose kernels are packed for convolution/depthwise.c.
 *
 * For each group and strip of output rows:
 *
 *   1. inputs    padded[C/G][rows in][stride][width]   stays in the second-level cache (inner/strip.h)
 *   2. for each block of eight output channels
 *      a. mixed  [C/G * Rh*Rw][8]
 *      b. y      the strip convolved with them (inner/rows_direct.h) */
#include "convolution/direct.h"
#include "base/attributes.h"
#include "convolution/convolution.h"
#include "convolution/costs.h"
#include "inner/rows_direct.h"
#include "inner/strip.h"

enum {
  STRIP_FLOATS = 96 * 1024 / 4, /* of padded input: leaves room for weights in the second-level cache */
  LEAST_PIXELS = 256,           /* of a strip's output: the kernels are mixed again for each strip */
};

static strip direct_layout_of(const geometry *shape) {
  const int32_t least_rows = (LEAST_PIXELS - 1) / shape->Wo + 1;
  return strip_layout(shape, shape->C / shape->G, DIRECT_COLUMNS, least_rows, STRIP_FLOATS);
}

/* The workspace: offsets [depth], mixed [depth, 8], padded [C/G, plane]. */
static size_t direct_depth_floats(const geometry *shape) {
  return round_up((size_t)(shape->C / shape->G) * shape->Rh * shape->Rw, 16);
}

static uint64_t direct_workspace(const geometry *shape) {
  const size_t padded = shape->C / shape->G * direct_layout_of(shape).plane;
  return (uint64_t)sizeof(float) * ((1 + LANES) * direct_depth_floats(shape) + padded);
}

static void direct_convolve(const convolution *work) {
  const geometry *shape = work->shape;
  const packed_kernels *kernels = work->kernels;
  const strip layout = direct_layout_of(shape);
  const int32_t channels = shape->C / shape->G;
  int32_t *offset = work->workspace;
  float *mixed = (float *)work->workspace + direct_depth_floats(shape);
  float *padded = mixed + LANES * direct_depth_floats(shape);
  assert_work(&direct_algorithm, work);
  strip_taps(shape, &layout, channels, offset);

  for (int32_t g = first_group(work); g < end_group(work); g++) {
    const float *x = work->x + (size_t)g * channels * work->x_channel;
    for (int32_t oy = work->first_row; oy < work->end_row; oy += layout.rows_out) {
      /* Write the strip out with its padding. */
      const int32_t rows = min_i32(layout.rows_out, work->end_row - oy);
      for (int32_t c = 0; c < channels; c++)
        strip_fill(shape, &layout, x + c * work->x_channel, oy, rows, padded + c * layout.plane);

      rows_direct strip_rows = {.input = padded,
                                .row_step = (size_t)shape->stride_h * layout.row,
                                .taps = kernels->depth,
                                .offset = offset,
                                .y_plane = work->y_channel,
                                .rows = rows,
                                .Wo = shape->Wo,
                                .clamp = work->steps->clamp};
      for (int32_t block = group_first_block(work, g); block < group_end_block(work, g); block++) {
        /* Mix the kernels of eight output channels. */
        const channel_block channels_out = kernels_block(kernels, block);
        float bias[LANES];
        strip_rows.weight = convolution_kernels(work, block, 0, kernels->depth, mixed);
        convolution_bias(work, block, bias);

        /* Convolve the strip with them. */
        strip_rows.bias = bias;
        strip_rows.y = work->y + channels_out.first * work->y_channel + (size_t)oy * shape->Wo;
        rows_direct_convolve(&strip_rows, channels_out.count);
        convolution_finish_rows(work, channels_out, oy, rows);
      }
    }
  }
}

static bool direct_covers(const geometry *shape) { return shape->G == 1 || shape->C > shape->G; }

SMALL double direct_row_cost(double taps, int32_t count, int32_t Wo) {
  const int32_t vectors = ((Wo - 1) / DIRECT_COLUMNS + 1) * (DIRECT_COLUMNS / 4);
  /* One channel of a short row takes as long as two: its few sums wait for each other. */
  const bool waits = count % 4 == 1 && Wo < 24;
  return DIRECT_TAP * vectors * taps * (count + waits);
}

SMALL static double direct_cost(const geometry *shape) {
  const double C = shape->C / shape->G;
  const double rows_in =
      (shape->Ho - 1.0) * shape->stride_h + (double)shape->dilation_h * (shape->Rh - 1) + 1;
  const double columns_in = (double)shape->Wo * shape->stride_w + (double)shape->dilation_w * (shape->Rw - 1);
  const double padding = C * rows_in * (DIRECT_PADDING * columns_in / 4 + DIRECT_PADDING_ROW);
  return padding + shape->Ho * direct_row_cost(C * shape->Rh * shape->Rw, shape->O / shape->G, shape->Wo);
}

const algorithm direct_algorithm = {.id = DK_ALGORITHM_DIRECT,
                                    .name = "direct",
                                    .tile = 1,
                                    .prefix = PREFIX_SCALE | PREFIX_CLAMP,
                                    .covers = direct_covers,
                                    .cost = direct_cost,
                                    .workspace = direct_workspace,
                                    .convolve = direct_convolve};
