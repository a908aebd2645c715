/* KernelAggregation. */
#include <string.h>

#include "aggregation.h"
#include "base/attributes.h"
#include "base/workspace.h"

static dk_status check_config(const dk_aggregation_config *c) {
  const int32_t limit = 1 << 15; /* so that dilation * (R - 1) fits in int32_t */
  const int32_t G = c->groups;
  if (c->in_channels < 1 || c->out_channels < 1 || c->kernel_size < 1 || c->stride < 1 || c->padding < 0 ||
      c->dilation < 1 || G < 1 || c->num_kernels < 1)
    return DK_ERROR_CONFIG;
  if (c->in_channels % G || c->out_channels % G) return DK_ERROR_CONFIG;
  if (c->kernel_size > limit || c->stride > limit || c->padding > limit || c->dilation > limit)
    return DK_ERROR_CONFIG;
  if (!dk_algorithm_name(c->algorithm)) return DK_ERROR_CONFIG;
  return DK_OK;
}

SMALL dk_status dk_aggregation_create(const dk_aggregation_config *config, dk_aggregation **aggregation) {
  *aggregation = NULL;
  dk_status status = check_config(config);
  if (status) return status;

  const int32_t C = config->in_channels, O = config->out_channels, G = config->groups;
  const int32_t R = config->kernel_size, K = config->num_kernels;
  const uint64_t depth = (uint64_t)(C / G) * (uint32_t)R * (uint32_t)R;
  packed_kernels kernels;
  if (!kernels_layout(K, O, G, depth, C == G, &kernels)) return DK_ERROR_MEMORY;

  const size_t floats = (size_t)kernels.blocks * K * kernels.depth * LANES;
  dk_aggregation *made = dk_alloc(sizeof *made);
  float *data = dk_alloc(floats * sizeof(float));
  float *bias = config->bias ? dk_alloc(sizeof(float) * K * O) : NULL;
  if (!made || !data || (config->bias && !bias)) {
    dk_free(made), dk_free(data), dk_free(bias);
    return DK_ERROR_MEMORY;
  }
  kernels.data = data;
  memset(data, 0, floats * sizeof(float));
  if (bias) memset(bias, 0, sizeof(float) * K * O);
  *made = (dk_aggregation){.config = *config, .kernels = kernels, .bias = bias};
  *aggregation = made;
  return DK_OK;
}

SMALL void dk_aggregation_destroy(dk_aggregation *aggregation) {
  if (!aggregation) return;
  dk_free(aggregation->kernels.data);
  dk_free(aggregation->bias);
  dk_free(aggregation->weight);
  dk_free(aggregation);
}

SMALL void dk_aggregation_write(dk_aggregation *aggregation, int32_t k, int32_t first, int32_t count,
                                const float *weight) {
  if (aggregation->weight)
    memcpy(aggregation->weight + weight_offset(aggregation, k, first), weight,
           sizeof(float) * count * aggregation->kernels.depth);
  kernels_pack(&aggregation->kernels, k, first, count, weight);
}

SMALL void dk_aggregation_read(const dk_aggregation *aggregation, int32_t k, int32_t first, int32_t count,
                               float *weight) {
  if (aggregation->weight)
    memcpy(weight, aggregation->weight + weight_offset(aggregation, k, first),
           sizeof(float) * count * aggregation->kernels.depth);
  else
    kernels_unpack(&aggregation->kernels, k, first, count, weight);
}

float *dk_aggregation_bias(dk_aggregation *aggregation) { return aggregation->bias; }

SMALL float *dk_aggregation_weight(dk_aggregation *aggregation) {
  const packed_kernels *kernels = &aggregation->kernels;
  if (!aggregation->weight) {
    float *weight = dk_alloc(sizeof(float) * kernels->K * kernels->O * kernels->depth);
    if (!weight) return NULL;
    for (int32_t k = 0; k < kernels->K; k++)
      kernels_unpack(kernels, k, 0, kernels->O, weight + weight_offset(aggregation, k, 0));
    aggregation->weight = weight;
  }
  return aggregation->weight;
}

void dk_aggregation_changed(dk_aggregation *aggregation) { aggregation->stale = aggregation->weight != NULL; }

void aggregation_pack(dk_aggregation *aggregation) {
  packed_kernels *kernels = &aggregation->kernels;
  if (!aggregation->stale) return;
  for (int32_t k = 0; k < kernels->K; k++)
    kernels_pack(kernels, k, 0, kernels->O, aggregation->weight + weight_offset(aggregation, k, 0));
  aggregation->stale = false;
}

/* Output length along one axis, or 0 where the kernel is larger than the padded input. */
static int32_t output_length(const dk_aggregation_config *config, int32_t length) {
  int64_t padded = (int64_t)length + 2 * (int64_t)config->padding;
  int64_t reach = (int64_t)config->dilation * (config->kernel_size - 1) + 1;
  return padded < reach ? 0 : (int32_t)((padded - reach) / config->stride + 1);
}

dk_status aggregation_geometry(const dk_aggregation *aggregation, int32_t N, int32_t H, int32_t W,
                               geometry *shape) {
  const dk_aggregation_config *c = &aggregation->config;
  if (N < 1 || H < 1 || W < 1 || H > MAX_ELEMENTS || W > MAX_ELEMENTS) return DK_ERROR_SHAPE;
  const int32_t Ho = output_length(c, H), Wo = output_length(c, W);
  if (Ho < 1 || Wo < 1) return DK_ERROR_SHAPE;
  const uint64_t plane_limit = (uint64_t)MAX_ELEMENTS / (uint32_t)N;
  if ((uint64_t)H * W > plane_limit / c->in_channels || (uint64_t)Ho * Wo > plane_limit / c->out_channels)
    return DK_ERROR_SHAPE;
  *shape = (geometry){
      .N = N,
      .C = c->in_channels,
      .O = c->out_channels,
      .G = c->groups,
      .K = c->num_kernels,
      .R = c->kernel_size,
      .stride = c->stride,
      .padding = c->padding,
      .dilation = c->kernel_size > 1 ? c->dilation : 1, /* one tap is no distance from itself */
      .H = H,
      .W = W,
      .Ho = Ho,
      .Wo = Wo,
  };
  return DK_OK;
}

dk_status aggregation_prepare(const dk_aggregation *aggregation, int32_t N, int32_t H, int32_t W,
                              geometry *shape, const algorithm **chosen) {
  dk_status status = aggregation_geometry(aggregation, N, H, W, shape);
  if (status) return status;
  *chosen = plan_convolution(shape, (dk_algorithm)aggregation->config.algorithm);
  if (!*chosen) return DK_ERROR_CONFIG;
  return (*chosen)->workspace(shape) > MOST_WORKSPACE ? DK_ERROR_MEMORY : DK_OK;
}

dk_status dk_aggregation_plan(const dk_aggregation *aggregation, int32_t N, int32_t H, int32_t W,
                              dk_plan *plan) {
  geometry shape;
  const algorithm *chosen;
  dk_status status = aggregation_prepare(aggregation, N, H, W, &shape, &chosen);
  if (status) return status;
  *plan =
      (dk_plan){(int32_t)chosen->id, chosen->tile, shape.Ho, shape.Wo, (int32_t)chosen->workspace(&shape)};
  return DK_OK;
}

SMALL void aggregation_convolve(dk_context *context, dk_aggregation *aggregation, const algorithm *chosen,
                                const geometry *shape, const float *x, const float *a, float *y,
                                void *workspace) {
  aggregation_pack(aggregation);
  convolve_batch(context, chosen, shape, &aggregation->kernels, aggregation->bias, x, a, y, workspace);
}

SMALL dk_status dk_aggregation_forward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                       const float *a, int32_t N, int32_t H, int32_t W, float *y) {
  geometry shape;
  const algorithm *chosen;
  dk_status status = aggregation_prepare(aggregation, N, H, W, &shape, &chosen);
  if (status) return status;
  void *workspace = workspace_reserve(context, (size_t)batch_workspace(context, chosen, &shape));
  if (!workspace) return workspace_refusal(context);
  aggregation_convolve(context, aggregation, chosen, &shape, x, a, y, workspace);
  return parallel_status(context);
}

SMALL void dk_aggregation_mix(dk_aggregation *aggregation, const float *a, int32_t N, float *weight,
                              float *bias) {
  const packed_kernels *kernels = &aggregation->kernels;
  aggregation_pack(aggregation);
  for (int32_t n = 0; n < N; n++, a += kernels->K)
    for (int32_t block = 0; block < kernels->blocks; block++) {
      const channel_block channels = kernels_block(kernels, block);
      float mixed[LANES];
      for (int32_t i = 0; i < kernels->depth; i++) {
        kernels_mix(kernels, block, i, 1, a, mixed);
        for (int32_t lane = 0; lane < channels.count; lane++)
          weight[((size_t)n * kernels->O + channels.first + lane) * kernels->depth + i] = mixed[lane];
      }
      if (!aggregation->bias) continue;
      kernels_mix_bias(kernels, block, aggregation->bias, a, mixed);
      memcpy(bias + (size_t)n * kernels->O + channels.first, mixed, sizeof(float) * (size_t)channels.count);
    }
}
