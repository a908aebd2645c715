/* See block_reference.h. Follows the formulas in dynakernel.h. */
#include "block_reference.h"

#include <math.h>
#include <string.h>

#include "backward/reference.h"

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

void attention_reference_forward(const block_reference *block, const double *x, const attention_tape *t) {
  const int32_t N = block->shape.N, C = block->shape.C, M = block->M, K = block->shape.K;
  const int32_t plane = block->shape.H * block->shape.W;
  const block_parameters *p = &block->parameters;

  for (int32_t i = 0; i < N * C; i++) {
    t->mean[i] = 0;
    for (int32_t j = 0; j < plane; j++) t->mean[i] += x[i * plane + j] / plane;
  }
  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++) {
      t->normalised[n * M + m] = 0;
      for (int32_t c = 0; c < C; c++)
        t->normalised[n * M + m] += p->conv1_weight[m * C + c] * t->mean[n * C + c];
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

/* gz [N, M]: gradient of batch norm's output -> gradient of its input, by the chain rule over every pair of
 * samples: dz^[i]/dz[n] = inverse * ([i = n] - 1/N - z^[i] * z^[n] / N). */
static void normalise_backward(const block_reference *block, const attention_tape *t, int32_t m, double *gz) {
  const int32_t N = block->shape.N, M = block->M;
  const double *z = t->normalised + m, scale = block->parameters.bn_weight[m] * t->inverse[m];
  double sum = 0, product = 0;
  for (int32_t i = 0; i < N; i++) sum += gz[i * M + m], product += gz[i * M + m] * z[i * M];
  for (int32_t n = 0; n < N; n++) {
    if (block->training) gz[n * M + m] -= (sum + z[n * M] * product) / N;
    gz[n * M + m] *= scale;
  }
}

void attention_reference_backward(const block_reference *block, const attention_tape *t, const double *ga,
                                  double *gx, const block_parameters *gradients, double *scratch) {
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
        gradients->conv1_weight[m * C + c] += gz[n * M + m] * t->mean[n * C + c];
        gp += gz[n * M + m] * p->conv1_weight[m * C + c];
      }
      for (int32_t j = 0; j < plane; j++) gx[(n * C + c) * plane + j] += gp / plane;
    }
}

/* --------------------------------------------------------------------------- aggregation */

/* to [count] = sum over k of a[k] * from [K, count] */
static void mix(int32_t K, const double *a, const double *from, size_t count, double *to) {
  for (size_t i = 0; i < count; i++) {
    to[i] = 0;
    for (int32_t k = 0; k < K; k++) to[i] += a[k] * from[k * count + i];
  }
}

static void mix_backward(int32_t K, const double *a, const double *from, size_t count, const double *gradient,
                         double *ga, double *g_from) {
  for (int32_t k = 0; k < K; k++)
    for (size_t i = 0; i < count; i++) {
      ga[k] += gradient[i] * from[k * count + i];
      g_from[k * count + i] += a[k] * gradient[i];
    }
}

void aggregation_reference_forward(const block_reference *block, const double *x, const double *a, double *y,
                                   double *scratch) {
  const geometry *s = &block->shape;
  const block_parameters *p = &block->parameters;
  const size_t inputs = (size_t)s->C * s->H * s->W, outputs = (size_t)s->O * s->Ho * s->Wo;
  double *w = scratch, *b = w + reference_kernel_size(s);
  for (int32_t n = 0; n < s->N; n++, a += s->K) {
    mix(s->K, a, p->weight, reference_kernel_size(s), w);
    if (p->bias) mix(s->K, a, p->bias, (size_t)s->O, b);
    convolution_reference_forward(s, x + n * inputs, w, p->bias ? b : NULL, y + n * outputs);
  }
}

void aggregation_reference_backward(const block_reference *block, const double *x, const double *a,
                                    const double *gy, double *gx, double *ga,
                                    const block_parameters *gradients, double *scratch) {
  const geometry *s = &block->shape;
  const block_parameters *p = &block->parameters;
  const size_t plane = (size_t)s->Ho * s->Wo, kernel = reference_kernel_size(s);
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
