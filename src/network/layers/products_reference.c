/* The references of products.c, transposed.c and attention.c: the definitions, in double precision. */
#include <math.h>

#include "network/layers/layers.h"

/* Offset of place `index` in the first `rank` dimensions of shape, in the order of elements. */
static ptrdiff_t products_offset(const int32_t *shape, const int32_t *stride, int32_t rank, size_t index) {
  ptrdiff_t offset = 0;
  for (int32_t i = rank - 1; i >= 0; i--) {
    offset += (ptrdiff_t)(index % (size_t)shape[i]) * stride[i];
    index /= (size_t)shape[i];
  }
  return offset;
}

void linear_reference(const float *weight, const float *bias, const epilogue *steps, const view *x,
                      const view *y) {
  const int32_t I = x->shape[1], O = y->shape[1];
  for (int32_t row = 0; row < x->shape[0]; row++)
    for (int32_t o = 0; o < O; o++) {
      double sum = bias ? (double)bias[o] : 0;
      for (int32_t i = 0; i < I; i++)
        sum += (double)x->data[(ptrdiff_t)row * x->stride[0] + i] * (double)weight[(size_t)o * I + i];
      float value = (float)sum;
      if (steps) epilogue_apply_reference(steps, row, o, 0, 1, &value, &value);
      y->data[(ptrdiff_t)row * y->stride[0] + o] = value;
    }
}

void matmul_reference(const view *a, const view *b, const view *y) {
  const int32_t rank = y->rank, outer = rank - 2, J = a->shape[rank - 1];
  const int32_t I = y->shape[rank - 2], L = y->shape[rank - 1];
  const size_t products = view_elements(y) / ((size_t)I * (size_t)L);
  for (size_t p = 0; p < products; p++) {
    const float *left = a->data + products_offset(y->shape, a->stride, outer, p);
    const float *right = b->data + products_offset(y->shape, b->stride, outer, p);
    float *out = y->data + products_offset(y->shape, y->stride, outer, p);
    for (int32_t i = 0; i < I; i++)
      for (int32_t l = 0; l < L; l++) {
        double sum = 0;
        for (int32_t j = 0; j < J; j++)
          sum += (double)left[(ptrdiff_t)i * a->stride[rank - 2] + (ptrdiff_t)j * a->stride[rank - 1]] *
                 (double)right[(ptrdiff_t)j * b->stride[rank - 2] + (ptrdiff_t)l * b->stride[rank - 1]];
        out[(ptrdiff_t)i * y->stride[rank - 2] + (ptrdiff_t)l * y->stride[rank - 1]] = (float)sum;
      }
  }
}

/* One output: the pixels of x whose taps reach it. */
static double transposed_reference_sum(const sliding_window *how, int32_t groups, const float *weight,
                                       const view *x, int32_t O, int32_t n, int32_t o, int32_t i, int32_t j) {
  const int32_t depth = x->shape[1] / groups, each = O / groups, group = o / each;
  double sum = 0;
  for (int32_t v = 0; v < how->kernel[0]; v++)
    for (int32_t h = 0; h < how->kernel[1]; h++) {
      const int32_t above = i + how->padding[0] - v * how->dilation[0];
      const int32_t left = j + how->padding[1] - h * how->dilation[1];
      if (above < 0 || above % how->stride[0] || left < 0 || left % how->stride[1]) continue;
      const int32_t row = above / how->stride[0], column = left / how->stride[1];
      if (row >= x->shape[2] || column >= x->shape[3]) continue;
      for (int32_t c = group * depth; c < (group + 1) * depth; c++) {
        const float *plane = x->data + (ptrdiff_t)n * x->stride[0] + (ptrdiff_t)c * x->stride[1];
        const size_t tap = ((size_t)c * each + (size_t)(o % each)) * (size_t)how->kernel[0] + (size_t)v;
        sum += (double)plane[(ptrdiff_t)row * x->shape[3] + column] *
               (double)weight[tap * (size_t)how->kernel[1] + (size_t)h];
      }
    }
  return sum;
}

void transposed_reference(const sliding_window *how, int32_t groups, const float *weight, const float *bias,
                          const epilogue *steps, const view *x, const view *y) {
  const int32_t O = y->shape[1], Ho = y->shape[2], Wo = y->shape[3];
  for (int32_t n = 0; n < y->shape[0]; n++)
    for (int32_t o = 0; o < O; o++) {
      float *plane = y->data + (ptrdiff_t)n * y->stride[0] + (ptrdiff_t)o * y->stride[1];
      for (int32_t i = 0; i < Ho; i++)
        for (int32_t j = 0; j < Wo; j++)
          plane[(size_t)i * Wo + j] =
              (float)(transposed_reference_sum(how, groups, weight, x, O, n, o, i, j) +
                      (bias ? (double)bias[o] : 0));
      if (steps) epilogue_apply_reference(steps, n, o, 0, (size_t)Ho * Wo, plane, plane);
    }
}

/* The mean of a channel. */
static double attention_reference_mean(const view *x, int32_t n, int32_t c) {
  const float *plane = x->data + (ptrdiff_t)n * x->stride[0] + (ptrdiff_t)c * x->stride[1];
  const size_t pixels = (size_t)x->shape[2] * (size_t)x->shape[3];
  double mean = 0;
  for (size_t i = 0; i < pixels; i++) mean += (double)plane[i] / (double)pixels;
  return mean;
}

/* Number i of those that the heads read. */
static double attention_reference_feature(const attend_branch *branch, const view *x, int32_t n, int32_t i) {
  if (!branch->M) return attention_reference_mean(x, n, i);
  double z = 0;
  for (int32_t c = 0; c < branch->C; c++)
    z += attention_reference_mean(x, n, c) * (double)branch->hidden_weight[(size_t)i * branch->C + c];
  if (branch->bn_weight)
    z = (z - (double)branch->bn_mean[i]) / sqrt((double)branch->bn_variance[i] + branch->eps) *
            (double)branch->bn_weight[i] +
        (double)branch->bn_bias[i];
  return z < 0 ? 0 : z;
}

static double attention_reference_logit(const attend_branch *branch, const view *x, int32_t n, int32_t h,
                                        int32_t i) {
  const int32_t features = attend_features(branch);
  double sum = branch->bias[h] ? (double)branch->bias[h][i] : 0;
  for (int32_t m = 0; m < features; m++)
    sum += attention_reference_feature(branch, x, n, m) * (double)branch->weight[h][(size_t)i * features + m];
  return sum / branch->temperature;
}

void network_attention_reference(const attend_branch *branch, const view *x, float *const outputs[HEADS]) {
  for (int32_t h = 0; h < HEADS; h++)
    for (int32_t i = 0; i < x->shape[0] * branch->head[h]; i++) {
      const int32_t count = branch->head[h], n = i / count;
      const double logit = attention_reference_logit(branch, x, n, h, i % count);

      /* One over the sum of the odds against this output: of the others' exponentials, or of e^-logit. */
      double odds = 0;
      if (h == DK_HEAD_KERNELS && branch->softmax)
        for (int32_t j = 0; j < count; j++)
          odds += exp(attention_reference_logit(branch, x, n, h, j) - logit);
      else
        odds = 1 + exp(-logit);
      outputs[h][i] = (float)(1 / odds);
    }
}
