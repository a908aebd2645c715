/* See block_reference.h. Follows the formulas in dynakernel.h. */
#include "block_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backward/reference.h"

static const double EPSILON = 1e-5;

enum { MOST_LOGITS = 512 }; /* of a head */

/* ----------------------------------------------------------------------------- attention */

static bool is_softmax(const block_reference *block, int32_t h) {
  return h == DK_HEAD_KERNELS && block->branch.softmax;
}

static int32_t features_of(const block_reference *block) {
  return block->branch.hidden ? block->branch.hidden : block->branch.channels;
}

static void normalise(const block_reference *block, const attend_tape *t, int32_t m) {
  const int32_t N = block->shape.N, M = block->branch.hidden;
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

/* y [N, rows] = x [N, columns] times the transpose of weight, plus bias. */
static void product(const double *weight, const double *bias, int32_t rows, int32_t columns, int32_t N,
                    const double *x, double *y) {
  for (int32_t i = 0; i < N * rows; i++) {
    y[i] = bias ? bias[i % rows] : 0;
    for (int32_t j = 0; j < columns; j++) y[i] += weight[i % rows * columns + j] * x[i / rows * columns + j];
  }
}

static void product_backward(const double *weight, int32_t rows, int32_t columns, int32_t N, const double *x,
                             const double *gy, double *gx, double *g_weight) {
  for (int32_t i = 0; i < N * rows; i++)
    for (int32_t j = 0; j < columns; j++) {
      g_weight[i % rows * columns + j] += gy[i] * x[i / rows * columns + j];
      gx[i / rows * columns + j] += gy[i] * weight[i % rows * columns + j];
    }
}

/* One head: a = 1 / sum of exponentials. No exponential overflows for the logits of these checks. */
static void head_forward(const block_reference *block, int32_t h, const double *logits, int32_t count,
                         double *a) {
  for (int32_t i = 0; i < count; i++) {
    double sum = is_softmax(block, h) ? 0 : 1 + exp(-logits[i]);
    for (int32_t j = 0; is_softmax(block, h) && j < count; j++) sum += exp(logits[j] - logits[i]);
    a[i] = 1 / sum;
  }
}

/* ga [count] -> gl, by the derivative of every output by every logit. */
static void head_backward(const block_reference *block, int32_t h, const double *a, const double *ga,
                          int32_t count, double *gl) {
  for (int32_t j = 0; j < count; j++) {
    gl[j] = 0;
    for (int32_t i = 0; i < count; i++) {
      const double derivative =
          is_softmax(block, h) ? a[i] * ((i == j) - a[j]) : (i == j) * a[i] * (1 - a[i]);
      gl[j] += ga[i] * derivative / block->temperature;
    }
  }
}

void attention_reference_forward(const block_reference *block, const double *x, const attend_tape *t) {
  const int32_t N = block->shape.N, C = block->shape.C, M = block->branch.hidden;
  const int32_t plane = block->shape.H * block->shape.W;
  const block_parameters *p = &block->parameters;

  for (int32_t i = 0; i < N * C; i++) {
    t->mean[i] = 0;
    for (int32_t j = 0; j < plane; j++) t->mean[i] += x[i * plane + j] / plane;
  }
  product(p->hidden_weight, NULL, M, C, N, t->mean, t->normalised);
  for (int32_t m = 0; block->branch.batch_norm && m < M; m++) normalise(block, t, m);
  for (int32_t i = 0; i < N * M; i++) {
    double z = t->normalised[i];
    if (block->branch.batch_norm) z = z * p->bn_weight[i % M] + p->bn_bias[i % M];
    t->hidden[i] = z < 0 ? 0 : z;
  }
  for (int32_t h = 0; h < HEADS; h++) {
    const int32_t count = block->branch.head[h];
    if (count > MOST_LOGITS) abort();
    double logits[MOST_LOGITS], *outputs = t->outputs + attend_outputs(block->branch.head, N, h);
    for (int32_t n = 0; n < N && count; n++) {
      product(p->head_weight[h], p->head_bias[h], count, features_of(block), 1,
              t->hidden + n * features_of(block), logits);
      for (int32_t i = 0; i < count; i++) logits[i] /= block->temperature;
      head_forward(block, h, logits, count, outputs + n * count);
    }
  }
}

/* gz [N, M]: gradient of batch norm's output -> gradient of its input, by the chain rule over every pair of
 * samples: dz^[i]/dz[n] = inverse * ([i = n] - 1/N - z^[i] * z^[n] / N). */
static void normalise_backward(const block_reference *block, const attend_tape *t, int32_t m, double *gz) {
  const int32_t N = block->shape.N, M = block->branch.hidden;
  const double *z = t->normalised + m, scale = block->parameters.bn_weight[m] * t->inverse[m];
  double sum = 0, product = 0;
  for (int32_t i = 0; i < N; i++) sum += gz[i * M + m], product += gz[i * M + m] * z[i * M];
  for (int32_t n = 0; n < N; n++) {
    if (block->training) gz[n * M + m] -= (sum + z[n * M] * product) / N;
    gz[n * M + m] *= scale;
  }
}

void attention_reference_backward(const block_reference *block, const attend_tape *t,
                                  const double *grad_outputs, double *gx, const block_parameters *gradients,
                                  double *scratch) {
  const int32_t N = block->shape.N, C = block->shape.C, M = block->branch.hidden;
  const int32_t plane = block->shape.H * block->shape.W, features = features_of(block);
  const block_parameters *p = &block->parameters;
  double *gp = scratch, *gz = gp + N * C, *g_features = M ? gz : gp;

  for (int32_t i = 0; i < N * (C + M); i++) scratch[i] = 0;
  for (int32_t h = 0; h < HEADS; h++) {
    const int32_t count = block->branch.head[h];
    for (int32_t n = 0; n < N && count; n++) {
      const size_t first = attend_outputs(block->branch.head, N, h) + (size_t)n * count;
      double gl[MOST_LOGITS];
      head_backward(block, h, t->outputs + first, grad_outputs + first, count, gl);
      for (int32_t i = 0; i < count; i++) gradients->head_bias[h][i] += gl[i];
      product_backward(p->head_weight[h], count, features, 1, t->hidden + n * features, gl,
                       g_features + n * features, gradients->head_weight[h]);
    }
  }
  for (int32_t i = 0; i < N * M; i++) {
    if (t->hidden[i] <= 0) gz[i] = 0;
    if (!block->branch.batch_norm) continue;
    gradients->bn_bias[i % M] += gz[i];
    gradients->bn_weight[i % M] += gz[i] * t->normalised[i];
  }
  for (int32_t m = 0; block->branch.batch_norm && m < M; m++) normalise_backward(block, t, m, gz);
  product_backward(p->hidden_weight, M, C, N, t->mean, gz, gp, gradients->hidden_weight);
  for (int32_t i = 0; i < N * C; i++)
    for (int32_t j = 0; j < plane; j++) gx[i * plane + j] += gp[i] / plane;
}

/* --------------------------------------------------------------------------- aggregation */

/* The factors of one sample, or their gradients; NULL: 1 everywhere. */
typedef struct factors {
  double *head[HEADS];
} factors;

static factors factors_of(const block_reference *block, double *outputs, int32_t n) {
  factors found = {{NULL}};
  for (int32_t h = 0; h < HEADS; h++) {
    const int32_t count = block->branch.head[h];
    if (count) found.head[h] = outputs + attend_outputs(block->branch.head, block->shape.N, h) + n * count;
  }
  return found;
}

static double factor_at(const factors *of, int32_t h, int32_t i) { return of->head[h] ? of->head[h][i] : 1; }

/* to [count] = sum over k of a[k] * from [K, count] */
static void mix(int32_t K, const factors *of, const double *from, size_t count, double *to) {
  for (size_t i = 0; i < count; i++) {
    to[i] = 0;
    for (int32_t k = 0; k < K; k++) to[i] += factor_at(of, DK_HEAD_KERNELS, k) * from[k * count + i];
  }
}

static void mix_backward(int32_t K, const factors *of, const double *from, size_t count,
                         const double *gradient, const factors *g_factors, double *g_from) {
  for (int32_t k = 0; k < K; k++)
    for (size_t i = 0; i < count; i++) {
      if (of->head[DK_HEAD_KERNELS]) g_factors->head[DK_HEAD_KERNELS][k] += gradient[i] * from[k * count + i];
      g_from[k * count + i] += factor_at(of, DK_HEAD_KERNELS, k) * gradient[i];
    }
}

/* Where the factors of outputs, inputs and taps of weight i are, of a kernel [O, C/G, Rh, Rw]. */
typedef struct weight_place {
  int32_t at[HEADS];
} weight_place;

static weight_place place_of(const geometry *s, size_t i) {
  const int32_t taps = s->Rh * s->Rw, depth = s->C / s->G, channel = (int32_t)(i / (size_t)taps);
  const int32_t o = channel / depth, group = o / (s->O / s->G);
  return (weight_place){{0, o, group * depth + channel % depth, (int32_t)(i % (size_t)taps)}};
}

/* w = u, scaled. */
static void scale(const geometry *s, const factors *of, const double *u, double *w) {
  for (size_t i = 0; i < reference_kernel_size(s); i++) {
    const weight_place place = place_of(s, i);
    w[i] = u[i];
    for (int32_t h = DK_HEAD_OUTPUTS; h < HEADS; h++) w[i] *= factor_at(of, h, place.at[h]);
  }
}

/* gw becomes the gradient of u. */
static void scale_backward(const geometry *s, const factors *of, const double *u, double *gw,
                           const factors *g_factors) {
  for (size_t i = 0; i < reference_kernel_size(s); i++) {
    const weight_place place = place_of(s, i);
    for (int32_t h = DK_HEAD_OUTPUTS; h < HEADS; h++) {
      double others = gw[i] * u[i];
      for (int32_t other = DK_HEAD_OUTPUTS; other < HEADS; other++)
        if (other != h) others *= factor_at(of, other, place.at[other]);
      if (of->head[h]) g_factors->head[h][place.at[h]] += others;
    }
    for (int32_t h = DK_HEAD_OUTPUTS; h < HEADS; h++) gw[i] *= factor_at(of, h, place.at[h]);
  }
}

void aggregation_reference_forward(const block_reference *block, const double *x, const double *outputs,
                                   double *y, double *scratch) {
  const geometry *s = &block->shape;
  const block_parameters *p = &block->parameters;
  const size_t inputs = (size_t)s->C * s->H * s->W, pixels = (size_t)s->O * s->Ho * s->Wo;
  const size_t kernel = reference_kernel_size(s);
  double *u = scratch, *w = u + kernel, *b = w + kernel;
  for (int32_t n = 0; n < s->N; n++) {
    const factors of = factors_of(block, (double *)outputs, n);
    mix(s->K, &of, p->weight, kernel, u);
    scale(s, &of, u, w);
    if (p->bias) mix(s->K, &of, p->bias, (size_t)s->O, b);
    convolution_reference_forward(s, x + n * inputs, w, p->bias ? b : NULL, y + n * pixels);
  }
}

void aggregation_reference_backward(const block_reference *block, const double *x, const double *outputs,
                                    const double *gy, double *gx, double *grad_outputs,
                                    const block_parameters *gradients, double *scratch) {
  const geometry *s = &block->shape;
  const block_parameters *p = &block->parameters;
  const size_t plane = (size_t)s->Ho * s->Wo, kernel = reference_kernel_size(s);
  double *u = scratch, *w = u + kernel, *gw = w + kernel, *gb = gw + kernel;
  for (int32_t n = 0; n < s->N; n++) {
    const factors of = factors_of(block, (double *)outputs, n);
    const factors g_factors = factors_of(block, grad_outputs, n);
    mix(s->K, &of, p->weight, kernel, u);
    scale(s, &of, u, w);
    memset(gw, 0, sizeof(double) * (kernel + s->O));
    convolution_reference_backward(s, x, w, gy, gx, gw);
    for (size_t i = 0; i < s->O * plane; i++) gb[i / plane] += gy[i];
    scale_backward(s, &of, u, gw, &g_factors);
    mix_backward(s->K, &of, p->weight, kernel, gw, &g_factors, gradients->weight);
    if (p->bias) mix_backward(s->K, &of, p->bias, (size_t)s->O, gb, &g_factors, gradients->bias);
    x += (size_t)s->C * s->H * s->W, gx += (size_t)s->C * s->H * s->W;
    gy += s->O * plane;
  }
}
