/* Sums and maxima of arrays. Blocks of values are added in float32, and the blocks in double. The mean of a
 * megapixel is then exact to a few units in the last place. */
#ifndef DK_SUMS_H
#define DK_SUMS_H

#include <stddef.h>
#include <stdint.h>

#include "dynakernel.h"

/* Returns the sum of x [count]. */
double sum_floats(const float *x, size_t count);
double sum_floats_reference(const float *x, size_t count);

/* Returns the greatest of x [count], count >= 1, or NaN if one of them is NaN. */
float greatest_float(const float *x, size_t count);

enum { SUM_COLUMNS = 16 }; /* that are added side by side */

/* total[j] += the sum of column j of x [rows, 16]. Rows are `stride` floats apart. */
void sum_columns(const float *x, ptrdiff_t stride, int32_t rows, double total[SUM_COLUMNS]);

/* greatest[j] = the greatest of itself and column j, or NaN if one of them is NaN. */
void greatest_columns(const float *x, ptrdiff_t stride, int32_t rows, float greatest[SUM_COLUMNS]);

/* Returns the sum of weight[i] * value[i] over i < count, in double precision. */
double dot_doubles(const float *weight, const double *value, int32_t count);

/* mean [N, C] = the mean of each plane of x. Planes are contiguous, samples and channels x_sample and
 * x_channel floats apart. The planes are divided among threads. */
void plane_means(dk_context *context, const float *x, int32_t N, size_t x_sample, int32_t C, size_t x_channel,
                 size_t pixels, double *mean);

#endif
