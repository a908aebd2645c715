/* The attention branch in parts, so that a block can check everything before it changes anything. */
#ifndef DK_ATTENTION_H
#define DK_ATTENTION_H

#include "dynakernel.h"

enum { MAX_ELEMENTS = 1 << 29 }; /* of a tensor: 2 GiB of float32 */

dk_status attention_check(const dk_attention *attention, int32_t training, int32_t N, int32_t H,
                          int32_t W);

size_t attention_workspace(const dk_attention *attention, int32_t N); /* bytes */

/* dk_attention_forward without its checks; workspace is attention_workspace's many bytes. */
void attention_compute(dk_attention *attention, int32_t training, const float *x, int32_t N,
                       int32_t H, int32_t W, float *a, void *workspace);

#endif
