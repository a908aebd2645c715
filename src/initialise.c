/* Initial parameters, from a seed. */
#include <math.h>
#include <string.h>

#include "aggregation.h"
#include "base/attributes.h"
#include "base/elementary.h"

/* PCG32 (O'Neill, 2014), XSH-RR. */
typedef struct generator {
  uint64_t state;
} generator;

static uint32_t next_u32(generator *g) {
  uint64_t old = g->state;
  g->state = old * 6364136223846793005u + 1442695040888963407u;
  uint32_t shifted = (uint32_t)(((old >> 18) ^ old) >> 27), rotation = (uint32_t)(old >> 59);
  return shifted >> rotation | shifted << (-rotation & 31);
}

static generator seeded(uint32_t seed) {
  generator g = {seed + 1442695040888963407u};
  next_u32(&g);
  return g;
}

/* Uniform over (-1, 1), in steps of 2^-31, symmetric around 0. */
static double next_uniform(generator *g) { return (next_u32(g) + 0.5) / 2147483648.0 - 1; }

/* Standard normal, by Marsaglia's polar method (1964). */
SMALL static double next_normal(generator *g) {
  double u, v, s;
  do {
    u = next_uniform(g), v = next_uniform(g);
    s = u * u + v * v;
  } while (s >= 1);
  return u * sqrt(-2 * logarithm(s) / s);
}

SMALL static void kaiming_normal(generator *g, float *weight, int32_t count, int32_t fan_out) {
  double deviation = sqrt(2.0 / fan_out);
  for (int32_t i = 0; i < count; i++) weight[i] = (float)(deviation * next_normal(g));
}

SMALL void dk_attention_initialise(dk_attention *attention, uint32_t seed) {
  generator g = seeded(seed);
  const int32_t C = attention->C, M = attention->M, K = attention->K;
  kaiming_normal(&g, attention->conv1_weight, M * C, M);
  kaiming_normal(&g, attention->conv2_weight, K * M, K);
  for (int32_t k = 0; k < K; k++) attention->conv2_bias[k] = 0;
  for (int32_t m = 0; m < M; m++) {
    attention->bn_weight[m] = attention->bn_running_var[m] = 1;
    attention->bn_bias[m] = attention->bn_running_mean[m] = 0;
  }
  attention->batches_tracked = 0;
}

SMALL void dk_aggregation_initialise(dk_aggregation *aggregation, uint32_t seed) {
  generator g = seeded(seed);
  const packed_kernels *kernels = &aggregation->kernels;
  const double bound = sqrt(6.0 / kernels->depth);
  for (int32_t k = 0; k < kernels->K; k++)
    for (int32_t o = 0; o < kernels->O; o++) {
      float *packed = kernels_channel(kernels, k, o);
      for (int32_t i = 0; i < kernels->depth; i++)
        packed[(size_t)i * LANES] = (float)(bound * next_uniform(&g));
      if (aggregation->weight)
        kernels_unpack(kernels, k, o, 1, aggregation->weight + weight_offset(aggregation, k, o));
    }
  aggregation->stale = false;
  if (aggregation->bias) memset(aggregation->bias, 0, sizeof(float) * (size_t)kernels->K * kernels->O);
}
