/* Sums and means of planes, four sums of four lanes at a time. */
#include "pool.h"

#include <stdbool.h>

#include "base/assert.h"
#include "base/parallel.h"
#include "base/simd.h"

enum {
  BLOCK = 1024, /* values that are added in float32 */
  WORK = 4,     /* multiply-adds that take as long as adding one value */
};

double pool_sum_reference(const float *x, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += (double)x[i];
  return sum;
}

double pool_sum(const float *x, size_t count) {
  double sum = 0;
  size_t i = 0;
  while (count - i >= 16) {
    /* Take a whole block, or as many sixteens as are left. */
    size_t end = count - i > BLOCK ? i + BLOCK : count - (count - i) % 16;

    /* Four sums hide the latency of the additions. */
    v128_t s0 = wasm_f32x4_splat(0), s1 = s0, s2 = s0, s3 = s0;
    for (; i < end; i += 16) {
      s0 = wasm_f32x4_add(s0, wasm_v128_load(x + i));
      s1 = wasm_f32x4_add(s1, wasm_v128_load(x + i + 4));
      s2 = wasm_f32x4_add(s2, wasm_v128_load(x + i + 8));
      s3 = wasm_f32x4_add(s3, wasm_v128_load(x + i + 12));
    }
    sum += sum_lanes(wasm_f32x4_add(wasm_f32x4_add(s0, s1), wasm_f32x4_add(s2, s3)));
  }
  return sum + pool_sum_reference(x + i, count - i);
}

typedef struct pool_work {
  const float *x; /* [planes, pixels] */
  int32_t planes, parts;
  size_t pixels;
  double *mean; /* [planes] */
} pool_work;

/* The means of one part of the planes. */
static void pool_part(const void *argument, int32_t index, int32_t thread) {
  (void)thread;
  const pool_work *work = argument;
  const int32_t first = (int32_t)((int64_t)work->planes * index / work->parts);
  const int32_t end = (int32_t)((int64_t)work->planes * (index + 1) / work->parts);
  for (int32_t i = first; i < end; i++)
    work->mean[i] = pool_sum(work->x + (size_t)i * work->pixels, work->pixels) / (double)work->pixels;
}

void pool_means(dk_context *context, const float *x, int32_t planes, size_t pixels, double *mean) {
  DK_ASSERT(x && mean && planes >= 1 && pixels >= 1);
  const bool divided = parallel_pays(context, (double)WORK * planes * (double)pixels);
  const int32_t threads = divided ? parallel_threads(context) : 1;
  const pool_work work = {x, planes, planes < threads ? planes : threads, pixels, mean};
  parallel_for(context, work.parts, pool_part, &work);
}

void pool_add_gradient(const double *gp, size_t planes, size_t pixels, float *gx) {
  DK_ASSERT(gp && gx && planes >= 1 && pixels >= 1);
  for (size_t i = 0; i < planes; i++) {
    /* Each pixel has the same part in the mean. */
    const float share = (float)(gp[i] / (double)pixels);
    for (size_t j = 0; j < pixels; j++) gx[i * pixels + j] += share;
  }
}
