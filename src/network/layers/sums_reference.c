/* The references of reduce.c, pooling.c, softmax.c and normalise.c: the definitions, in double precision. */
#include <math.h>

#include "base/elementary.h"
#include "network/layers/layers.h"

/* The element of a view at place `index` in the order of its elements. */
static float *sums_element(const view *v, size_t index) {
  float *element = v->data;
  for (int32_t i = v->rank - 1; i >= 0; i--) {
    element += (ptrdiff_t)(index % (size_t)v->shape[i]) * v->stride[i];
    index /= (size_t)v->shape[i];
  }
  return element;
}

/* The greater, or NaN if one is NaN. */
static double sums_greater(double a, double b) { return a != a || a > b ? a : b; }

void reduce_reference(dk_op op, uint32_t axes, const view *x, const view *y) {
  /* x with the axes that are kept alone, and with those that are added up alone */
  view kept = *x, added = *x;
  for (int32_t i = 0; i < x->rank; i++) (axes >> i & 1 ? &kept : &added)->shape[i] = 1;
  const size_t outputs = view_elements(&kept), values = view_elements(&added);
  for (size_t i = 0; i < outputs; i++) {
    added.data = sums_element(&kept, i);
    double sum = 0, most = -INFINITY;
    for (size_t j = 0; j < values; j++) {
      const double value = (double)*sums_element(&added, j);
      sum += value;
      most = sums_greater(value, most);
    }
    if (op == DK_OP_REDUCE_MEAN) sum /= (double)values;
    *sums_element(y, i) = (float)(op == DK_OP_REDUCE_MAX ? most : sum);
  }
}

void window_pool_reference(dk_op op, const sliding_window *how, bool padding_counts, const view *x,
                           const view *y) {
  const int32_t H = x->shape[2], W = x->shape[3], Ho = y->shape[2], Wo = y->shape[3];
  const size_t outputs = view_elements(y);
  for (size_t i = 0; i < outputs; i++) {
    const int32_t top = (int32_t)(i / (size_t)Wo % (size_t)Ho) * how->stride[0] - how->padding[0];
    const int32_t left = (int32_t)(i % (size_t)Wo) * how->stride[1] - how->padding[1];
    const size_t plane = i / ((size_t)Ho * (size_t)Wo);
    double sum = 0, most = -INFINITY;
    int32_t count = 0;
    for (int32_t v = 0; v < how->kernel[0]; v++)
      for (int32_t h = 0; h < how->kernel[1]; h++) {
        const int32_t row = top + v * how->dilation[0], column = left + h * how->dilation[1];
        const bool inside = row >= 0 && row < H && column >= 0 && column < W;
        if (padding_counts ? row < H + how->padding[2] && column < W + how->padding[3] : inside) count++;
        if (!inside) continue;
        const double value =
            (double)*sums_element(x, (plane * (size_t)H + (size_t)row) * (size_t)W + (size_t)column);
        sum += value;
        most = sums_greater(value, most);
      }
    *sums_element(y, i) = (float)(op == DK_OP_MAX_POOL ? most : sum / count);
  }
}

void softmax_reference(int32_t axis, const view *x, const view *y) {
  const size_t elements = view_elements(x);
  size_t inner = 1;
  for (int32_t i = axis + 1; i < x->rank; i++) inner *= (size_t)x->shape[i];
  const size_t length = (size_t)x->shape[axis];
  for (size_t first = 0; first < elements; first++) {
    if (first / inner % length) continue;
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < length; i++)
      most = sums_greater((double)*sums_element(x, first + i * inner), most);
    for (size_t i = 0; i < length; i++)
      sum += exponential((double)*sums_element(x, first + i * inner) - most);
    for (size_t i = 0; i < length; i++)
      *sums_element(y, first + i * inner) =
          (float)(exponential((double)*sums_element(x, first + i * inner) - most) / sum);
  }
}

void lrn_reference(int32_t size, float alpha, float beta, float bias, const view *x, const view *y) {
  const size_t elements = view_elements(x);
  size_t inner = 1;
  for (int32_t i = 2; i < x->rank; i++) inner *= (size_t)x->shape[i];
  for (size_t i = 0; i < elements; i++) {
    const int32_t C = x->shape[1], c = (int32_t)(i / inner % (size_t)C);
    double sum = 0;
    for (int32_t other = c - (size - 1) / 2; other <= c + size / 2; other++) {
      if (other < 0 || other >= C) continue;
      const double value = (double)*sums_element(x, i + (size_t)(other - c) * inner);
      sum += value * value;
    }
    const double divisor = pow((double)bias + (double)alpha / size * sum, (double)beta);
    *sums_element(y, i) = (float)((double)*sums_element(x, i) / divisor);
  }
}
