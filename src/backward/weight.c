/* The gradient of the mixed kernel: for each tap, the sum over output pixels of the tap's input times the
 * pixel's gradient. The work goes in panels of about a thousand output pixels of one group, and each panel in
 * chunks of input channels:
 *
 *   1. pack the panel's gradients, four output channels at a time
 *   2. for each chunk of input channels
 *      a. lay out the input, so that each tap reads runs of pixels
 *      b. correlate it with every four output channels (inner/correlate.h); their gradients stay in the
 *         first-level cache, the chunk's input in the second-level cache
 *
 * There are three layouts of the input:
 *
 *   planes    Rh = Rw = 1, stride 1, no padding: a tap's input is a plane of x, and nothing is copied
 *   columns   each tap's input is written out (im2col) with its rows joined: for narrow images, whose rows
 *             are too short to loop over
 *   strip     rows with their padding (inner/strip.h); all taps share them */
#include <string.h>

#include "backward/backward.h"
#include "base/assert.h"
#include "base/attributes.h"
#include "inner/correlate.h"
#include "inner/strip.h"

enum {
  PANEL_PIXELS = 1024,          /* of planes and columns */
  STRIP_PIXELS = 4096,          /* of strips: more, because each strip repeats rows of the one before */
  CHUNK_FLOATS = 64 * 1024 / 4, /* of laid-out input */
  NARROW = 32,                  /* joining rows pays below this many output columns ... */
  NARROW_OUTPUTS = 16,          /* ... if at least this many output channels share the work */
  VECTOR = 4,
};

typedef enum source { PLANES, COLUMNS, STRIP } source;

typedef struct panels {
  source source;
  int32_t pixels;         /* PLANES and COLUMNS: of a full panel; the last panel may have 3 more */
  strip strip;            /* STRIP: its layout */
  int32_t depth;          /* taps of one input channel */
  int32_t group, outputs; /* input channels and output channels of a group */
  int32_t chunk;          /* input channels at a time */
  uint64_t channel;       /* floats of a laid-out channel; PLANES: of a channel of x */
  uint64_t packed;        /* floats of `step` packed output channels */
  int32_t step;           /* output channels at a time: four, or one if a group has one input channel */
} panels;

SMALL static source weight_gradient_choose_source(const geometry *s) {
  const bool pointwise = geometry_taps(s) == 1;
  const bool in_place =
      s->stride_h == 1 && s->stride_w == 1 && s->top == 0 && s->left == 0 && s->bottom == 0 && s->right == 0;
  if (pointwise && in_place && (int64_t)s->H * s->W >= VECTOR) return PLANES;
  if (pointwise || s->Wo < VECTOR || is_extreme(s)) return COLUMNS;
  return s->Wo < NARROW && s->O / s->G >= NARROW_OUTPUTS ? COLUMNS : STRIP;
}

SMALL static panels weight_gradient_plan(const geometry *s) {
  panels p = {.source = weight_gradient_choose_source(s),
              .depth = geometry_taps(s),
              .group = s->C / s->G,
              .outputs = s->O / s->G};
  const int64_t plane = (int64_t)s->Ho * s->Wo;
  /* If each group has one input channel, a block of kernels spans groups (convolution/mixing.h), and output
   * channels are taken one at a time. */
  p.step = p.group == 1 && s->G > 1 ? 1 : CORRELATE_ROWS;
  if (p.source == STRIP) {
    const int32_t rows = min_i32(max_i32(STRIP_PIXELS / s->Wo, 1), s->Ho);
    p.strip = strip_layout(s, 1, s->Wo, rows, 0);
    p.channel = p.strip.plane;
    p.packed = correlate_packed_floats(p.strip.rows_out, s->Wo, p.step);
  } else {
    p.pixels = (int32_t)(plane < PANEL_PIXELS + VECTOR ? plane : PANEL_PIXELS);
    /* One cache line more: taps a power of two apart would share cache sets. */
    const size_t pitch = round_up((size_t)p.pixels + VECTOR, 16) + 16;
    p.channel = p.source == PLANES ? (uint64_t)plane : (uint64_t)pitch * p.depth;
    p.packed = correlate_packed_floats(1, p.pixels + VECTOR, p.step);
  }
  /* As many channels at a time as the chunk's floats allow. */
  const uint64_t read = p.source == PLANES ? (uint64_t)p.pixels : p.channel;
  p.chunk = min_i32(p.group, max_i32(1, (int32_t)(CHUNK_FLOATS / read)));
  return p;
}

/* COLUMNS: floats from one tap's input to the next. */
static size_t weight_gradient_pitch(const panels *p) { return (size_t)(p->channel / p->depth); }

/* The workspace holds offsets [chunk, Rh*Rw], then the packed gradients of a group, then the laid-out input.
 */
static uint64_t weight_gradient_offset_floats(const panels *p) {
  return round_up((uint64_t)p->chunk * p->depth, 16);
}
static uint64_t weight_gradient_packed_floats(const panels *p) {
  return round_up(p->packed * ((p->outputs - 1) / p->step + 1), 16);
}
static uint64_t weight_gradient_input_floats(const panels *p) {
  return p->source == PLANES ? 0 : p->channel * p->chunk;
}

SMALL static void weight_gradient_fill_offsets(const geometry *s, const panels *p, int32_t *offset) {
  if (p->source == STRIP) {
    strip_taps(s, &p->strip, p->chunk, offset);
    return;
  }
  const size_t step = p->source == PLANES ? (size_t)p->channel : weight_gradient_pitch(p);
  for (int32_t i = 0; i < p->chunk * p->depth; i++) offset[i] = (int32_t)(i * step);
}

/* Writes the inputs of tap (r, q) for `count` output pixels of row oy, from column ox on. */
static void weight_gradient_gather(const geometry *s, const float *x, int32_t r, int32_t q, int32_t oy,
                                   int32_t ox, int32_t count, float *out) {
  const int64_t iy = (int64_t)oy * s->stride_h - s->top + (int64_t)r * s->dilation_h;
  const int64_t ix = (int64_t)ox * s->stride_w - s->left + (int64_t)q * s->dilation_w;
  const bool outside = iy < 0 || iy >= s->H;
  for (int32_t i = 0; i < count; i++) {
    const int64_t column = ix + (int64_t)i * s->stride_w;
    out[i] = outside || column < 0 || column >= s->W ? 0 : x[(size_t)iy * s->W + (size_t)column];
  }
}

/* Writes out [Rh*Rw, pitch]: each tap's inputs for output pixels first .. first + count - 1 of one channel,
 * filled up with zeros to a whole vector. */
SMALL static void weight_gradient_fill_columns(const geometry *s, const panels *p, const float *x,
                                               int32_t first, int32_t count, float *out) {
  for (int32_t r = 0; r < s->Rh; r++)
    for (int32_t q = 0; q < s->Rw; q++, out += weight_gradient_pitch(p)) {
      for (int32_t done = 0; done < count;) {
        const int32_t oy = (first + done) / s->Wo, ox = (first + done) % s->Wo;
        const int32_t run = min_i32(s->Wo - ox, count - done);
        weight_gradient_gather(s, x, r, q, oy, ox, run, out + done);
        done += run;
      }
      for (int32_t i = count; i < VECTOR; i++) out[i] = 0;
    }
}

/* The output pixels of a panel: `rows` rows of `columns` pixels, from pixel `first` on. */
typedef struct panel_pixels {
  int32_t first, rows, columns;
} panel_pixels;

SMALL static panel_pixels weight_gradient_next_panel(const geometry *s, const panels *p, int32_t first) {
  const int32_t left = s->Ho * s->Wo - first;
  if (p->source == STRIP) return (panel_pixels){first, min_i32(p->strip.rows_out, left / s->Wo), s->Wo};
  return (panel_pixels){first, 1, left < p->pixels + VECTOR ? left : p->pixels};
}

SMALL static void weight_gradient_fill_input(const geometry *s, const panels *p, panel_pixels panel,
                                             const float *x, int32_t channels, float *out) {
  for (int32_t c = 0; c < channels; c++, x += (size_t)s->H * s->W, out += p->channel)
    if (p->source == STRIP)
      strip_fill(s, &p->strip, x, panel.first / s->Wo, panel.rows, out);
    else
      weight_gradient_fill_columns(s, p, x, panel.first, panel.columns, out);
}

/* The gradients of output channels first_output .. end_output - 1 of group g. */
SMALL static void weight_gradient_correlate_group(const geometry *s, const panels *p, const float *x,
                                                  const float *gy, const packed_kernels *gw, int32_t g,
                                                  int32_t first_output, int32_t end_output,
                                                  const int32_t *offset, float *packed, float *laid_out) {
  const size_t x_plane = (size_t)s->H * s->W, g_plane = (size_t)s->Ho * s->Wo;
  for (int32_t first = 0; first < s->Ho * s->Wo;) {
    /* Pack the panel's gradients. */
    const panel_pixels panel = weight_gradient_next_panel(s, p, first);
    float *next = packed;
    for (int32_t o = first_output; o < end_output; o += p->step, next += p->packed)
      correlate_pack(gy + (size_t)o * g_plane + first, g_plane, panel.rows, panel.columns,
                     min_i32(p->step, end_output - o), next);

    /* Lay out each chunk of input channels and correlate it. */
    for (int32_t c = 0; c < p->group; c += p->chunk) {
      const float *channel = x + (size_t)(g * p->group + c) * x_plane;
      const int32_t channels = min_i32(p->chunk, p->group - c);
      correlation work = {.g = packed,
                          .x = p->source == PLANES ? channel + first : laid_out,
                          .offset = offset,
                          .x_row = p->source == STRIP ? s->stride_h * p->strip.row : 0,
                          .rows = panel.rows,
                          .columns = max_i32(panel.columns, VECTOR),
                          .taps = channels * p->depth};
      if (p->source != PLANES) weight_gradient_fill_input(s, p, panel, channel, channels, laid_out);
      for (int32_t o = first_output; o < end_output; o += p->step, work.g += p->packed) {
        work.count = min_i32(p->step, end_output - o);
        correlate(&work, kernels_channel(gw, o) + (size_t)c * p->depth * LANES);
      }
    }
    first += panel.rows * panel.columns;
  }
}

SMALL static void weight_gradient_correlate_blocks(const geometry *s, const float *x, const float *gy,
                                                   const packed_kernels *gw, int32_t first_block,
                                                   int32_t end_block, void *workspace) {
  const panels p = weight_gradient_plan(s);
  const channel_block first = kernels_block(gw, first_block);
  const channel_block last = kernels_block(gw, end_block - 1);
  const int32_t end = last.first + last.count;
  int32_t *offset = workspace;
  float *packed = (float *)workspace + weight_gradient_offset_floats(&p),
        *laid_out = packed + weight_gradient_packed_floats(&p);
  weight_gradient_fill_offsets(s, &p, offset);
  for (int32_t g = first.first / p.outputs; g * p.outputs < end; g++)
    weight_gradient_correlate_group(s, &p, x, gy, gw, g, max_i32(first.first, g * p.outputs),
                                    min_i32(end, (g + 1) * p.outputs), offset, packed, laid_out);
}

SMALL uint64_t weight_gradient_workspace(const geometry *s, const packed_kernels *gw) {
  const panels p = weight_gradient_plan(s);
  const uint64_t floats = weight_gradient_offset_floats(&p) + weight_gradient_packed_floats(&p) +
                          weight_gradient_input_floats(&p);
  const uint64_t winograd =
      weight_gradient_winograd_pays(s) ? weight_gradient_winograd_workspace(s, gw->blocks) : 0;
  return max_u64(winograd, sizeof(float) * floats);
}

SMALL void weight_gradient(const geometry *s, const float *x, const float *gy, const packed_kernels *gw,
                           int32_t first_block, int32_t end_block, void *workspace) {
  DK_ASSERT((uintptr_t)workspace % 64 == 0 && 0 <= first_block && first_block < end_block);
  const size_t block = (size_t)gw->depth * LANES;
  const size_t bytes = sizeof(float) * block * (size_t)(end_block - first_block);
  memset(gw->data + first_block * block, 0, bytes);
  if (weight_gradient_winograd_pays(s)) {
    if (weight_gradient_winograd(s, x, gy, gw, first_block, end_block, workspace)) return;
    /* A value that is not finite spoilt the sums: begin again. */
    memset(gw->data + first_block * block, 0, bytes);
  }
  weight_gradient_correlate_blocks(s, x, gy, gw, first_block, end_block, workspace);
}
