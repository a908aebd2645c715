/* Pointwise convolution: R = 1, stride 1, no padding. A matrix product [O, C] x [C, H*W] for each
 * group, straight from the input's planes into the output's.
 *
 * Pixels go through in panels whose C channels stay in the second-level cache while all output
 * channels are computed from them; kernels are mixed again for each panel, which costs K
 * multiply-adds a weight against the panel's hundreds. */
#include <string.h>

#include "convolution.h"
#include "product.h"

enum {
  PANEL_FLOATS = 128 * 1024 / 4, /* of input */
  LEAST_PANEL = 256,             /* pixels, lest mixing show */
  COLUMNS = 8,                   /* that product reads at a time */
};

/* A multiple of 8 pixels, or all of them. */
static int32_t panel_pixels(const geometry *s) {
  const int32_t fit = PANEL_FLOATS / (s->C / s->G) / COLUMNS * COLUMNS;
  const int64_t pixels = (int64_t)s->H * s->W, panel = max_i32(fit, LEAST_PANEL);
  return (int32_t)(panel < pixels ? panel : pixels);
}

static size_t mixed_floats(const geometry *s) { return (size_t)(s->C / s->G) * LANES; }

/* The workspace: mixed [C/G, 8], and for an image below 8 pixels a copy [C/G, 8] of it. */
static uint64_t workspace(const geometry *s) { return (uint64_t)sizeof(float) * 2 * mixed_floats(s); }

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const packed_kernels *kernels = work->kernels;
  const int32_t channels = s->C / s->G, pixels = s->H * s->W, panel = panel_pixels(s);
  const int32_t first = work->first_row * s->W, end = work->end_row * s->W;
  float *mixed = work->workspace;
  float *small = mixed + mixed_floats(s);

  for (int32_t g = first_group(work); g < end_group(work); g++) {
    const float *x = work->x + (size_t)g * channels * pixels;
    size_t x_row = (size_t)pixels;
    if (pixels < COLUMNS) { /* rows that may be read 8 wide */
      for (int32_t c = 0; c < channels; c++)
        memcpy(small + c * COLUMNS, x + c * pixels, sizeof(float) * (size_t)pixels);
      x = small, x_row = COLUMNS;
    }
    for (int32_t begin = first; begin < end; begin += panel)
      for (int32_t block = group_first_block(work, g); block < group_end_block(work, g); block++) {
        const channel_block o = kernels_block(kernels, block);
        float bias[LANES];
        kernels_mix(kernels, block, 0, channels, work->a, mixed);
        kernels_mix_bias(kernels, block, work->bias, work->a, bias);
        /* The last panel may be narrower than product's 8 columns: let it begin earlier. */
        const int32_t from = pixels < COLUMNS ? 0 : min_i32(begin, end - COLUMNS);
        product(mixed, bias, x + from, x_row, channels, min_i32(begin + panel, end) - from, o.count,
                work->y + (size_t)o.first * pixels + from, (size_t)pixels);
      }
  }
}

static bool covers(const geometry *s) {
  return s->R == 1 && s->stride == 1 && s->padding == 0 && (s->G == 1 || s->C > s->G);
}

static bool pays(const geometry *s) {
  (void)s;
  return true;
}

const algorithm pointwise_algorithm = {DK_ALGORITHM_POINTWISE, 1, covers, pays, workspace,
                                       convolve};
