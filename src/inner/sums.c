/* See inner/sums.h. */
#include "inner/sums.h"

#include <math.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/simd.h"
#include "base/sizes.h"

enum {
  BLOCK = 1024, /* values that are added in float32 */
  LANE = 64,    /* of them in one lane: 1,024 values go into four vectors of four lanes */
  WORK = 4,     /* multiply-adds that take as long as adding one value */
};

APART double sum_floats_reference(const float *x, size_t count) {
  double sum = 0;
#pragma clang loop unroll(disable)
  for (size_t i = 0; i < count; i++) sum += (double)x[i];
  return sum;
}

APART double sum_floats(const float *x, size_t count) {
  double sum = 0;
  size_t i = 0;
  while (count - i >= 16) {
    /* Take a whole block, or as many sixteens as are left. */
    size_t end = count - i > BLOCK ? i + BLOCK : count - (count - i) % 16;

    /* Four sums hide the latency of the additions. */
    v128_t s0 = wasm_f32x4_splat(0), s1 = s0, s2 = s0, s3 = s0;
#pragma clang loop unroll(disable)
    for (; i < end; i += 16) {
      s0 = wasm_f32x4_add(s0, wasm_v128_load(x + i));
      s1 = wasm_f32x4_add(s1, wasm_v128_load(x + i + 4));
      s2 = wasm_f32x4_add(s2, wasm_v128_load(x + i + 8));
      s3 = wasm_f32x4_add(s3, wasm_v128_load(x + i + 12));
    }
    sum += sum_lanes(wasm_f32x4_add(wasm_f32x4_add(s0, s1), wasm_f32x4_add(s2, s3)));
  }
  return sum + sum_floats_reference(x + i, count - i);
}

void sum_columns(const float *x, ptrdiff_t stride, int32_t rows, double total[SUM_COLUMNS]) {
  while (rows > 0) {
    const int32_t block = min_i32(rows, LANE);
    v128_t s0 = wasm_f32x4_splat(0), s1 = s0, s2 = s0, s3 = s0;
#pragma clang loop unroll(disable)
    for (int32_t i = 0; i < block; i++, x += stride) {
      s0 = wasm_f32x4_add(s0, wasm_v128_load(x));
      s1 = wasm_f32x4_add(s1, wasm_v128_load(x + 4));
      s2 = wasm_f32x4_add(s2, wasm_v128_load(x + 8));
      s3 = wasm_f32x4_add(s3, wasm_v128_load(x + 12));
    }
    rows -= block;
    float sum[SUM_COLUMNS];
    wasm_v128_store(sum, s0);
    wasm_v128_store(sum + 4, s1);
    wasm_v128_store(sum + 8, s2);
    wasm_v128_store(sum + 12, s3);
#pragma clang loop unroll(disable)
    for (int32_t j = 0; j < SUM_COLUMNS; j++) total[j] += (double)sum[j];
  }
}

/* The greatest so far, and where a value was NaN. (f32x4.max keeps NaN too, but takes nine instructions on
 * x86.) */
typedef struct greatest_lanes {
  v128_t value, nan;
} greatest_lanes;

APART void greatest_columns(const float *x, ptrdiff_t stride, int32_t rows, float greatest[SUM_COLUMNS]) {
  greatest_lanes most[4];
  for (int i = 0; i < 4; i++) {
    most[i].value = wasm_v128_load(greatest + 4 * i);
    most[i].nan = wasm_f32x4_ne(most[i].value, most[i].value);
  }
#pragma clang loop unroll(disable)
  for (int32_t row = 0; row < rows; row++, x += stride)
    for (int i = 0; i < 4; i++) {
      const v128_t value = wasm_v128_load(x + 4 * i);
      most[i].value = wasm_f32x4_pmax(most[i].value, value); /* most < value ? value : most */
      most[i].nan = wasm_v128_or(most[i].nan, wasm_f32x4_ne(value, value));
    }
  /* All bits set is NaN. */
  for (int i = 0; i < 4; i++) wasm_v128_store(greatest + 4 * i, wasm_v128_or(most[i].value, most[i].nan));
}

/* The greater, or NaN if one is NaN. */
static float sums_greater(float a, float b) { return a != a || a > b ? a : b; }

SMALL float greatest_float(const float *x, size_t count) {
  DK_ASSERT(count >= 1);
  /* Find the greatest of every sixteenth value, then the greatest of those and of the values left over. */
  float greatest[SUM_COLUMNS], most = -INFINITY;
  for (int32_t j = 0; j < SUM_COLUMNS; j++) greatest[j] = -INFINITY;
  greatest_columns(x, SUM_COLUMNS, (int32_t)(count / SUM_COLUMNS), greatest);
  for (int32_t j = 0; j < SUM_COLUMNS; j++) most = sums_greater(greatest[j], most);
#pragma clang loop unroll(disable)
  for (size_t i = count / SUM_COLUMNS * SUM_COLUMNS; i < count; i++) most = sums_greater(x[i], most);
  return most;
}

/* A convolution of 1x1 on one pixel grows with the square of the channels, so it runs four values at a time.
 * An attention branch of 512 channels and 7x7 pixels is 1.15 times as fast by it. */
double dot_doubles(const float *weight, const double *value, int32_t count) {
  v128_t low = wasm_f64x2_splat(0), high = low;
  const float *const end = weight + count;
#pragma clang loop unroll(disable)
  for (const float *const fours = weight + count / 4 * 4; weight != fours; weight += 4, value += 4) {
    const v128_t weight0 = wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(weight));
    const v128_t weight2 = wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(weight + 2));
    low = wasm_f64x2_add(low, wasm_f64x2_mul(weight0, wasm_v128_load(value)));
    high = wasm_f64x2_add(high, wasm_f64x2_mul(weight2, wasm_v128_load(value + 2)));
  }
  low = wasm_f64x2_add(low, high);
  double sum = wasm_f64x2_extract_lane(low, 0) + wasm_f64x2_extract_lane(low, 1);
  while (weight != end) sum += (double)*weight++ * *value++;
  return sum;
}

typedef struct sums_planes {
  const float *x;
  size_t x_sample, x_channel, pixels;
  int32_t planes, C, parts;
  double *mean; /* [planes] */
} sums_planes;

/* The means of one part of the planes. */
SMALL static void sums_plane_part(const void *argument, int32_t index, int32_t thread) {
  (void)thread;
  const sums_planes *work = argument;
  const int32_t first = (int32_t)((int64_t)work->planes * index / work->parts);
  const int32_t end = (int32_t)((int64_t)work->planes * (index + 1) / work->parts);
  for (int32_t i = first; i < end; i++) {
    const float *plane = work->x + i / work->C * work->x_sample + i % work->C * work->x_channel;
    work->mean[i] = sum_floats(plane, work->pixels) / (double)work->pixels;
  }
}

SMALL void plane_means(dk_context *context, const float *x, int32_t N, size_t x_sample, int32_t C,
                       size_t x_channel, size_t pixels, double *mean) {
  DK_ASSERT(x && mean && N >= 1 && C >= 1 && pixels >= 1);
  const int32_t planes = N * C;
  const int32_t threads = parallel_team(context, (double)WORK * planes * (double)pixels);
  const sums_planes work = {x, x_sample, x_channel, pixels, planes, C, min_i32(planes, threads), mean};
  parallel_for(context, work.parts, sums_plane_part, &work);
}
