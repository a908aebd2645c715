/* See inner/attend.h. */
#include "inner/attend.h"

#include <math.h>

#include "base/attributes.h"
#include "base/elementary.h"
#include "inner/sums.h"

SMALL void attend_product(const float *weight, int32_t rows, int32_t columns, const double *x, int32_t N,
                          double *y) {
  for (int32_t n = 0; n < N; n++)
    for (int32_t i = 0; i < rows; i++)
      y[(size_t)n * rows + i] = dot_doubles(weight + (size_t)i * columns, x + (size_t)n * columns, columns);
}

SMALL void attend_normalise(const float *mean, const float *variance, double eps, int32_t N, int32_t M,
                            double *z, double *inverse) {
  for (int32_t m = 0; m < M; m++) {
    inverse[m] = 1 / sqrt(variance[m] + eps);
    for (int32_t n = 0; n < N; n++) {
      double *const value = z + (size_t)n * M + m;
      *value = (*value - mean[m]) * inverse[m];
    }
  }
}

SMALL void attend_relu(const float *weight, const float *bias, int32_t N, int32_t M, const double *z,
                       double *hidden) {
  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++) {
      const size_t i = (size_t)n * M + m;
      const double value = z[i] * weight[m] + bias[m];
      hidden[i] = value < 0 ? 0 : value;
    }
}

SMALL void attend_sigmoid(const float *bias, int32_t N, int32_t K, double *exact, float *a) {
  for (int32_t n = 0; n < N; n++)
    for (int32_t k = 0; k < K; k++) {
      const size_t i = (size_t)n * K + k;
      exact[i] = 1 / (1 + exponential(-(exact[i] + bias[k])));
      a[i] = (float)exact[i];
    }
}
