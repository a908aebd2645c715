/* The gradient of the input: the transposed convolution, computed as a convolution of gy.
 *
 * Output oy reads row iy = oy*s + r*d - p with tap r (s stride, d dilation, p padding), so row iy
 * gathers, over the taps with r*d = iy + p (mod s), from oy = (iy + p - r*d) / s.
 *
 *   s = 1   one convolution of gy with the kernel flipped, O and C exchanged, padding d(R-1) - p.
 *   s > 1   With iy + p = v*s + f, phase f of the rows is the convolution over v of gy with the
 * taps whose r*d = f (mod s), each at e = (r*d - f) / s rows before v. All phases are computed at
 * once, as output channels of one convolution whose kernel has every e from 0 to d(R-1)/s, zero
 * where a phase has no tap; then they are interleaved into gx. Phases without any tap are left out:
 * no output reads those rows, their gradient is zero. Where s divides d there is one phase, and the
 * convolution has dilation d/s.
 *
 * What padding alone cannot express (p > d(R-1), and s > 1 with its uneven edges) is written out:
 * gy is copied within the frame of zeros that the convolution reads, or without the rows that only
 * padding fed. */
#include <string.h>

#include "backward/backward.h"
#include "base/attributes.h"
#include "inner/transpose.h"

static int32_t common_divisor(int32_t a, int32_t b) { return b ? common_divisor(b, a % b) : a; }

/* The taps' residues r*d (mod s) repeat after s / gcd(s, d) taps. */
static int32_t period_of(const geometry *f) { return f->stride / common_divisor(f->stride, f->dilation); }

/* Along one axis of length input: the first v and how many there are. */
static int32_t first_place(const geometry *f) { return f->padding / f->stride; }
static int32_t places(const geometry *f, int32_t length) {
  return (int32_t)(((int64_t)length - 1 + f->padding) / f->stride) - first_place(f) + 1;
}

SMALL dk_status input_gradient_plan(const dk_context *context, const geometry *f, input_gradient *plan) {
  const int64_t reach = (int64_t)f->dilation * (f->R - 1);
  const int32_t period = period_of(f);
  const bool one_phase = period == 1;
  const int32_t R = one_phase ? f->R : (int32_t)(reach / f->stride) + 1;
  const int32_t D = one_phase ? f->dilation / f->stride : 1;
  const int32_t phases = min_i32(f->R, period);
  const int32_t rows = places(f, f->H), columns = places(f, f->W);
  const int32_t margin = D * (R - 1) - first_place(f);

  const uint64_t limit = INT32_MAX / sizeof(float);
  const uint64_t channels = (uint64_t)f->C * (uint32_t)phases * (uint32_t)phases;
  const uint64_t depth = (uint64_t)(f->O / f->G) * (uint32_t)R * (uint32_t)R;
  const int32_t H = rows + D * (R - 1), W = columns + D * (R - 1); /* of the framed gy */
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
  const uint64_t scratch = batch_workspace(context, p.algorithm, &p.shape); /* also holds a mixed block */
  const uint64_t bytes = sizeof(float) * floats + max_u64(scratch, sizeof(float) * mixed);
  if (bytes > INT32_MAX) return DK_ERROR_MEMORY;
  p.bytes = (size_t)bytes;
  *plan = p;
  return DK_OK;
}

/* Where tap r of a phase stands in the flipped kernel, along one axis. */
static int32_t flipped(const input_gradient *p, int32_t r) {
  const geometry *f = &p->forward;
  const int32_t e = p->period == 1 ? r : (int32_t)((int64_t)r * f->dilation / f->stride);
  return p->shape.R - 1 - e;
}

/* Some channels of the exchange of input and output: from mixed [C/G, R*R, 8], a lane per output
 * channel, into transposed kernels, a lane per input channel. */
typedef struct exchange {
  const float *mixed; /* of the first input and output channel */
  float *to;          /* its place in the phase's kernel */
  size_t from_step;   /* floats of mixed from an input channel to the next */
  size_t to_step;     /* floats of to from an output channel to the next */
  int32_t outputs;    /* output channels, from the first on */
} exchange;

/* One input channel. */
SMALL static void exchange_one(const exchange *x, size_t from, size_t to) {
  for (int32_t o = 0; o < x->outputs; o++) x->to[to + o * x->to_step] = x->mixed[from + o];
}

/* Four input channels, of which the first is a multiple of four. */
static void exchange_four(const exchange *x, size_t from, size_t to) {
  int32_t o = 0;
  for (; o + 4 <= x->outputs; o += 4) {
    v128_t v[4];
    for (int k = 0; k < 4; k++) v[k] = wasm_v128_load(x->mixed + from + k * x->from_step + o);
    transpose4(v);
    for (int k = 0; k < 4; k++) wasm_v128_store(x->to + to + (o + k) * x->to_step, v[k]);
  }
  for (; o < x->outputs; o++)
    for (int k = 0; k < 4; k++) x->to[to + o * x->to_step + k] = x->mixed[from + k * x->from_step + o];
}

/* All taps of phase (fr, fq). */
SMALL static void exchange_phase(const input_gradient *p, const exchange *x, bool four, int32_t fr,
                                 int32_t fq) {
  const int32_t R = p->forward.R;
  for (int32_t r = fr; r < R; r += p->period) {
    const int32_t row = flipped(p, r) * p->shape.R;
    for (int32_t q = fq; q < R; q += p->period) {
      const size_t from = ((size_t)r * R + q) * LANES, to = (size_t)(row + flipped(p, q)) * LANES;
      if (four)
        exchange_four(x, from, to);
      else
        exchange_one(x, from, to);
    }
  }
}

/* Output channels o of a group, from mixed [C/G, R*R, 8]. */
SMALL static void exchange_channels(const input_gradient *p, const float *mixed, channel_block o) {
  const geometry *f = &p->forward;
  const int32_t group = f->C / f->G, outputs = f->O / f->G, F = p->phases;
  const bool four = group % 4 == 0;
  exchange x = {.from_step = (size_t)f->R * f->R * LANES,
                .to_step = (size_t)p->shape.R * p->shape.R * LANES,
                .outputs = o.count};
  for (int32_t phase = 0; phase < F * F; phase++) {
    const int32_t first = (o.first / outputs * F * F + phase) * group;
    for (int32_t c = 0; c < group; c += four ? 4 : 1) {
      x.mixed = mixed + c * x.from_step;
      x.to = kernels_channel(&p->kernels, 0, first + c) + o.first % outputs * x.to_step;
      exchange_phase(p, &x, four, phase / F, phase % F);
    }
  }
}

/* The mixed kernels, flipped, with input and output channels exchanged and phases taken apart: of a
 * group, output channels [phases, phases, C/G]. */
SMALL static void transpose_kernels(const input_gradient *p, const packed_kernels *kernels, const float *a,
                                    float *mixed) {
  memset(p->kernels.data, 0, sizeof(float) * p->kernel_floats);
  for (int32_t block = 0; block < kernels->blocks; block++) {
    const channel_block o = kernels_block(kernels, block);
    kernels_mix(kernels, block, 0, kernels->depth, a, mixed);
    if (p->forward.C > p->forward.G)
      exchange_channels(p, mixed, o);
    else /* a block of depthwise kernels spans groups */
      for (int32_t lane = 0; lane < o.count; lane++)
        exchange_channels(p, mixed + lane, (channel_block){o.first + lane, 1});
  }
}

/* gy [O, Ho, Wo] within its frame of zeros, [O, H, W] of the convolution that reads it. */
SMALL static void frame(const input_gradient *p, const float *gy, float *out) {
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
SMALL static void join_phases(const input_gradient *p, const float *phases, float *gx) {
  const geometry *f = &p->forward;
  const int32_t s = f->stride, rows = p->shape.Ho, columns = p->shape.Wo, F = p->phases;
  const int32_t group = f->C / f->G;
  const int32_t skipped = f->padding % s; /* v = first_place begins so far before the input */
  memset(gx, 0, sizeof(float) * (size_t)f->C * f->H * f->W);
  for (int32_t i = 0; i < F * F * f->C; i++, phases += (size_t)rows * columns) {
    const int32_t g = i / (F * F * group), phase = i / group % (F * F), c = g * group + i % group;
    const int32_t top = (int32_t)((int64_t)(phase / F) * f->dilation % s) - skipped;
    const int32_t left = (int32_t)((int64_t)(phase % F) * f->dilation % s) - skipped;
    for (int32_t v = top < 0; v < rows && top + v * s < f->H; v++) {
      const float *from = phases + (size_t)v * columns;
      float *to = gx + ((size_t)c * f->H + (top + v * s)) * f->W;
      for (int32_t u = left < 0; u < columns && left + u * s < f->W; u++) to[left + u * s] = from[u];
    }
  }
}

SMALL void input_gradient_compute(dk_context *context, const input_gradient *plan,
                                  const packed_kernels *kernels, const float *a, const float *gy, float *gx,
                                  void *workspace) {
  input_gradient p = *plan;
  const float one = 1;
  p.kernels.data = workspace;
  float *framed = p.kernels.data + p.kernel_floats, *output = framed + p.frame;
  float *scratch = output + p.output;
  transpose_kernels(&p, kernels, a, scratch);
  if (p.framed) frame(&p, gy, framed);
  const bool phased = p.forward.stride > 1;
  convolve_batch(context, p.algorithm, &p.shape, &p.kernels, NULL, p.framed ? framed : gy, &one,
                 phased ? output : gx, scratch);
  if (phased) join_phases(&p, output, gx);
}
