/* The aggregation: the module, its kernels packed and unpacked, and its forward pass. */
#include "aggregation.h"

#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/workspace.h"

SMALL_FILE

/* Whether all of some extents are in the range least .. 2^15. dilation * (R - 1) then fits an int32_t. */
static bool aggregation_extents_fit(const int32_t *extents, int32_t count, int32_t least) {
  for (int32_t i = 0; i < count; i++)
    if (extents[i] < least || extents[i] > 1 << 15) return false;
  return true;
}

static bool aggregation_pads_same(const dk_aggregation_config *config) {
  for (int32_t i = 0; i < 4; i++)
    if (config->padding[i] != DK_SAME_PADDING) return false;
  return true;
}

static dk_status aggregation_check_config(const dk_aggregation_config *config) {
  const int32_t G = config->groups;
  if (config->in_channels < 1 || config->out_channels < 1 || G < 1 || config->num_kernels < 1)
    return DK_ERROR_CONFIG;
  if (config->in_channels % G || config->out_channels % G) return DK_ERROR_CONFIG;
  if (!aggregation_extents_fit(config->kernel_size, 2, 1) || !aggregation_extents_fit(config->stride, 2, 1) ||
      !aggregation_extents_fit(config->dilation, 2, 1))
    return DK_ERROR_CONFIG;
  if (!aggregation_pads_same(config) && !aggregation_extents_fit(config->padding, 4, 0))
    return DK_ERROR_CONFIG;
  if (!dk_algorithm_name(config->algorithm)) return DK_ERROR_CONFIG;
  if (config->precision != DK_PRECISION_FLOAT32 && config->precision != DK_PRECISION_FLOAT16)
    return DK_ERROR_CONFIG;
  return DK_OK;
}

dk_status dk_aggregation_create(const dk_aggregation_config *config, dk_aggregation **aggregation) {
  DK_ASSERT(config && aggregation);
  *aggregation = NULL;
  dk_status status = aggregation_check_config(config);
  if (status) return status;

  const int32_t C = config->in_channels, O = config->out_channels, G = config->groups;
  const int32_t K = config->num_kernels;
  const uint64_t taps = (uint64_t)config->kernel_size[0] * (uint32_t)config->kernel_size[1];
  packed_kernels kernels;
  if (!kernels_layout(K, O, G, (uint64_t)(C / G), taps, C == G, &kernels)) return DK_ERROR_MEMORY;

  /* Allocate everything, or nothing. */
  const bool in_halves = config->precision == DK_PRECISION_FLOAT16;
  const size_t bytes = (size_t)kernels.blocks * kernels_block_values(&kernels) *
                       (in_halves ? sizeof *kernels.halves : sizeof *kernels.data);
  dk_aggregation *made = dk_alloc(sizeof *made);
  void *data = dk_alloc(bytes);
  float *bias = config->bias ? dk_alloc(sizeof(float) * K * O) : NULL;
  if (!made || !data || (config->bias && !bias)) {
    dk_free(made);
    dk_free(data);
    dk_free(bias);
    return DK_ERROR_MEMORY;
  }

  /* Zeros, also in lanes without a channel. */
  if (in_halves)
    kernels.halves = data;
  else
    kernels.data = data;
  memset(data, 0, bytes);
  if (bias) memset(bias, 0, sizeof(float) * K * O);
  *made = (dk_aggregation){.config = *config, .kernels = kernels, .bias = bias};
  *aggregation = made;
  return DK_OK;
}

void dk_aggregation_destroy(dk_aggregation *aggregation) {
  if (!aggregation) return;
  dk_free(aggregation->kernels.data);
  dk_free(aggregation->kernels.halves);
  dk_free(aggregation->bias);
  dk_free(aggregation->weight);
  dk_free(aggregation);
}

/* Checks that kernel k has output channels first .. first + count - 1. */
static inline void aggregation_assert_range(const dk_aggregation *aggregation, int32_t k, int32_t first,
                                            int32_t count) {
  DK_ASSERT(aggregation && k >= 0 && k < aggregation->kernels.K);
  DK_ASSERT(first >= 0 && count >= 0 && count <= aggregation->kernels.O - first);
}

void dk_aggregation_write(dk_aggregation *aggregation, int32_t k, int32_t first, int32_t count,
                          const float *weight) {
  aggregation_assert_range(aggregation, k, first, count);
  if (aggregation->weight)
    memcpy(aggregation->weight + aggregation_weight_offset(aggregation, k, first), weight,
           sizeof(float) * count * aggregation->kernels.depth);
  kernels_pack(&aggregation->kernels, k, first, count, weight);
}

void dk_aggregation_read(const dk_aggregation *aggregation, int32_t k, int32_t first, int32_t count,
                         float *weight) {
  aggregation_assert_range(aggregation, k, first, count);
  if (aggregation->weight)
    memcpy(weight, aggregation->weight + aggregation_weight_offset(aggregation, k, first),
           sizeof(float) * count * aggregation->kernels.depth);
  else
    kernels_unpack(&aggregation->kernels, k, first, count, weight);
}

float *dk_aggregation_bias(dk_aggregation *aggregation) { return aggregation->bias; }

float *dk_aggregation_weight(dk_aggregation *aggregation) {
  const packed_kernels *kernels = &aggregation->kernels;
  if (!kernels->data) return NULL;
  if (!aggregation->weight) {
    float *weight = dk_alloc(sizeof(float) * kernels->K * kernels->O * kernels->depth);
    if (!weight) return NULL;

    /* The packed kernels are the current ones. */
    for (int32_t k = 0; k < kernels->K; k++)
      kernels_unpack(kernels, k, 0, kernels->O, weight + aggregation_weight_offset(aggregation, k, 0));
    aggregation->weight = weight;
  }
  return aggregation->weight;
}

void dk_aggregation_changed(dk_aggregation *aggregation) { aggregation->stale = aggregation->weight != NULL; }

void aggregation_pack(dk_aggregation *aggregation) {
  packed_kernels *kernels = &aggregation->kernels;
  if (!aggregation->stale) return;
  for (int32_t k = 0; k < kernels->K; k++)
    kernels_pack(kernels, k, 0, kernels->O,
                 aggregation->weight + aggregation_weight_offset(aggregation, k, 0));
  aggregation->stale = false;
}

/* One direction: padding before and after, and the output's length, or 0 if the kernel is larger than the
 * padded input. */
typedef struct aggregation_axis {
  int32_t before, after, outputs;
} aggregation_axis;

/* direction 0: vertical, 1: horizontal. */
static aggregation_axis aggregation_measure(const dk_aggregation_config *config, int direction,
                                            int32_t length) {
  const int64_t reach = (int64_t)config->dilation[direction] * (config->kernel_size[direction] - 1) + 1;
  const int32_t stride = config->stride[direction];
  if (aggregation_pads_same(config)) {
    const int32_t outputs = (length - 1) / stride + 1;
    const int64_t missing = (int64_t)(outputs - 1) * stride + reach - length;
    const int32_t padding = missing > 0 ? (int32_t)missing : 0;
    return (aggregation_axis){padding / 2, padding - padding / 2, outputs};
  }
  const int32_t before = config->padding[direction], after = config->padding[2 + direction];
  const int64_t spare = (int64_t)length + before + after - reach;
  return (aggregation_axis){before, after, spare < 0 ? 0 : (int32_t)(spare / stride + 1)};
}

/* Returns the dilation along one axis. One tap has no distance to another. */
static int32_t aggregation_dilation(const dk_aggregation_config *config, int axis) {
  return config->kernel_size[axis] > 1 ? config->dilation[axis] : 1;
}

dk_status aggregation_geometry(const dk_aggregation *aggregation, int32_t N, int32_t H, int32_t W,
                               geometry *shape) {
  DK_ASSERT(aggregation && shape);
  const dk_aggregation_config *config = &aggregation->config;
  if (N < 1 || H < 1 || W < 1 || H > MAX_ELEMENTS || W > MAX_ELEMENTS) return DK_ERROR_SHAPE;
  const aggregation_axis down = aggregation_measure(config, 0, H), across = aggregation_measure(config, 1, W);
  const int32_t Ho = down.outputs, Wo = across.outputs;
  if (Ho < 1 || Wo < 1) return DK_ERROR_SHAPE;

  /* x and y each have at most MAX_ELEMENTS values. */
  const uint64_t plane_limit = (uint64_t)MAX_ELEMENTS / (uint32_t)N;
  if ((uint64_t)H * W > plane_limit / config->in_channels ||
      (uint64_t)Ho * Wo > plane_limit / config->out_channels)
    return DK_ERROR_SHAPE;

  *shape = (geometry){
      .N = N,
      .C = config->in_channels,
      .O = config->out_channels,
      .G = config->groups,
      .K = config->num_kernels,
      .Rh = config->kernel_size[0],
      .Rw = config->kernel_size[1],
      .stride_h = config->stride[0],
      .stride_w = config->stride[1],
      .dilation_h = aggregation_dilation(config, 0),
      .dilation_w = aggregation_dilation(config, 1),
      .top = down.before,
      .left = across.before,
      .bottom = down.after,
      .right = across.after,
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

  /* A forced algorithm may need too much memory. */
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

void aggregation_convolve(dk_context *context, dk_aggregation *aggregation, const algorithm *chosen,
                          const geometry *shape, const float *x, const dk_mixture *mixture, float *y,
                          void *workspace) {
  DK_ASSERT(x && mixture && y && shape->K == aggregation->kernels.K && shape->O == aggregation->kernels.O);
  DK_ASSERT((uintptr_t)workspace % WORKSPACE_ALIGNMENT == 0);
  aggregation_pack(aggregation);
  const convolution_call call =
      contiguous_call(chosen, shape, &aggregation->kernels, aggregation->bias, x, mixture, y, workspace);
  convolve_batch(context, &call);
}

dk_status dk_aggregation_forward(dk_context *context, dk_aggregation *aggregation, const float *x,
                                 const dk_mixture *mixture, int32_t N, int32_t H, int32_t W, float *y) {
  geometry shape;
  const algorithm *chosen;
  dk_status status = aggregation_prepare(aggregation, N, H, W, &shape, &chosen);
  if (status) return status;
  void *workspace = workspace_reserve(context, (size_t)batch_workspace(context, chosen, &shape));
  if (!workspace) return workspace_refusal(context);
  aggregation_convolve(context, aggregation, chosen, &shape, x, mixture, y, workspace);
  return parallel_status(context);
}

void dk_aggregation_mix(dk_aggregation *aggregation, const dk_mixture *mixture, int32_t N, float *weight,
                        float *bias) {
  const packed_kernels *kernels = &aggregation->kernels;
  DK_ASSERT(mixture && weight && N >= 1 && (bias || !aggregation->bias));
  aggregation_pack(aggregation);
  for (int32_t n = 0; n < N; n++) {
    const dk_mixture sample = mixture_of_sample(kernels, mixture, n);
    for (int32_t block = 0; block < kernels->blocks; block++) {
      const channel_block channels = kernels_block(kernels, block);
      float mixed[LANES];

      /* Mix the weights, one of each channel at a time. */
      for (int32_t i = 0; i < kernels->depth; i++) {
        kernels_mix(kernels, block, i, 1, &sample, NULL, mixed);
        for (int32_t lane = 0; lane < channels.count; lane++)
          weight[((size_t)n * kernels->O + channels.first + lane) * kernels->depth + i] = mixed[lane];
      }

      /* Mix the biases. */
      if (!aggregation->bias) continue;
      kernels_mix_bias(kernels, block, aggregation->bias, sample.kernels, mixed);
      memcpy(bias + (size_t)n * kernels->O + channels.first, mixed, sizeof(float) * (size_t)channels.count);
    }
  }
}

SMALL_FILE_END
