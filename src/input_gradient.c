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

#include "gradient.h"

static int32_t common_divisor(int32_t a, int32_t b) { return b ? common_divisor(b, a % b) : a; }

/* The taps' residues r*d (mod s) repeat after s / gcd(s, d) taps. */
static int32_t period(const geometry *f) {
  return f->stride / common_divisor(f->stride, f->dilation);
}

/* Along one axis of length input: the first v and how many there are. */
static int32_t first_place(const geometry *f) { return f->padding / f->stride; }
static int32_t places(const geometry *f, int32_t length) {
  return (int32_t)(((int64_t)length - 1 + f->padding) / f->stride) - first_place(f) + 1;
}

dk_status input_gradient_plan(const dk_context *context, const geometry *f, input_gradient *plan) {
  const int64_t reach = (int64_t)f->dilation * (f->R - 1);
  const bool one_phase = period(f) == 1;
  const int32_t R = one_phase ? f->R : (int32_t)(reach / f->stride) + 1;
  const int32_t D = one_phase ? f->dilation / f->stride : 1;
  const int32_t phases = min_i32(f->R, period(f));
  const int32_t rows = places(f, f->H), columns = places(f, f->W);
  const int32_t margin = D * (R - 1) - first_place(f);

  const uint64_t limit = INT32_MAX / sizeof(float);
  const uint64_t channels = (uint64_t)f->C * (uint32_t)phases * (uint32_t)phases;
  const uint64_t depth = (uint64_t)(f->O / f->G) * (uint32_t)R * (uint32_t)R;
  const int32_t H = rows + D * (R - 1), W = columns + D * (R - 1); /* of the framed gy */
  const uint64_t output = f->stride == 1 ? 0 : (uint64_t)rows * (uint32_t)columns;
  if (channels > limit || depth > limit || output > limit / channels)
    return DK_ERROR_MEMORY;

  input_gradient p = {.forward = *f, .phases = phases, .margin = margin};
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
  if (frame > limit / (uint32_t)f->O)
    return DK_ERROR_MEMORY;
  p.frame = (size_t)round_up((size_t)frame * f->O, 16);
  p.output = (size_t)round_up((size_t)(output * channels), 16);

  const int32_t run = f->O == f->G ? (int32_t)channels : (int32_t)channels / f->G;
  const int32_t run_blocks = (run - 1) / LANES + 1;
  const uint64_t blocks = (uint64_t)run_blocks * (uint32_t)((int32_t)channels / run);
  if (blocks * LANES > limit / depth)
    return DK_ERROR_MEMORY;
  p.kernels = (packed_kernels){.K = 1,
                               .O = (int32_t)channels,
                               .depth = (int32_t)depth,
                               .run = run,
                               .run_blocks = run_blocks,
                               .blocks = (int32_t)blocks};
  p.kernel_floats = (size_t)round_up((size_t)(blocks * LANES * depth), 16);

  p.algorithm = plan_convolution(&p.shape, DK_ALGORITHM_AUTO);
  const uint64_t mixed = (uint64_t)(f->C / f->G) * (uint32_t)f->R * (uint32_t)f->R * LANES;
  const uint64_t floats = (uint64_t)p.kernel_floats + p.frame + p.output;
  const uint64_t scratch =
      batch_workspace(context, p.algorithm, &p.shape); /* also holds a mixed block */
  const uint64_t bytes =
      sizeof(float) * floats + (scratch > sizeof(float) * mixed ? scratch : sizeof(float) * mixed);
  if (bytes > INT32_MAX)
    return DK_ERROR_MEMORY;
  p.bytes = (size_t)bytes;
  *plan = p;
  return DK_OK;
}

/* Weights [R, R], LANES apart -> the flipped kernels of each phase, output channels first + phase.
 */
static void transpose_channel(const input_gradient *p, const float *from, int32_t first,
                              int32_t input) {
  const geometry *f = &p->forward;
  const int32_t F = p->phases, every = period(f), R = p->shape.R;
  for (int32_t fr = 0; fr < F; fr++)
    for (int32_t fq = 0; fq < F; fq++) {
      float *to =
          kernels_channel(&p->kernels, 0, first + fr * F + fq) + (size_t)input * R * R * LANES;
      for (int32_t r = fr; r < f->R; r += every)
        for (int32_t q = fq; q < f->R; q += every) {
          const int32_t er = every == 1 ? r : (int32_t)((int64_t)r * f->dilation / f->stride);
          const int32_t eq = every == 1 ? q : (int32_t)((int64_t)q * f->dilation / f->stride);
          to[((size_t)(R - 1 - er) * R + (R - 1 - eq)) * LANES] =
              from[((size_t)r * f->R + q) * LANES];
        }
    }
}

/* The mixed kernels, flipped, with input and output channels exchanged and phases taken apart. */
static void transpose_kernels(const input_gradient *p, const packed_kernels *kernels,
                              const float *a, float *mixed) {
  const geometry *f = &p->forward;
  const int32_t group = f->C / f->G, outputs = f->O / f->G, taps = f->R * f->R;
  memset(p->kernels.data, 0, sizeof(float) * p->kernel_floats);
  for (int32_t block = 0; block < kernels->blocks; block++) {
    const channel_block channels = kernels_block(kernels, block);
    kernels_mix(kernels, block, 0, kernels->depth, a, mixed);
    for (int32_t c = 0; c < group; c++)
      for (int32_t lane = 0; lane < channels.count; lane++) {
        const int32_t o = channels.first + lane;
        const int32_t first = (o / outputs * group + c) * p->phases * p->phases;
        transpose_channel(p, mixed + (size_t)c * taps * LANES + lane, first, o % outputs);
      }
  }
}

/* gy [O, Ho, Wo] within its frame of zeros, [O, H, W] of the convolution that reads it. */
static void frame(const input_gradient *p, const float *gy, float *out) {
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

/* Phases [C, F, F, rows, columns] -> gx [C, H, W]. */
static void interleave(const input_gradient *p, const float *phases, float *gx) {
  const geometry *f = &p->forward;
  const int32_t s = f->stride, rows = p->shape.Ho, columns = p->shape.Wo, F = p->phases;
  const int32_t skipped = f->padding % s; /* v = first_place begins so far before the input */
  memset(gx, 0, sizeof(float) * (size_t)f->C * f->H * f->W);
  for (int32_t c = 0; c < f->C; c++, gx += (size_t)f->H * f->W)
    for (int32_t fr = 0; fr < F; fr++)
      for (int32_t fq = 0; fq < F; fq++, phases += (size_t)rows * columns) {
        const int32_t top = (int32_t)((int64_t)fr * f->dilation % s) - skipped;
        const int32_t left = (int32_t)((int64_t)fq * f->dilation % s) - skipped;
        const int32_t begin = left < 0;
        for (int32_t v = top < 0; v < rows && top + v * s < f->H; v++) {
          const float *from = phases + (size_t)v * columns;
          float *to = gx + (size_t)(top + v * s) * f->W;
          for (int32_t u = begin; u < columns && left + u * s < f->W; u++)
            to[left + u * s] = from[u];
        }
      }
}

void input_gradient_compute(dk_context *context, const input_gradient *plan,
                            const packed_kernels *kernels, const float *a, const float *gy,
                            float *gx, void *workspace) {
  input_gradient p = *plan;
  const float one = 1;
  p.kernels.data = workspace;
  float *framed = p.kernels.data + p.kernel_floats, *output = framed + p.frame;
  float *scratch = output + p.output;
  transpose_kernels(&p, kernels, a, scratch);
  if (p.framed)
    frame(&p, gy, framed);
  const bool phased = p.forward.stride > 1;
  convolve_batch(context, p.algorithm, &p.shape, &p.kernels, NULL, p.framed ? framed : gy, &one,
                 phased ? output : gx, scratch);
  if (phased)
    interleave(&p, output, gx);
}
