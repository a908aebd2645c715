/* Pointwise convolution: R = 1, no padding, any stride. A matrix product [O, C] x [C, Ho*Wo] for each
 * group, straight from the input's planes into the output's.
 *
 * Pixels go through in panels whose C channels stay in a cache while all output channels are computed
 * from them; kernels are mixed again for each panel, which costs K multiply-adds a weight against the
 * panel's hundreds. A panel is read where it lies, or copied first: where there is a stride, or planes
 * are so far apart that the same pixel of all channels falls into a few sets of the first-level
 * cache or on more pages than the processor has addresses of at hand (128 channels of 59x53 pixels:
 * copied 1.16 times as fast, 64 of 112x112 as fast). */
#include "convolution.h"
#include "product.h"
#include "strip.h"

enum {
  PANEL_FLOATS = 384 * 1024 / 4, /* of input */
  COPY_FLOATS = 32 * 1024 / 4,   /* of a copied panel */
  LEAST_PANEL = 256,             /* pixels, lest mixing show */
  COLUMNS = 8,                   /* that product reads at a time */
  CACHE_SETS = 64, CACHE_WAYS = 8, LINE_FLOATS = 16, /* the least that processors have */
  PAGES = 64, PAGE_FLOATS = 4096 / 4, /* of the first-level TLB */
};

/* How panels are laid out. */
typedef struct panels {
  int32_t pixels; /* of a panel: a multiple of 8, whole rows if there is a stride, or all there are */
  bool copied;
  size_t row; /* floats from a channel to the next, of a copy */
} panels;

/* Whether one pixel of every channel is more than the sets that it falls into, or the TLB, can hold. */
static bool scattered(int32_t channels, int32_t pixels) {
  if (channels > PAGES && pixels > PAGE_FLOATS) return true;
  if (pixels % LINE_FLOATS) return false;
  int32_t sets = CACHE_SETS;
  for (int32_t lines = pixels / LINE_FLOATS; sets > 1 && lines % 2 == 0; lines /= 2) sets /= 2;
  return channels > sets * CACHE_WAYS;
}

static panels plan(const geometry *s) {
  const int32_t channels = s->C / s->G, pixels = s->Ho * s->Wo;
  const bool copied = s->stride > 1 || pixels < COLUMNS || scattered(channels, pixels);
  const int32_t fit = (copied ? COPY_FLOATS : PANEL_FLOATS) / channels / COLUMNS * COLUMNS;
  int32_t panel = min_i32(max_i32(fit, LEAST_PANEL), pixels);
  if (s->stride > 1) panel = max_i32(panel / s->Wo, 1) * s->Wo;
  return (panels){panel, copied, round_up((size_t)panel, COLUMNS) + LINE_FLOATS};
}

/* The workspace: mixed [C/G, 8], copy [C/G, row]. */
static size_t mixed_floats(const geometry *s) { return (size_t)(s->C / s->G) * LANES; }

static uint64_t workspace(const geometry *s) {
  const panels p = plan(s);
  return sizeof(float) * ((uint64_t)mixed_floats(s) + (p.copied ? s->C / s->G * p.row : 0));
}

/* Output pixels first .. first + count - 1 of one channel: x [H, W] -> out [count]. */
static void copy_pixels(const geometry *s, const float *x, int32_t first, int32_t count, float *out) {
  if (s->stride == 1) {
    copy_row(x + first, 1, count, out);
    return;
  }
  for (int32_t oy = first / s->Wo; count > 0; oy++, count -= s->Wo, out += s->Wo)
    copy_row(x + (size_t)oy * s->stride * s->W, s->stride, s->Wo, out);
}

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const packed_kernels *kernels = work->kernels;
  const panels p = plan(s);
  const int32_t channels = s->C / s->G, pixels = s->Ho * s->Wo;
  const size_t x_plane = (size_t)s->H * s->W;
  const int32_t end = work->end_row * s->Wo;
  float *mixed = work->workspace, *copy = mixed + mixed_floats(s);

  for (int32_t g = first_group(work); g < end_group(work); g++)
    for (int32_t begin = work->first_row * s->Wo; begin < end; begin += p.pixels) {
      /* The last panel may be narrower than the 8 columns that product reads: let it begin earlier. */
      const int32_t from = p.copied ? begin : min_i32(begin, end - COLUMNS);
      const int32_t columns = min_i32(begin + p.pixels, end) - from;
      const float *x = work->x + (size_t)g * channels * x_plane;
      if (p.copied)
        for (int32_t c = 0; c < channels; c++)
          copy_pixels(s, x + c * x_plane, from, columns, copy + c * p.row);

      for (int32_t block = group_first_block(work, g); block < group_end_block(work, g); block++) {
        const channel_block o = kernels_block(kernels, block);
        float bias[LANES];
        kernels_mix(kernels, block, 0, channels, work->a, mixed);
        kernels_mix_bias(kernels, block, work->bias, work->a, bias);
        product(mixed, bias, p.copied ? copy : x + from, p.copied ? p.row : x_plane, channels, columns,
                o.count, work->y + (size_t)o.first * pixels + from, (size_t)pixels);
      }
    }
}

static bool covers(const geometry *s) {
  return s->R == 1 && s->padding == 0 && (s->G == 1 || s->C > s->G);
}

static bool pays(const geometry *s) {
  (void)s;
  return true;
}

const algorithm pointwise_algorithm = {DK_ALGORITHM_POINTWISE, 1, covers, pays, workspace,
                                       convolve};
