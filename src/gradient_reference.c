/* See gradient_reference.h. Written to be read against the formulas in dynakernel.h. */
#include "gradient_reference.h"
#include "small.h"

#include <math.h>
#include <string.h>

static const double EPSILON = 1e-5;

/* ----------------------------------------------------------------------------- attention */

static void normalise(const block_reference *block, const attention_tape *t, int32_t m) {
  const int32_t N = block->shape.N, M = block->M;
  double *z = t->normalised + m, mean = 0, variance = 0;
  if (block->training) {
    for (int32_t n = 0; n < N; n++) mean += z[n * M] / N;
    for (int32_t n = 0; n < N; n++) variance += (z[n * M] - mean) * (z[n * M] - mean) / N;
  } else {
    mean = block->running_mean[m];
    variance = block->running_var[m];
  }
  t->inverse[m] = 1 / sqrt(variance + EPSILON);
  for (int32_t n = 0; n < N; n++) z[n * M] = (z[n * M] - mean) * t->inverse[m];
}

void attention_reference_forward(const block_reference *block, const double *x,
                                 const attention_tape *t) {
  const int32_t N = block->shape.N, C = block->shape.C, M = block->M, K = block->shape.K;
  const int32_t plane = block->shape.H * block->shape.W;
  const block_parameters *p = &block->parameters;

  for (int32_t i = 0; i < N * C; i++) {
    t->p[i] = 0;
    for (int32_t j = 0; j < plane; j++) t->p[i] += x[i * plane + j] / plane;
  }
  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++) {
      t->normalised[n * M + m] = 0;
      for (int32_t c = 0; c < C; c++)
        t->normalised[n * M + m] += p->conv1_weight[m * C + c] * t->p[n * C + c];
    }
  for (int32_t m = 0; m < M; m++) normalise(block, t, m);
  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++) {
      const double z = t->normalised[n * M + m] * p->bn_weight[m] + p->bn_bias[m];
      t->hidden[n * M + m] = z < 0 ? 0 : z;
    }
  for (int32_t n = 0; n < N; n++)
    for (int32_t k = 0; k < K; k++) {
      double sum = p->conv2_bias[k];
      for (int32_t m = 0; m < M; m++) sum += p->conv2_weight[k * M + m] * t->hidden[n * M + m];
      t->a[n * K + k] = 1 / (1 + exp(-sum));
    }
}

/* gz [N, M]: of batch norm's output -> of its input, by the chain rule over every pair of samples:
 * dz^[i]/dz[n] = inverse * ([i = n] - 1/N - z^[i] * z^[n] / N). */
static void normalise_backward(const block_reference *block, const attention_tape *t, int32_t m,
                               double *gz) {
  const int32_t N = block->shape.N, M = block->M;
  const double *z = t->normalised + m, scale = block->parameters.bn_weight[m] * t->inverse[m];
  double sum = 0, product = 0;
  for (int32_t i = 0; i < N; i++) sum += gz[i * M + m], product += gz[i * M + m] * z[i * M];
  for (int32_t n = 0; n < N; n++) {
    if (block->training) gz[n * M + m] -= (sum + z[n * M] * product) / N;
    gz[n * M + m] *= scale;
  }
}

void attention_reference_backward(const block_reference *block, const attention_tape *t,
                                  const double *ga, double *gx, const block_parameters *gradients,
                                  double *scratch) {
  const int32_t N = block->shape.N, C = block->shape.C, M = block->M, K = block->shape.K;
  const int32_t plane = block->shape.H * block->shape.W;
  const block_parameters *p = &block->parameters;
  double *gz = scratch;

  for (int32_t i = 0; i < N * M; i++) gz[i] = 0;
  for (int32_t n = 0; n < N; n++)
    for (int32_t k = 0; k < K; k++) {
      const double a = t->a[n * K + k], gs = ga[n * K + k] * a * (1 - a);
      gradients->conv2_bias[k] += gs;
      for (int32_t m = 0; m < M; m++) {
        gradients->conv2_weight[k * M + m] += gs * t->hidden[n * M + m];
        if (t->hidden[n * M + m] > 0) gz[n * M + m] += gs * p->conv2_weight[k * M + m];
      }
    }
  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++) {
      gradients->bn_bias[m] += gz[n * M + m];
      gradients->bn_weight[m] += gz[n * M + m] * t->normalised[n * M + m];
    }
  for (int32_t m = 0; m < M; m++) normalise_backward(block, t, m, gz);
  for (int32_t n = 0; n < N; n++)
    for (int32_t c = 0; c < C; c++) {
      double gp = 0;
      for (int32_t m = 0; m < M; m++) {
        gradients->conv1_weight[m * C + c] += gz[n * M + m] * t->p[n * C + c];
        gp += gz[n * M + m] * p->conv1_weight[m * C + c];
      }
      for (int32_t j = 0; j < plane; j++) gx[(n * C + c) * plane + j] += gp / plane;
    }
}

/* --------------------------------------------------------------------------- convolution */

/* For every product that a convolution adds up: output index, input index, weight index. */
typedef void visitor(void *context, size_t y, size_t x, size_t w);

SMALL static void visit_products(const geometry *s, visitor *visit, void *context) {
  const int32_t group = s->C / s->G, outputs = s->O / s->G;
  for (int32_t o = 0; o < s->O; o++)
    for (int32_t c = 0; c < group; c++)
      for (int32_t r = 0; r < s->R; r++)
        for (int32_t q = 0; q < s->R; q++)
          for (int32_t oy = 0; oy < s->Ho; oy++)
            for (int32_t ox = 0; ox < s->Wo; ox++) {
              const int32_t iy = oy * s->stride - s->padding + r * s->dilation;
              const int32_t ix = ox * s->stride - s->padding + q * s->dilation;
              if (iy < 0 || iy >= s->H || ix < 0 || ix >= s->W) continue; /* zero padding */
              visit(context, ((size_t)o * s->Ho + oy) * s->Wo + ox,
                    ((size_t)(o / outputs * group + c) * s->H + iy) * s->W + ix,
                    (((size_t)o * group + c) * s->R + r) * s->R + q);
            }
}

typedef struct arrays {
  const double *x, *w, *gy;
  double *y, *gx, *gw;
} arrays;

static void add_forward(void *context, size_t y, size_t x, size_t w) {
  const arrays *t = context;
  t->y[y] += t->w[w] * t->x[x];
}

static void add_backward(void *context, size_t y, size_t x, size_t w) {
  const arrays *t = context;
  if (t->gx) t->gx[x] += t->w[w] * t->gy[y];
  t->gw[w] += t->x[x] * t->gy[y];
}

void convolution_reference_forward(const geometry *s, const double *x, const double *w,
                                   const double *b, double *y) {
  const size_t plane = (size_t)s->Ho * s->Wo;
  for (size_t i = 0; i < s->O * plane; i++) y[i] = b ? b[i / plane] : 0;
  visit_products(s, add_forward, &(arrays){.x = x, .w = w, .y = y});
}

SMALL void convolution_reference_backward(const geometry *s, const double *x, const double *w,
                                          const double *gy, double *gx, double *gw) {
  visit_products(s, add_backward, &(arrays){.x = x, .w = w, .gy = gy, .gx = gx, .gw = gw});
}

/* --------------------------------------------------------------------------- aggregation */

static size_t kernel_size(const geometry *s) { return (size_t)s->O * (s->C / s->G) * s->R * s->R; }

/* to [count] = sum over k of a[k] * from [K, count] */
static void mix(int32_t K, const double *a, const double *from, size_t count, double *to) {
  for (size_t i = 0; i < count; i++) {
    to[i] = 0;
    for (int32_t k = 0; k < K; k++) to[i] += a[k] * from[k * count + i];
  }
}

static void mix_backward(int32_t K, const double *a, const double *from, size_t count,
                         const double *gradient, double *ga, double *g_from) {
  for (int32_t k = 0; k < K; k++)
    for (size_t i = 0; i < count; i++) {
      ga[k] += gradient[i] * from[k * count + i];
      g_from[k * count + i] += a[k] * gradient[i];
    }
}

void aggregation_reference_forward(const block_reference *block, const double *x, const double *a,
                                   double *y, double *scratch) {
  const geometry *s = &block->shape;
  const block_parameters *p = &block->parameters;
  const size_t inputs = (size_t)s->C * s->H * s->W, outputs = (size_t)s->O * s->Ho * s->Wo;
  double *w = scratch, *b = w + kernel_size(s);
  for (int32_t n = 0; n < s->N; n++, a += s->K) {
    mix(s->K, a, p->weight, kernel_size(s), w);
    if (p->bias) mix(s->K, a, p->bias, (size_t)s->O, b);
    convolution_reference_forward(s, x + n * inputs, w, p->bias ? b : NULL, y + n * outputs);
  }
}

void aggregation_reference_backward(const block_reference *block, const double *x, const double *a,
                                    const double *gy, double *gx, double *ga,
                                    const block_parameters *gradients, double *scratch) {
  const geometry *s = &block->shape;
  const block_parameters *p = &block->parameters;
  const size_t plane = (size_t)s->Ho * s->Wo, kernel = kernel_size(s);
  double *w = scratch, *gw = w + kernel, *gb = gw + kernel;
  for (int32_t n = 0; n < s->N; n++) {
    mix(s->K, a, p->weight, kernel, w);
    memset(gw, 0, sizeof(double) * (kernel + s->O));
    convolution_reference_backward(s, x, w, gy, gx, gw);
    for (size_t i = 0; i < s->O * plane; i++) gb[i / plane] += gy[i];
    mix_backward(s->K, a, p->weight, kernel, gw, ga, gradients->weight);
    if (p->bias) mix_backward(s->K, a, p->bias, (size_t)s->O, gb, ga, gradients->bias);
    x += (size_t)s->C * s->H * s->W, gx += (size_t)s->C * s->H * s->W;
    gy += s->O * plane, a += s->K, ga += s->K;
  }
}

/* ------------------------------------------------------------- on the library's own data */

uint64_t convolution_reference_workspace(const geometry *s) {
  const uint64_t inputs = (uint64_t)s->C * s->H * s->W, outputs = (uint64_t)s->O * s->Ho * s->Wo;
  return sizeof(double) * (2 * (uint64_t)kernel_size(s) + 2 * inputs + outputs);
}

SMALL static void widen(const float *from, size_t count, double *to) {
  for (size_t i = 0; i < count; i++) to[i] = from[i];
}

SMALL void convolution_reference_packed(const geometry *s, const packed_kernels *kernels,
                                        const float *a, const float *x, const float *gy, float *gx,
                                        const packed_kernels *gw, void *workspace) {
  const size_t inputs = (size_t)s->C * s->H * s->W, outputs = (size_t)s->O * s->Ho * s->Wo;
  const size_t kernel = kernel_size(s), depth = kernel / s->O;
  double *w = workspace, *wide_gw = w + kernel, *wide_x = wide_gw + kernel;
  double *wide_gx = wide_x + inputs, *wide_gy = wide_gx + inputs;
  for (size_t i = 0; i < kernel; i++) {
    w[i] = wide_gw[i] = 0;
    for (int32_t k = 0; k < s->K; k++)
      w[i] += (double)a[k] * kernels_channel(kernels, k, (int32_t)(i / depth))[i % depth * LANES];
  }
  widen(x, inputs, wide_x);
  widen(gy, outputs, wide_gy);
  memset(wide_gx, 0, sizeof(double) * inputs);
  convolution_reference_backward(s, wide_x, w, wide_gy, wide_gx, wide_gw);
  for (size_t i = 0; gx && i < inputs; i++) gx[i] = (float)wide_gx[i];
  for (size_t i = 0; i < kernel; i++)
    /* depth is not 0. NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    kernels_channel(gw, 0, (int32_t)(i / depth))[i % depth * LANES] = (float)wide_gw[i];
}
