/* Depthwise convolution: every output channel reads one input channel (C/G = 1), any multiplier,
 * kernel size, stride and dilation.
 *
 * 3x3 kernels with a stride of 1 or 2 and a padding of 0 or 1, which nearly all are, read a channel
 * where it lies (inner/plane_depthwise_3x3.h). Otherwise it goes through in strips of rows, written out with
 * their padding (inner/strip.h) into the first-level cache; inner/plane_depthwise.h has the kernels that
 * convolve a strip. */
#include "convolution/convolution.h"
#include "inner/plane_depthwise.h"
#include "inner/plane_depthwise_3x3.h"
#include "inner/strip.h"

enum { STRIP_FLOATS = 24 * 1024 / 4 }; /* of padded input */

static strip plan(const geometry *s) {
  return strip_plan(s, 1, DEPTHWISE_COLUMNS, DEPTHWISE_ROWS, STRIP_FLOATS);
}

/* The workspace: offsets [R*R], mixed [R*R, 8], padded strip. */
static size_t offset_floats(const geometry *s) { return round_up((size_t)s->R * s->R, 16); }
static size_t mixed_floats(const geometry *s) { return round_up((size_t)s->R * s->R * LANES, 16); }

static uint64_t workspace(const geometry *s) {
  return (uint64_t)sizeof(float) * (offset_floats(s) + mixed_floats(s) + plan(s).plane);
}

/* Whether inner/plane_depthwise_3x3.h covers the shape. */
static bool reads_planes(const geometry *s) {
  return s->R == 3 && s->stride <= 2 && s->dilation == 1 && s->padding <= 1 && s->Wo > 4;
}

/* One output channel, strip by strip. */
static void convolve_strips(const convolution *work, const strip *t, const float *x, const int32_t *offset,
                            const float *weight, float bias, float *y, float *padded) {
  const geometry *s = work->shape;
  for (int32_t oy = work->first_row; oy < work->end_row; oy += t->rows_out) {
    const int32_t rows = min_i32(t->rows_out, work->end_row - oy);
    strip_fill(s, t, x, oy, rows, padded);
    depthwise_convolve(&(depthwise_strip){.input = padded,
                                          .row = t->row,
                                          .R = s->R,
                                          .stride = s->stride,
                                          .dilation = s->dilation,
                                          .offset = offset,
                                          .weight = weight,
                                          .bias = bias,
                                          .y = y + (size_t)oy * s->Wo,
                                          .rows = rows,
                                          .Wo = s->Wo});
  }
}

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const packed_kernels *kernels = work->kernels;
  const strip t = plan(s);
  const int32_t multiplier = s->O / s->G;
  const bool planes = reads_planes(s);
  int32_t *offset = work->workspace;
  float *mixed = (float *)work->workspace + offset_floats(s);
  float *padded = mixed + mixed_floats(s);
  if (!planes) strip_taps(s, &t, 1, offset);

  for (int32_t block = work->first_block; block < work->end_block; block++) {
    const channel_block channels = kernels_block(kernels, block);
    float bias[LANES];
    kernels_mix(kernels, block, 0, kernels->depth, work->a, mixed);
    kernels_mix_bias(kernels, block, work->bias, work->a, bias);
    for (int32_t lane = 0; lane < channels.count; lane++) {
      const int32_t o = channels.first + lane;
      const float *x = work->x + (size_t)(o / multiplier) * s->H * s->W;
      float *y = work->y + (size_t)o * s->Ho * s->Wo;
      if (planes)
        depthwise_3x3_convolve(&(depthwise_3x3_plane){.x = x,
                                                      .H = s->H,
                                                      .W = s->W,
                                                      .padding = s->padding,
                                                      .stride = s->stride,
                                                      .weight = mixed + lane,
                                                      .bias = bias[lane],
                                                      .y = y,
                                                      .Wo = s->Wo,
                                                      .first_row = work->first_row,
                                                      .end_row = work->end_row});
      else
        convolve_strips(work, &t, x, offset, mixed + lane, bias[lane], y, padded);
    }
  }
}

static bool covers(const geometry *s) { return s->C == s->G; }

/* One input channel in all is no depthwise convolution: direct shares its loads. */
static double cost(const geometry *s) { return s->G > 1 ? (double)s->Ho * s->Wo * s->R * s->R / 4 : NEVER; }

const algorithm depthwise_algorithm = {DK_ALGORITHM_DEPTHWISE, 1, covers, cost, workspace, convolve, false};
