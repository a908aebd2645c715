/* The gradient of the input: a transposed convolution, computed as a convolution of gy.
 *
 * Output row oy reads input row iy = oy*s + r*d - p with tap r (s stride, d dilation, p padding). So row iy
 * gathers from oy = (iy + p - r*d) / s, over the taps with r*d = iy + p (mod s).
 *
 *   s = 1   One convolution of gy with the kernel flipped, O and C exchanged and padding d(R-1) - p.
 *   s > 1   Let iy + p = v*s + f. Phase f of the rows is the convolution over v of gy with the taps whose
 *           r*d = f (mod s), each e = (r*d - f) / s rows before v. All phases are output channels of one
 *           convolution. Its kernel has every e from 0 to d(R-1)/s, zero if a phase has no such tap. The
 *           phases are then interleaved into gx. A phase without any tap is left out: no output reads its
 *           rows, so their gradient is zero. If s divides d, there is one phase, and the convolution has
 *           dilation d/s.
 *
 * Padding cannot express p > d(R-1), nor the uneven edges of s > 1. Then gy is copied into the frame of zeros
 * that the convolution reads, without the rows that only padding reads. */
#include <string.h>

#include "backward/backward.h"
#include "base/assert.h"
#include "base/attributes.h"
#include "inner/transpose.h"

static int32_t input_gradient_common_divisor(int32_t a, int32_t b) {
  return b ? input_gradient_common_divisor(b, a % b) : a;
}

/* The taps' residues r*d (mod s) repeat after s / gcd(s, d) taps. */
static int32_t input_gradient_period(const geometry *f) {
  return f->stride / input_gradient_common_divisor(f->stride, f->dilation);
}

/* The first v of an axis, and how many there are if the input's axis is `length` long. */
static int32_t input_gradient_first_place(const geometry *f) { return f->padding / f->stride; }
static int32_t input_gradient_places(const geometry *f, int32_t length) {
  return (int32_t)(((int64_t)length - 1 + f->padding) / f->stride) - input_gradient_first_place(f) + 1;
}

SMALL dk_status input_gradient_plan(const dk_context *context, const geometry *f, input_gradient *plan) {
  const int64_t reach = (int64_t)f->dilation * (f->R - 1);
  const int32_t period = input_gradient_period(f);
  const bool one_phase = period == 1;
  const int32_t R = one_phase ? f->R : (int32_t)(reach / f->stride) + 1;
  const int32_t D = one_phase ? f->dilation / f->stride : 1;
  const int32_t phases = min_i32(f->R, period);
  const int32_t rows = input_gradient_places(f, f->H), columns = input_gradient_places(f, f->W);
  const int32_t margin = D * (R - 1) - input_gradient_first_place(f);

  const uint64_t limit = INT32_MAX / sizeof(float);
  const uint64_t channels = (uint64_t)f->C * (uint32_t)phases * (uint32_t)phases;
  const uint64_t depth = (uint64_t)(f->O / f->G) * (uint32_t)R * (uint32_t)R;
  /* The framed gy is H x W. */
  const int32_t H = rows + D * (R - 1), W = columns + D * (R - 1);
  const uint64_t output = f->stride == 1 ? 0 : (uint64_t)rows * (uint32_t)columns;
  if (channels > limit || depth > limit || output > limit / channels) return DK_ERROR_MEMORY;

  input_gradient p = {.forward = *f, .phases = phases, .period = period, .margin = margin};
  p.framed = f->stride > 1 || margin < 0;
  p.shape = (geometry){
      .N = 1,
      .C = f->O,
      .O = (int32_t)channels,
      .G = f->G,
      .K = 1,
      .R = R,
      .stride = 1,
      .padding = p.framed ? 0 : margin,
      .dilation = D,
      .H = p.framed ? H : f->Ho,
      .W = p.framed ? W : f->Wo,
      .Ho = rows,
      .Wo = columns,
  };
  const uint64_t frame = p.framed ? (uint64_t)H * (uint32_t)W : 0;
  if (frame > limit / (uint32_t)f->O) return DK_ERROR_MEMORY;
  p.frame = round_up(frame * (uint32_t)f->O, 16);
  p.output = round_up(output * channels, 16);

  if (!kernels_layout(1, (int32_t)channels, f->G, depth, f->O == f->G, &p.kernels)) return DK_ERROR_MEMORY;
  p.kernel_floats = round_up((uint64_t)p.kernels.blocks * LANES * depth, 16);

  p.algorithm = plan_convolution(&p.shape, DK_ALGORITHM_AUTO);
  const uint64_t mixed = (uint64_t)(f->C / f->G) * (uint32_t)f->R * (uint32_t)f->R * LANES;
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
static int32_t input_gradient_flipped(const input_gradient *p, int32_t r) {
  const geometry *f = &p->forward;
  const int32_t e = p->period == 1 ? r : (int32_t)((int64_t)r * f->dilation / f->stride);
  return p->shape.R - 1 - e;
}

/* Exchanges input and output channels: from mixed [C/G, R*R, 8], an output channel in each lane, to
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
  const int32_t R = p->forward.R;
  for (int32_t r = fr; r < R; r += p->period) {
    const int32_t row = input_gradient_flipped(p, r) * p->shape.R;
    for (int32_t q = fq; q < R; q += p->period) {
      const float *mixed = x->mixed + ((size_t)r * R + q) * LANES;
      float *transposed = x->transposed + (size_t)(row + input_gradient_flipped(p, q)) * LANES;
      if (four)
        input_gradient_exchange_four(x, mixed, transposed);
      else
        input_gradient_exchange_one(x, mixed, transposed);
    }
  }
}

/* The output channels o of one group, from mixed [C/G, R*R, 8]. */
SMALL static void input_gradient_exchange_channels(const input_gradient *p, const float *mixed,
                                                   channel_block o) {
  const geometry *f = &p->forward;
  const int32_t group = f->C / f->G, outputs = f->O / f->G, F = p->phases;
  const bool four = group % 4 == 0;
  exchange x = {.mixed_step = (size_t)f->R * f->R * LANES,
                .transposed_step = (size_t)p->shape.R * p->shape.R * LANES,
                .outputs = o.count};
  for (int32_t phase = 0; phase < F * F; phase++) {
    const int32_t first = (o.first / outputs * F * F + phase) * group;
    for (int32_t c = 0; c < group; c += four ? 4 : 1) {
      x.mixed = mixed + c * x.mixed_step;
      x.transposed = kernels_channel(&p->kernels, 0, first + c) + o.first % outputs * x.transposed_step;
      input_gradient_exchange_phase(p, &x, four, phase / F, phase % F);
    }
  }
}

/* Writes p->kernels: the mixed kernels flipped, with input and output channels exchanged and the phases
 * separated. The output channels of a group are [phases, phases, C/G]. */
SMALL static void input_gradient_transpose_kernels(const input_gradient *p, const packed_kernels *kernels,
                                                   const float *a, float *mixed) {
  memset(p->kernels.data, 0, sizeof(float) * p->kernel_floats);
  for (int32_t block = 0; block < kernels->blocks; block++) {
    const channel_block o = kernels_block(kernels, block);
    kernels_mix(kernels, block, 0, kernels->depth, a, mixed);
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
  const int32_t begin = min_i32(max_i32(p->margin, 0), W);
  const int32_t end = max_i32(min_i32(W, p->margin + f->Wo), begin);
  for (int32_t o = 0; o < f->O; o++, gy += (size_t)f->Ho * f->Wo)
    for (int32_t y = 0; y < H; y++, out += W) {
      const int32_t oy = y - p->margin;
      memset(out, 0, sizeof(float) * (size_t)W);
      if (oy >= 0 && oy < f->Ho && end > begin)
        memcpy(out + begin, gy + (size_t)oy * f->Wo + (begin - p->margin),
               sizeof(float) * (size_t)(end - begin));
    }
}

/* Phases [G, F, F, C/G, rows, columns] -> gx [C, H, W]. */
SMALL static void input_gradient_join_phases(const input_gradient *p, const float *phases, float *gx) {
  const geometry *f = &p->forward;
  const int32_t s = f->stride, rows = p->shape.Ho, columns = p->shape.Wo, F = p->phases;
  const int32_t group = f->C / f->G;
  /* v = first_place begins this far before the input. */
  const int32_t skipped = f->padding % s;
  memset(gx, 0, sizeof(float) * (size_t)f->C * f->H * f->W);
  for (int32_t i = 0; i < F * F * f->C; i++, phases += (size_t)rows * columns) {
    const int32_t g = i / (F * F * group), phase = i / group % (F * F), c = g * group + i % group;
    const int32_t top = (int32_t)((int64_t)(phase / F) * f->dilation % s) - skipped;
    const int32_t left = (int32_t)((int64_t)(phase % F) * f->dilation % s) - skipped;
    for (int32_t v = top < 0; v < rows && top + v * s < f->H; v++) {
      const float *row = phases + (size_t)v * columns;
      float *out = gx + ((size_t)c * f->H + (top + v * s)) * f->W;
      for (int32_t u = left < 0; u < columns && left + u * s < f->W; u++) out[left + u * s] = row[u];
    }
  }
}

SMALL void input_gradient_compute(dk_context *context, const input_gradient *plan,
                                  const packed_kernels *kernels, const float *a, const float *gy, float *gx,
                                  void *workspace) {
  input_gradient p = *plan;
  DK_ASSERT((uintptr_t)workspace % 64 == 0);
  p.kernels.data = workspace;
  float *framed = p.kernels.data + p.kernel_floats, *output = framed + p.frame;
  float *scratch = output + p.output;
  input_gradient_transpose_kernels(&p, kernels, a, scratch);
  if (p.framed) input_gradient_frame_gradient(&p, gy, framed);
  const bool phased = p.forward.stride > 1;
  const convolution_call call = contiguous_call(p.algorithm, &p.shape, &p.kernels, NULL,
                                                p.framed ? framed : gy, NULL, phased ? output : gx, scratch);
  convolve_batch(context, &call);
  if (phased) input_gradient_join_phases(&p, output, gx);
}
