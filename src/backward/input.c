/* The gradient of the input: a transposed convolution, computed as a convolution of gy.
 *
 * Output row oy reads input row iy = oy*s + r*d - p with tap r (s stride, d dilation, p padding). So row iy
 * gathers from oy = (iy + p - r*d) / s, over the taps with r*d = iy + p (mod s).
 *
 * The same holds for columns. Both axes are planned alike, apart from each other:
 *
 *   s = 1   One convolution of gy with the kernel flipped, O and C exchanged and padding d(R-1) - p.
 *   s > 1   Let iy + p = v*s + f. Phase f of the rows is the convolution over v of gy with the taps whose
 *           r*d = f (mod s), each e = (r*d - f) / s rows before v. All phases are output channels of one
 *           convolution. Its kernel has every e from 0 to d(R-1)/s, zero if a phase has no such tap. The
 *           phases are then interleaved into gx. A phase without any tap is left out: no output reads its
 *           rows, so their gradient is zero. If s divides d, there is one phase, and the convolution has
 *           dilation d/s.
 *
 * Padding cannot express p > d(R-1), nor the edges of s > 1. Then gy is copied into the frame of zeros that
 * the convolution reads, without the rows that only padding reads. */
#include <string.h>

#include "backward/backward.h"
#include "base/assert.h"
#include "base/attributes.h"
#include "inner/transpose.h"

static int32_t input_gradient_common_divisor(int32_t a, int32_t b) {
  return b ? input_gradient_common_divisor(b, a % b) : a;
}

/* Plans one axis. The letters are those of the comment above. */
SMALL static phased_axis input_gradient_axis(axis f) {
  phased_axis p = {.forward = f};
  /* The taps' residues r*d (mod s) repeat after s / gcd(s, d) taps. */
  p.period = f.stride / input_gradient_common_divisor(f.stride, f.dilation);
  p.phases = min_i32(f.R, p.period);
  const bool one_phase = p.period == 1;
  const int64_t reach = (int64_t)f.dilation * (f.R - 1);
  p.R = one_phase ? f.R : (int32_t)(reach / f.stride) + 1;
  p.dilation = one_phase ? f.dilation / f.stride : 1;
  p.first = f.before / f.stride;
  p.places = (int32_t)(((int64_t)f.inputs - 1 + f.before) / f.stride) - p.first + 1;
  p.margin = p.dilation * (p.R - 1) - p.first;
  p.end_margin = p.places + p.first - f.outputs;
  return p;
}

/* The length of the framed gy. */
static int32_t input_gradient_framed_length(const phased_axis *along) {
  return along->places + along->dilation * (along->R - 1);
}

SMALL dk_status input_gradient_plan(const dk_context *context, const geometry *f, input_gradient *plan) {
  const phased_axis down = input_gradient_axis(geometry_down(f)),
                    across = input_gradient_axis(geometry_across(f));

  const uint64_t limit = INT32_MAX / sizeof(float);
  const uint64_t channels = (uint64_t)f->C * (uint32_t)down.phases * (uint32_t)across.phases;
  const uint64_t depth = (uint64_t)(f->O / f->G) * (uint32_t)down.R * (uint32_t)across.R;
  const int32_t H = input_gradient_framed_length(&down), W = input_gradient_framed_length(&across);
  const bool phased = f->stride_h > 1 || f->stride_w > 1;
  const uint64_t output = phased ? (uint64_t)down.places * (uint32_t)across.places : 0;
  if (channels > limit || depth > limit || output > limit / channels) return DK_ERROR_MEMORY;

  input_gradient p = {.forward = *f, .down = down, .across = across, .phased = phased};
  p.framed =
      phased || min_i32(down.margin, down.end_margin) < 0 || min_i32(across.margin, across.end_margin) < 0;
  p.shape = (geometry){
      .N = 1,
      .C = f->O,
      .O = (int32_t)channels,
      .G = f->G,
      .K = 1,
      .Rh = down.R,
      .Rw = across.R,
      .stride_h = 1,
      .stride_w = 1,
      .dilation_h = down.dilation,
      .dilation_w = across.dilation,
      .top = p.framed ? 0 : down.margin,
      .left = p.framed ? 0 : across.margin,
      .bottom = p.framed ? 0 : down.end_margin,
      .right = p.framed ? 0 : across.end_margin,
      .H = p.framed ? H : f->Ho,
      .W = p.framed ? W : f->Wo,
      .Ho = down.places,
      .Wo = across.places,
  };
  const uint64_t frame = p.framed ? (uint64_t)H * (uint32_t)W : 0;
  if (frame > limit / (uint32_t)f->O) return DK_ERROR_MEMORY;
  p.frame = round_up(frame * (uint32_t)f->O, 16);
  p.output = round_up(output * channels, 16);

  if (!kernels_layout(1, (int32_t)channels, f->G, (uint64_t)(f->O / f->G), (uint64_t)geometry_taps(&p.shape),
                      f->O == f->G, &p.kernels))
    return DK_ERROR_MEMORY;
  p.kernel_floats = round_up((uint64_t)p.kernels.blocks * LANES * depth, 16);

  p.algorithm = plan_convolution(&p.shape, DK_ALGORITHM_AUTO);
  const uint64_t mixed = (uint64_t)(f->C / f->G) * (uint32_t)f->Rh * (uint32_t)f->Rw * LANES;
  const uint64_t floats = (uint64_t)p.kernel_floats + p.frame + p.output;
  /* The convolution's workspace also holds a mixed block. */
  const uint64_t scratch = batch_workspace(context, p.algorithm, &p.shape);
  const uint64_t bytes = sizeof(float) * floats + max_u64(scratch, sizeof(float) * mixed);
  if (bytes > INT32_MAX) return DK_ERROR_MEMORY;
  p.bytes = (size_t)bytes;
  *plan = p;
  return DK_OK;
}

/* The place of tap r of its phase in the flipped kernel, along one axis. */
static int32_t input_gradient_flipped(const phased_axis *along, int32_t r) {
  const axis *f = &along->forward;
  const int32_t e = along->period == 1 ? r : (int32_t)((int64_t)r * f->dilation / f->stride);
  return along->R - 1 - e;
}

/* Exchanges input and output channels: from mixed [C/G, Rh*Rw, 8], an output channel in each lane, to
 * transposed kernels, an input channel in each lane. */
typedef struct exchange {
  const float *mixed;     /* of the first input and output channel */
  float *transposed;      /* its place in the phase's kernel */
  size_t mixed_step;      /* floats of mixed from one input channel to the next */
  size_t transposed_step; /* floats of transposed from one output channel to the next */
  int32_t outputs;        /* output channels, from the first on */
} exchange;

/* One input channel. */
SMALL static void input_gradient_exchange_one(const exchange *x, const float *mixed, float *transposed) {
  for (int32_t o = 0; o < x->outputs; o++) transposed[o * x->transposed_step] = mixed[o];
}

/* Four input channels. The first is a multiple of four. */
static void input_gradient_exchange_four(const exchange *x, const float *mixed, float *transposed) {
  int32_t o = 0;
  for (; o + 4 <= x->outputs; o += 4) {
    v128_t v[4];
    for (int k = 0; k < 4; k++) v[k] = wasm_v128_load(mixed + k * x->mixed_step + o);
    transpose4(v);
    for (int k = 0; k < 4; k++) wasm_v128_store(transposed + (o + k) * x->transposed_step, v[k]);
  }
  for (; o < x->outputs; o++)
    for (int k = 0; k < 4; k++) transposed[o * x->transposed_step + k] = mixed[k * x->mixed_step + o];
}

/* All taps of phase (fr, fq). */
SMALL static void input_gradient_exchange_phase(const input_gradient *p, const exchange *x, bool four,
                                                int32_t fr, int32_t fq) {
  const int32_t Rh = p->forward.Rh, Rw = p->forward.Rw;
  for (int32_t r = fr; r < Rh; r += p->down.period) {
    const int32_t row = input_gradient_flipped(&p->down, r) * p->shape.Rw;
    for (int32_t q = fq; q < Rw; q += p->across.period) {
      const float *mixed = x->mixed + ((size_t)r * Rw + q) * LANES;
      float *transposed = x->transposed + (size_t)(row + input_gradient_flipped(&p->across, q)) * LANES;
      if (four)
        input_gradient_exchange_four(x, mixed, transposed);
      else
        input_gradient_exchange_one(x, mixed, transposed);
    }
  }
}

/* The output channels o of one group, from mixed [C/G, Rh*Rw, 8]. */
SMALL static void input_gradient_exchange_channels(const input_gradient *p, const float *mixed,
                                                   channel_block o) {
  const geometry *f = &p->forward;
  const int32_t group = f->C / f->G, outputs = f->O / f->G;
  const int32_t phases = p->down.phases * p->across.phases;
  const bool four = group % 4 == 0;
  exchange x = {.mixed_step = (size_t)f->Rh * f->Rw * LANES,
                .transposed_step = (size_t)p->shape.Rh * p->shape.Rw * LANES,
                .outputs = o.count};
  for (int32_t phase = 0; phase < phases; phase++) {
    const int32_t first = (o.first / outputs * phases + phase) * group;
    for (int32_t c = 0; c < group; c += four ? 4 : 1) {
      x.mixed = mixed + c * x.mixed_step;
      x.transposed = kernels_channel(&p->kernels, first + c) + o.first % outputs * x.transposed_step;
      input_gradient_exchange_phase(p, &x, four, phase / p->across.phases, phase % p->across.phases);
    }
  }
}

/* Writes p->kernels: the mixed kernels flipped, with input and output channels exchanged and the phases
 * separated. The output channels of a group are [phases, phases, C/G]. */
SMALL static void input_gradient_transpose_kernels(const input_gradient *p, const packed_kernels *kernels,
                                                   const dk_mixture *mixture, float *mixed) {
  memset(p->kernels.data, 0, sizeof(float) * p->kernel_floats);
  for (int32_t block = 0; block < kernels->blocks; block++) {
    const channel_block o = kernels_block(kernels, block);
    kernels_mix(kernels, block, 0, kernels->depth, mixture, NULL, mixed);
    if (p->forward.C > p->forward.G)
      input_gradient_exchange_channels(p, mixed, o);
    else /* a block of depthwise kernels spans groups */
      for (int32_t lane = 0; lane < o.count; lane++)
        input_gradient_exchange_channels(p, mixed + lane, (channel_block){o.first + lane, 1});
  }
}

/* Copies gy [O, Ho, Wo] into its frame of zeros, out [O, H, W], the input of the convolution. */
SMALL static void input_gradient_frame_gradient(const input_gradient *p, const float *gy, float *out) {
  const geometry *f = &p->forward;
  const int32_t H = p->shape.H, W = p->shape.W;
  const int32_t top = p->down.margin, left = p->across.margin;
  const int32_t begin = min_i32(max_i32(left, 0), W);
  const int32_t end = max_i32(min_i32(W, left + f->Wo), begin);
  for (int32_t o = 0; o < f->O; o++, gy += (size_t)f->Ho * f->Wo)
    for (int32_t y = 0; y < H; y++, out += W) {
      const int32_t oy = y - top;
      memset(out, 0, sizeof(float) * (size_t)W);
      if (oy >= 0 && oy < f->Ho && end > begin)
        memcpy(out + begin, gy + (size_t)oy * f->Wo + (begin - left), sizeof(float) * (size_t)(end - begin));
    }
}

/* The row of the input that row 0 of a phase is. It may lie before the input. */
static int32_t input_gradient_phase_begin(const phased_axis *along, int32_t phase) {
  const axis *f = &along->forward;
  return (int32_t)((int64_t)phase * f->dilation % f->stride) - f->before % f->stride;
}

/* Phases [G, phases down, phases across, C/G, rows, columns] -> gx [C, H, W]. */
SMALL static void input_gradient_join_phases(const input_gradient *p, const float *phases, float *gx) {
  const geometry *f = &p->forward;
  const int32_t rows = p->shape.Ho, columns = p->shape.Wo, s_h = f->stride_h, s_w = f->stride_w;
  const int32_t group = f->C / f->G, phases_across = p->across.phases, all = p->down.phases * phases_across;
  memset(gx, 0, sizeof(float) * (size_t)f->C * f->H * f->W);
  for (int32_t i = 0; i < all * f->C; i++, phases += (size_t)rows * columns) {
    const int32_t g = i / (all * group), phase = i / group % all, c = g * group + i % group;
    const int32_t top = input_gradient_phase_begin(&p->down, phase / phases_across);
    const int32_t left = input_gradient_phase_begin(&p->across, phase % phases_across);
    for (int32_t v = top < 0; v < rows && top + v * s_h < f->H; v++) {
      const float *row = phases + (size_t)v * columns;
      float *out = gx + ((size_t)c * f->H + (top + v * s_h)) * f->W;
      for (int32_t u = left < 0; u < columns && left + u * s_w < f->W; u++) out[left + u * s_w] = row[u];
    }
  }
}

SMALL void input_gradient_compute(dk_context *context, const input_gradient *plan,
                                  const packed_kernels *kernels, const dk_mixture *mixture, const float *gy,
                                  float *gx, void *workspace) {
  static const dk_mixture static_kernels = {0};
  input_gradient p = *plan;
  DK_ASSERT((uintptr_t)workspace % 64 == 0);
  p.kernels.data = workspace;
  float *framed = p.kernels.data + p.kernel_floats, *output = framed + p.frame;
  float *scratch = output + p.output;
  input_gradient_transpose_kernels(&p, kernels, mixture, scratch);
  if (p.framed) input_gradient_frame_gradient(&p, gy, framed);
  const convolution_call call =
      contiguous_call(p.algorithm, &p.shape, &p.kernels, NULL, p.framed ? framed : gy, &static_kernels,
                      p.phased ? output : gx, scratch);
  convolve_batch(context, &call);
  if (p.phased) input_gradient_join_phases(&p, output, gx);
}
