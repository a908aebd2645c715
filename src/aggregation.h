/* What a dk_aggregation is made of. */
#ifndef DK_AGGREGATION_H
#define DK_AGGREGATION_H

#include "convolution/convolution.h"

struct dk_aggregation {
  dk_aggregation_config config;
  packed_kernels kernels;
  float *bias;   /* [K, O] or NULL */
  float *weight; /* [K, O, C/G, R, R], or NULL until somebody asks for it */
  bool stale;    /* weight was written since it was packed */
};

/* Where output channel o of kernel k begins within the unpacked weight. */
static inline size_t weight_offset(const dk_aggregation *aggregation, int32_t k, int32_t o) {
  return ((size_t)k * aggregation->kernels.O + o) * aggregation->kernels.depth;
}

/* Packs the kernels anew where the unpacked copy was written. */
void aggregation_pack(dk_aggregation *aggregation);

/* Errors: SHAPE. */
dk_status aggregation_geometry(const dk_aggregation *aggregation, int32_t N, int32_t H, int32_t W,
                               geometry *shape);

/* dk_aggregation_forward in parts, so that a block can check everything before it changes anything:
 * the geometry and the algorithm for a shape (errors: SHAPE, CONFIG, MEMORY), and the convolution in
 * batch_workspace's many bytes. */
dk_status aggregation_prepare(const dk_aggregation *aggregation, int32_t N, int32_t H, int32_t W,
                              geometry *shape, const algorithm **chosen);
void aggregation_convolve(dk_context *context, dk_aggregation *aggregation, const algorithm *chosen,
                          const geometry *shape, const float *x, const float *a, float *y, void *workspace);

#endif
