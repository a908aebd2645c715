/* The gradient of the (mixed) kernel: for every tap, the sum over output pixels of what the tap
 * read times the gradient. It goes in panels of some thousand output pixels, of one group, and
 * within a panel in chunks of input channels:
 *
 *   1. pack the panel's gradients, four output channels at a time
 *   2. for each chunk of input channels
 *      a. lay out their input, so that every tap reads runs of pixels
 *      b. for every four output channels correlate (inner/correlate.h): their gradient stays in the
 *         first-level cache, the chunk's input in the second-level cache
 *
 * Inputs are laid out in one of three ways:
 *
 *   planes    R = 1, stride 1, no padding: nothing to do, a tap's input is a plane of x
 *   columns   every tap's input written out (im2col), rows of pixels joined: narrow images, where
 *             rows are too short to loop over
 *   strip     rows with their padding (inner/strip.h), which all taps share */
#include <string.h>

#include "backward/backward.h"
#include "base/attributes.h"
#include "inner/correlate.h"
#include "inner/strip.h"

enum {
  PANEL_PIXELS = 1024,          /* planes and columns */
  STRIP_PIXELS = 4096,          /* strips: more, since each repeats rows of the one before */
  CHUNK_FLOATS = 64 * 1024 / 4, /* of laid-out input */
  NARROW = 32,                  /* output columns below which joining rows pays ... */
  NARROW_OUTPUTS = 16,          /* ... given so many output channels to share the work */
  VECTOR = 4,
};

typedef enum source { PLANES, COLUMNS, STRIP } source;

typedef struct panels {
  source source;
  int32_t pixels;         /* of a full panel, PLANES and COLUMNS; the last may have 3 more */
  strip strip;            /* STRIP */
  int32_t depth;          /* taps of one input channel */
  int32_t group, outputs; /* input, output channels of a group */
  int32_t chunk;          /* input channels at a time */
  uint64_t channel;       /* floats of a laid-out channel; of x's, PLANES */
  uint64_t packed;        /* floats of four packed output channels, or of one where group is 1 */
  int32_t step;           /* those four or one */
} panels;

SMALL static source choose_source(const geometry *s) {
  const bool pointwise = s->R == 1 && s->stride == 1 && s->padding == 0;
  if (pointwise && (int64_t)s->H * s->W >= VECTOR) return PLANES;
  if (s->R == 1 || s->Wo < VECTOR || is_extreme(s)) return COLUMNS;
  return s->Wo < NARROW && s->O / s->G >= NARROW_OUTPUTS ? COLUMNS : STRIP;
}

SMALL static panels plan(const geometry *s) {
  panels p = {.source = choose_source(s), .depth = s->R * s->R, .group = s->C / s->G, .outputs = s->O / s->G};
  const int64_t plane = (int64_t)s->Ho * s->Wo;
  /* A block of kernels spans groups where each has one input channel (convolution/mixing.h): its outputs are
   * then taken one by one. */
  p.step = p.group == 1 && s->G > 1 ? 1 : CORRELATE_ROWS;
  if (p.source == STRIP) {
    const int32_t rows = min_i32(max_i32(STRIP_PIXELS / s->Wo, 1), s->Ho);
    p.strip = strip_layout(s, 1, s->Wo, rows, 0);
    p.channel = p.strip.plane;
    p.packed = correlate_packed_floats(p.strip.rows_out, s->Wo, p.step);
  } else {
    p.pixels = (int32_t)(plane < PANEL_PIXELS + VECTOR ? plane : PANEL_PIXELS);
    /* A cache line more, lest taps a power of two apart share cache sets. */
    const size_t pitch = round_up((size_t)p.pixels + VECTOR, 16) + 16;
    p.channel = p.source == PLANES ? (uint64_t)plane : (uint64_t)pitch * p.depth;
    p.packed = correlate_packed_floats(1, p.pixels + VECTOR, p.step);
  }
  const uint64_t read = p.source == PLANES ? (uint64_t)p.pixels : p.channel; /* of one channel */
  p.chunk = min_i32(p.group, max_i32(1, (int32_t)(CHUNK_FLOATS / read)));
  return p;
}

static size_t pitch(const panels *p) { return (size_t)(p->channel / p->depth); } /* COLUMNS */

/* The workspace: offsets [chunk, R*R], packed gradients of a group, laid-out input. */
static uint64_t offset_floats(const panels *p) { return round_up((uint64_t)p->chunk * p->depth, 16); }
static uint64_t packed_floats(const panels *p) {
  return round_up(p->packed * ((p->outputs - 1) / p->step + 1), 16);
}
static uint64_t input_floats(const panels *p) { return p->source == PLANES ? 0 : p->channel * p->chunk; }

SMALL static void fill_offsets(const geometry *s, const panels *p, int32_t *offset) {
  if (p->source == STRIP) {
    strip_taps(s, &p->strip, p->chunk, offset);
    return;
  }
  const size_t step = p->source == PLANES ? (size_t)p->channel : pitch(p);
  for (int32_t i = 0; i < p->chunk * p->depth; i++) offset[i] = (int32_t)(i * step);
}

/* What tap (r, q) reads for count output pixels of row oy from column ox on. */
static void gather(const geometry *s, const float *x, int32_t r, int32_t q, int32_t oy, int32_t ox,
                   int32_t count, float *to) {
  const int64_t iy = (int64_t)oy * s->stride - s->padding + (int64_t)r * s->dilation;
  const int64_t ix = (int64_t)ox * s->stride - s->padding + (int64_t)q * s->dilation;
  const bool outside = iy < 0 || iy >= s->H;
  for (int32_t i = 0; i < count; i++) {
    const int64_t column = ix + (int64_t)i * s->stride;
    to[i] = outside || column < 0 || column >= s->W ? 0 : x[(size_t)iy * s->W + (size_t)column];
  }
}

/* Pixels first .. first + count - 1 of one channel, [R*R, pitch], zero up to whole vectors. */
SMALL static void fill_columns(const geometry *s, const panels *p, const float *x, int32_t first,
                               int32_t count, float *out) {
  for (int32_t r = 0; r < s->R; r++)
    for (int32_t q = 0; q < s->R; q++, out += pitch(p)) {
      for (int32_t done = 0; done < count;) {
        const int32_t oy = (first + done) / s->Wo, ox = (first + done) % s->Wo;
        const int32_t run = min_i32(s->Wo - ox, count - done);
        gather(s, x, r, q, oy, ox, run, out + done);
        done += run;
      }
      for (int32_t i = count; i < VECTOR; i++) out[i] = 0;
    }
}

/* Output pixels of a panel: rows of columns, from pixel first on. */
typedef struct pixels {
  int32_t first, rows, columns;
} pixels;

SMALL static pixels next_panel(const geometry *s, const panels *p, int32_t first) {
  const int32_t left = s->Ho * s->Wo - first;
  if (p->source == STRIP) return (pixels){first, min_i32(p->strip.rows_out, left / s->Wo), s->Wo};
  return (pixels){first, 1, left < p->pixels + VECTOR ? left : p->pixels};
}

SMALL static void fill_input(const geometry *s, const panels *p, pixels at, const float *x, int32_t channels,
                             float *out) {
  for (int32_t c = 0; c < channels; c++, x += (size_t)s->H * s->W, out += p->channel)
    if (p->source == STRIP)
      strip_fill(s, &p->strip, x, at.first / s->Wo, at.rows, out);
    else
      fill_columns(s, p, x, at.first, at.columns, out);
}

/* Output channels first .. end - 1 of group g. */
SMALL static void correlate_group(const geometry *s, const panels *p, const float *x, const float *gy,
                                  const packed_kernels *gw, int32_t g, int32_t first_output,
                                  int32_t end_output, const int32_t *offset, float *packed, float *laid_out) {
  const size_t x_plane = (size_t)s->H * s->W, g_plane = (size_t)s->Ho * s->Wo;
  for (int32_t first = 0; first < s->Ho * s->Wo;) {
    const pixels at = next_panel(s, p, first);
    float *to = packed;
    for (int32_t o = first_output; o < end_output; o += p->step, to += p->packed)
      correlate_pack(gy + (size_t)o * g_plane + first, g_plane, at.rows, at.columns,
                     min_i32(p->step, end_output - o), to);

    for (int32_t c = 0; c < p->group; c += p->chunk) {
      const float *channel = x + (size_t)(g * p->group + c) * x_plane;
      const int32_t channels = min_i32(p->chunk, p->group - c);
      correlation work = {.g = packed,
                          .x = p->source == PLANES ? channel + first : laid_out,
                          .offset = offset,
                          .x_row = p->source == STRIP ? s->stride * p->strip.row : 0,
                          .rows = at.rows,
                          .columns = max_i32(at.columns, VECTOR),
                          .taps = channels * p->depth};
      if (p->source != PLANES) fill_input(s, p, at, channel, channels, laid_out);
      for (int32_t o = first_output; o < end_output; o += p->step, work.g += p->packed) {
        work.count = min_i32(p->step, end_output - o);
        correlate(&work, kernels_channel(gw, 0, o) + (size_t)c * p->depth * LANES);
      }
    }
    first += at.rows * at.columns;
  }
}

SMALL static void correlate_blocks(const geometry *s, const float *x, const float *gy,
                                   const packed_kernels *gw, int32_t first_block, int32_t end_block,
                                   void *workspace) {
  const panels p = plan(s);
  const channel_block first = kernels_block(gw, first_block);
  const channel_block last = kernels_block(gw, end_block - 1);
  const int32_t end = last.first + last.count;
  int32_t *offset = workspace;
  float *packed = (float *)workspace + offset_floats(&p), *laid_out = packed + packed_floats(&p);
  fill_offsets(s, &p, offset);
  for (int32_t g = first.first / p.outputs; g * p.outputs < end; g++)
    correlate_group(s, &p, x, gy, gw, g, max_i32(first.first, g * p.outputs),
                    min_i32(end, (g + 1) * p.outputs), offset, packed, laid_out);
}

SMALL uint64_t weight_gradient_workspace(const geometry *s, const packed_kernels *gw) {
  const panels p = plan(s);
  const uint64_t floats = offset_floats(&p) + packed_floats(&p) + input_floats(&p);
  const uint64_t winograd =
      weight_gradient_winograd_pays(s) ? weight_gradient_winograd_workspace(s, gw->blocks) : 0;
  return max_u64(winograd, sizeof(float) * floats);
}

SMALL void weight_gradient(const geometry *s, const float *x, const float *gy, const packed_kernels *gw,
                           int32_t first_block, int32_t end_block, void *workspace) {
  const size_t block = (size_t)gw->depth * LANES;
  const size_t bytes = sizeof(float) * block * (size_t)(end_block - first_block);
  memset(gw->data + first_block * block, 0, bytes);
  if (weight_gradient_winograd_pays(s)) {
    if (weight_gradient_winograd(s, x, gy, gw, first_block, end_block, workspace)) return;
    memset(gw->data + first_block * block, 0, bytes);
  }
  correlate_blocks(s, x, gy, gw, first_block, end_block, workspace);
}
