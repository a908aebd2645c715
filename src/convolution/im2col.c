/* im2col: convolution as a matrix product for each group, [O/G, depth] x [depth, Ho*Wo], depth
 * C/G*R*R, where a row of the second matrix is what one tap of one input channel reads. Pointwise
 * convolution is the same with R = 1: at stride 1 the rows are the planes of the input as they lie.
 *
 * Pixels go through in panels whose rows stay in a cache while all output channels are computed from
 * them; kernels are mixed again for each panel, which costs K multiply-adds a weight against the
 * panel's hundreds. A panel is read where it lies, or copied first: where a tap's pixels are apart, or
 * planes are so far apart that the same pixel of all channels falls into a few sets of the first-level
 * cache or on more pages than the processor has addresses of at hand (128 channels of 59x53 pixels:
 * copied 1.16 times as fast, 64 of 112x112 as fast). */
#include <string.h>

#include "base/attributes.h"
#include "convolution/convolution.h"
#include "inner/matmul.h"
#include "inner/pad.h"

enum {
  PANEL_FLOATS = 384 * 1024 / 4, /* of input */
  COPY_FLOATS = 32 * 1024 / 4,   /* of a copied panel */
  LEAST_PANEL = 256,             /* pixels, lest mixing show */
  MOST_COPY = 1024 * 1024 / 4,   /* floats of a copy of so many: it stays in the second-level cache */
  LEAST_LARGE = 64,              /* pixels where it would not */
  COLUMNS = 8,                   /* that product reads at a time */
  CACHE_SETS = 64,
  CACHE_WAYS = 8,
  LINE_FLOATS = 16, /* the least that processors have */
  PAGES = 64,
  PAGE_FLOATS = 4096 / 4, /* of the first-level TLB */
};

/* How panels are laid out. */
typedef struct panels {
  int32_t pixels; /* of a panel: a multiple of 8, whole rows if pixels are gathered, or all there are */
  bool copied, gathered; /* a copy, of pixels that are apart */
  size_t row;            /* floats from a tap to the next, of a copy */
} panels;

/* Whether one pixel of every channel is more than the sets that it falls into, or the TLB, can hold. */
static bool scattered(int32_t channels, int32_t pixels) {
  if (channels > PAGES && pixels > PAGE_FLOATS) return true;
  if (pixels % LINE_FLOATS) return false;
  int32_t sets = CACHE_SETS;
  for (int32_t lines = pixels / LINE_FLOATS; sets > 1 && lines % 2 == 0; lines /= 2) sets /= 2;
  return channels > sets * CACHE_WAYS;
}

static int32_t depth(const geometry *s) { return s->C / s->G * s->R * s->R; }

/* Pixels of which so many floats hold every tap. */
static int32_t fitting(const geometry *s, int32_t floats) { return floats / depth(s) / COLUMNS * COLUMNS; }

static panels plan(const geometry *s) {
  const int32_t pixels = s->Ho * s->Wo;
  const bool gathered = s->R > 1 || s->stride > 1 || s->padding > 0;
  const bool copied = gathered || pixels < COLUMNS || scattered(s->C / s->G, pixels);
  const int32_t least = max_i32(min_i32(LEAST_PANEL, fitting(s, MOST_COPY)), LEAST_LARGE);
  int32_t panel = max_i32(fitting(s, copied ? COPY_FLOATS : PANEL_FLOATS), least);
  panel = min_i32(panel, pixels);
  if (gathered) panel = max_i32(panel / s->Wo, 1) * s->Wo; /* a row at least, however long */
  return (panels){panel, copied, gathered, round_up((size_t)panel, COLUMNS) + LINE_FLOATS};
}

/* The workspace: mixed [depth, 8], copy [depth, row]. */
static size_t mixed_floats(const geometry *s) { return (size_t)depth(s) * LANES; }

static uint64_t workspace(const geometry *s) {
  const panels p = plan(s);
  return sizeof(float) * ((uint64_t)mixed_floats(s) + (p.copied ? (uint64_t)depth(s) * p.row : 0));
}

/* Along one axis, outputs begin .. end - 1 of a tap read the input: output i at i * stride + first. */
typedef struct tap_axis {
  int32_t first, begin, end;
} tap_axis;

static tap_axis tap_along(const geometry *s, int32_t tap, int32_t length, int32_t outputs) {
  const int32_t first = tap * s->dilation - s->padding;
  const int32_t end = first < length ? (length - 1 - first) / s->stride + 1 : 0;
  const int32_t begin = first < 0 ? (-first - 1) / s->stride + 1 : 0;
  return (tap_axis){first, min_i32(begin, outputs), min_i32(end, outputs)};
}

/* What a tap of x [H, W] reads for `rows` rows of outputs from oy on: out [rows, Wo]. */
static void gather(const geometry *s, const float *x, int32_t tap, int32_t oy, int32_t rows, float *out) {
  const tap_axis down = tap_along(s, tap / s->R, s->H, s->Ho);
  const tap_axis across = tap_along(s, tap % s->R, s->W, s->Wo);
  const int32_t count = across.end - across.begin;
  const int32_t column = across.begin * s->stride + across.first; /* of x, where there are any */
  for (const int32_t end = oy + rows; oy < end; oy++, out += s->Wo) {
    const bool inside = oy >= down.begin && oy < down.end && count > 0;
    if (!inside || count < s->Wo) memset(out, 0, sizeof(float) * s->Wo);
    if (inside)
      copy_row(x + (size_t)(oy * s->stride + down.first) * s->W + column, s->stride, count,
               out + across.begin);
  }
}

/* Pixels first .. first + count - 1 of every tap of the group x [C/G, H, W] into copy. */
static void copy_panel(const geometry *s, const panels *p, const float *x, int32_t first, int32_t count,
                       float *copy) {
  for (int32_t c = 0; c < s->C / s->G; c++, x += (size_t)s->H * s->W)
    for (int32_t tap = 0; tap < s->R * s->R; tap++, copy += p->row) {
      if (p->gathered)
        gather(s, x, tap, first / s->Wo, count / s->Wo, copy);
      else
        copy_row(x + first, 1, count, copy);
    }
}

static void convolve(const convolution *work) {
  const geometry *s = work->shape;
  const packed_kernels *kernels = work->kernels;
  const panels p = plan(s);
  const int32_t pixels = s->Ho * s->Wo, end = work->end_row * s->Wo;
  const size_t x_plane = (size_t)s->H * s->W;
  float *mixed = work->workspace, *copy = mixed + mixed_floats(s);
  /* product reads 8 columns even of a narrower panel; what was left there could be subnormal numbers, on
   * which processors are slow (26 times, measured). */
  if (p.copied && p.pixels < COLUMNS) memset(copy, 0, sizeof(float) * p.row * (size_t)depth(s));

  for (int32_t g = first_group(work); g < end_group(work); g++)
    for (int32_t begin = work->first_row * s->Wo; begin < end; begin += p.pixels) {
      /* The last panel may be narrower than the 8 columns that product reads: let it begin earlier. */
      const int32_t from = p.copied ? begin : min_i32(begin, end - COLUMNS);
      const int32_t columns = min_i32(begin + p.pixels, end) - from;
      const float *x = work->x + (size_t)g * (s->C / s->G) * x_plane;
      if (p.copied) copy_panel(s, &p, x, from, columns, copy);

      for (int32_t block = group_first_block(work, g); block < group_end_block(work, g); block++) {
        const channel_block o = kernels_block(kernels, block);
        float bias[LANES];
        kernels_mix(kernels, block, 0, kernels->depth, work->a, mixed);
        kernels_mix_bias(kernels, block, work->bias, work->a, bias);
        matmul(mixed, bias, p.copied ? copy : x + from, p.copied ? p.row : x_plane, kernels->depth, columns,
               o.count, work->y + (size_t)o.first * pixels + from, (size_t)pixels);
      }
    }
}

static bool covers(const geometry *s) { return direct_algorithm.covers(s); }

static bool covers_pointwise(const geometry *s) { return s->R == 1 && covers(s); }

static double cost_pointwise(const geometry *s) { return (void)s, ALWAYS; }

/* Copying counts only where taps overlap, so that inputs are copied several times: patches cost hardly
 * more than their products. */
SMALL static double cost(const geometry *s) {
  const int32_t O = s->O / s->G, fours = round_up_i32(O, 4), pixels = s->Ho * s->Wo;
  const double taps = (double)(s->C / s->G) * s->R * s->R, vectors = (pixels - 1) / 4 + 1;
  const bool overlap = s->dilation * (s->R - 1) >= s->stride;
  const double copies = overlap ? taps * (3 * vectors + 30 * s->Ho) : 0;
  return copies + vectors * (taps * (pixels < 16 ? fours : O) + 2 * fours);
}

const algorithm pointwise_algorithm = {
    DK_ALGORITHM_POINTWISE, 1, covers_pointwise, cost_pointwise, workspace, convolve, false};
const algorithm im2col_algorithm = {DK_ALGORITHM_IM2COL, 1, covers, cost, workspace, convolve, false};
