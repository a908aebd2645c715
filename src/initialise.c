/* Initial parameters, from a seed. */
#include <math.h>
#include <string.h>

#include "aggregation.h"
#include "base/assert.h"
#include "base/attributes.h"
#include "base/elementary.h"

/* PCG32 (O'Neill, 2014), XSH-RR. */
typedef struct random_state {
  uint64_t state;
} random_state;

static uint32_t initialise_next(random_state *random) {
  uint64_t old = random->state;
  random->state = old * 6364136223846793005u + 1442695040888963407u;
  uint32_t shifted = (uint32_t)(((old >> 18) ^ old) >> 27), rotation = (uint32_t)(old >> 59);
  return shifted >> rotation | shifted << (-rotation & 31);
}

static random_state initialise_seeded(uint32_t seed) {
  random_state random = {seed + 1442695040888963407u};
  initialise_next(&random);
  return random;
}

/* Uniform over (-1, 1), in steps of 2^-31, symmetric around 0. */
static double initialise_uniform(random_state *random) {
  return (initialise_next(random) + 0.5) / 2147483648.0 - 1;
}

/* Standard normal, by Marsaglia's polar method (1964). */
SMALL static double initialise_normal(random_state *random) {
  /* Draw points u, v until one lies in the unit disc. */
  double u, v, squared_radius;
  do {
    u = initialise_uniform(random);
    v = initialise_uniform(random);
    squared_radius = u * u + v * v;
  } while (squared_radius >= 1);
  return u * sqrt(-2 * logarithm(squared_radius) / squared_radius);
}

SMALL static void initialise_kaiming_normal(random_state *random, float *weight, int32_t count,
                                            int32_t fan_out) {
  double deviation = sqrt(2.0 / fan_out);
  for (int32_t i = 0; i < count; i++) weight[i] = (float)(deviation * initialise_normal(random));
}

SMALL void dk_attention_initialise(dk_attention *attention, uint32_t seed) {
  DK_ASSERT(attention);
  random_state random = initialise_seeded(seed);
  const int32_t C = attention->C, M = attention->M, K = attention->K;
  initialise_kaiming_normal(&random, attention->conv1_weight, M * C, M);
  initialise_kaiming_normal(&random, attention->conv2_weight, K * M, K);
  for (int32_t k = 0; k < K; k++) attention->conv2_bias[k] = 0;
  for (int32_t m = 0; m < M; m++) {
    attention->bn_running_var[m] = 1;
    attention->bn_weight[m] = 1;
    attention->bn_running_mean[m] = 0;
    attention->bn_bias[m] = 0;
  }
  attention->batches_tracked = 0;
}

SMALL void dk_aggregation_initialise(dk_aggregation *aggregation, uint32_t seed) {
  DK_ASSERT(aggregation);
  random_state random = initialise_seeded(seed);
  const packed_kernels *kernels = &aggregation->kernels;
  const double bound = sqrt(6.0 / kernels->depth);
  for (int32_t k = 0; k < kernels->K; k++)
    for (int32_t o = 0; o < kernels->O; o++) {
      /* Fill the packed channel, and the unpacked copy if there is one. */
      float *packed = kernels_channel(kernels, k, o);
      for (int32_t i = 0; i < kernels->depth; i++)
        packed[(size_t)i * LANES] = (float)(bound * initialise_uniform(&random));
      if (aggregation->weight)
        kernels_unpack(kernels, k, o, 1, aggregation->weight + aggregation_weight_offset(aggregation, k, o));
    }
  aggregation->stale = false;
  if (aggregation->bias) memset(aggregation->bias, 0, sizeof(float) * (size_t)kernels->K * kernels->O);
}
