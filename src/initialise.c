/* Initial parameters, from a seed. */
#include <math.h>
#include <string.h>

#include "aggregation.h"
#include "attention.h"
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

/* Draws `count` numbers, `stride` floats apart. */
SMALL static void initialise_fill(random_state *random, dk_initialisation distribution, double fan_in,
                                  double fan_out, float *values, int32_t count, int32_t stride) {
  const bool normal = distribution == DK_INITIALISE_FAN_OUT;
  const double variance = distribution == DK_INITIALISE_LINEAR ? 1 / fan_in
                          : normal                             ? 2 / fan_out
                                                               : 6 / fan_in;
  const double scale = sqrt(variance);
  for (int32_t i = 0; i < count; i++)
    values[(size_t)i * stride] =
        (float)(scale * (normal ? initialise_normal(random) : initialise_uniform(random)));
}

/* Draws biases, which begin as 0 unless the distribution is that of a linear layer. */
SMALL static void initialise_biases(random_state *random, dk_initialisation distribution, double fan_in,
                                    float *bias, int32_t count) {
  memset(bias, 0, sizeof(float) * (size_t)count);
  if (distribution == DK_INITIALISE_LINEAR) initialise_fill(random, distribution, fan_in, 1, bias, count, 1);
}

SMALL void dk_attention_initialise(dk_attention *attention, dk_initialisation distribution, uint32_t seed) {
  DK_ASSERT(attention);
  random_state random = initialise_seeded(seed);
  const int32_t C = attention->config.channels, M = attention->config.hidden, features = M ? M : C;
  initialise_fill(&random, distribution, C, M, attention->hidden_weight, M * C, 1);
  for (int32_t h = 0; h < HEADS; h++) {
    const int32_t rows = attention->config.head[h];
    if (!rows) continue;
    initialise_fill(&random, distribution, features, rows, attention->weight[h], rows * features, 1);
    initialise_biases(&random, distribution, features, attention->bias[h], rows);
  }
  for (int32_t m = 0; attention->bn_weight && m < M; m++) {
    attention->bn_running_var[m] = 1;
    attention->bn_weight[m] = 1;
    attention->bn_running_mean[m] = 0;
    attention->bn_bias[m] = 0;
  }
  attention->batches_tracked = 0;
}

SMALL void dk_aggregation_initialise(dk_aggregation *aggregation, dk_initialisation distribution,
                                     uint32_t seed) {
  DK_ASSERT(aggregation);
  random_state random = initialise_seeded(seed);
  const packed_kernels *kernels = &aggregation->kernels;
  const int32_t *size = aggregation->config.kernel_size;
  const double fan_in = kernels->depth, fan_out = (double)kernels->O * size[0] * size[1];
  for (int32_t k = 0; k < kernels->K; k++)
    for (int32_t o = 0; o < kernels->O; o++) {
      /* Fill the packed channel, and the unpacked copy if there is one. */
      for (int32_t i = 0; i < kernels->depth; i++) {
        float value;
        initialise_fill(&random, distribution, fan_in, fan_out, &value, 1, 1);
        kernels_set(kernels, kernels_index(kernels, k, o, i), value);
      }
      if (aggregation->weight)
        kernels_unpack(kernels, k, o, 1, aggregation->weight + aggregation_weight_offset(aggregation, k, o));
    }
  aggregation->stale = false;
  if (aggregation->bias)
    initialise_biases(&random, distribution, fan_in, aggregation->bias, kernels->K * kernels->O);
}
