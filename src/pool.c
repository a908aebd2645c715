/* See pool.h. */
#include "pool.h"

#include <stdbool.h>

#include "parallel.h"
#include "simd.h"

enum {
  BLOCK = 1024,
  WORK = 4, /* multiply-adds take as long as a value */
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
    size_t end = count - i > BLOCK ? i + BLOCK : count - (count - i) % 16;
    v128_t s0 = wasm_f32x4_splat(0), s1 = s0, s2 = s0, s3 = s0; /* four, to hide the latency */
    for (; i < end; i += 16) {
      s0 = wasm_f32x4_add(s0, wasm_v128_load(x + i));
      s1 = wasm_f32x4_add(s1, wasm_v128_load(x + i + 4));
      s2 = wasm_f32x4_add(s2, wasm_v128_load(x + i + 8));
      s3 = wasm_f32x4_add(s3, wasm_v128_load(x + i + 12));
    }
    v128_t s = wasm_f32x4_add(wasm_f32x4_add(s0, s1), wasm_f32x4_add(s2, s3));
    sum += sum_lanes(s);
  }
  return sum + pool_sum_reference(x + i, count - i);
}

typedef struct pooling {
  const float *x;
  int32_t planes, parts;
  size_t plane;
  double *mean;
} pooling;

static void pool_part(const void *argument, int32_t index, int32_t thread) {
  (void)thread;
  const pooling *p = argument;
  const int32_t first = (int32_t)((int64_t)p->planes * index / p->parts);
  const int32_t end = (int32_t)((int64_t)p->planes * (index + 1) / p->parts);
  for (int32_t i = first; i < end; i++)
    p->mean[i] = pool_sum(p->x + (size_t)i * p->plane, p->plane) / (double)p->plane;
}

void pool_means(dk_context *context, const float *x, int32_t planes, size_t plane, double *mean) {
  const bool divided = parallel_pays(context, (double)WORK * planes * (double)plane);
  const int32_t threads = divided ? parallel_threads(context) : 1;
  const pooling p = {x, planes, planes < threads ? planes : threads, plane, mean};
  parallel_for(context, p.parts, pool_part, &p);
}

void pool_add_gradient(const double *gp, size_t planes, size_t plane, float *gx) {
  for (size_t i = 0; i < planes; i++) { /* each pixel had its part in the mean */
    const float share = (float)(gp[i] / (double)plane);
    for (size_t j = 0; j < plane; j++) gx[i * plane + j] += share;
  }
}
