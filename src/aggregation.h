/* The fields of a dk_aggregation, and its forward pass in parts: a block checks everything before it changes
 * anything. */
#ifndef DK_AGGREGATION_H
#define DK_AGGREGATION_H

#include "convolution/convolution.h"

struct dk_aggregation {
  dk_aggregation_config config;
  packed_kernels kernels;
  float *bias;   /* [K, O] or NULL */
  float *weight; /* [K, O, C/G, Rh, Rw]; NULL until dk_aggregation_weight is called */
  bool stale;    /* weight was written after the kernels were packed */
};

/* Returns where output channel o of kernel k begins in the unpacked weight. */
static inline size_t aggregation_weight_offset(const dk_aggregation *aggregation, int32_t k, int32_t o) {
  return ((size_t)k * aggregation->kernels.O + o) * aggregation->kernels.depth;
}

/* Packs the kernels again if the unpacked copy was written. */
void aggregation_pack(dk_aggregation *aggregation);

/* Writes the shape of the convolution of x [N, C, H, W]. Errors: SHAPE. */
dk_status aggregation_geometry(const dk_aggregation *aggregation, int32_t N, int32_t H, int32_t W,
                               geometry *shape);

/* Writes the shape, and chooses the algorithm. Errors: SHAPE, CONFIG, MEMORY. */
dk_status aggregation_prepare(const dk_aggregation *aggregation, int32_t N, int32_t H, int32_t W,
                              geometry *shape, const algorithm **chosen);

/* dk_aggregation_forward after aggregation_prepare. workspace: batch_workspace bytes, aligned to 64. */
void aggregation_convolve(dk_context *context, dk_aggregation *aggregation, const algorithm *chosen,
                          const geometry *shape, const float *x, const dk_mixture *mixture, float *y,
                          void *workspace);

#endif
