/* The steps of an attention branch after pooling: two small products with batch norm and ReLU between them,
 * and sigmoid. There are only a few numbers for each sample, so the steps compute in double precision, in
 * plain loops. */
#ifndef DK_ATTEND_H
#define DK_ATTEND_H

#include <stdint.h>

/* y [N, rows] = x [N, columns] times the transpose of weight [rows, columns]. */
void attend_product(const float *weight, int32_t rows, int32_t columns, const double *x, int32_t N,
                    double *y);

/* Batch norm by running statistics, without weight and bias, on z [N, M] in place. Also writes inverse [M] =
 * 1 / sqrt(variance + eps). */
void attend_normalise(const float *mean, const float *variance, double eps, int32_t N, int32_t M, double *z,
                      double *inverse);

/* hidden [N, M] = ReLU(weight z + bias). NaN stays NaN. hidden may be z. */
void attend_relu(const float *weight, const float *bias, int32_t N, int32_t M, const double *z,
                 double *hidden);

/* exact [N, K] = sigmoid(exact + bias), and a [N, K] the same in single precision. */
void attend_sigmoid(const float *bias, int32_t N, int32_t K, double *exact, float *a);

#endif
