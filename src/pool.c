/* See pool.h. */
#include "pool.h"

#include "base/assert.h"

void pool_add_gradient(const double *gp, size_t planes, size_t pixels, float *gx) {
  DK_ASSERT(gp && gx && planes >= 1 && pixels >= 1);
  for (size_t i = 0; i < planes; i++) {
    /* Each pixel has the same part in the mean. */
    const float share = (float)(gp[i] / (double)pixels);
    for (size_t j = 0; j < pixels; j++) gx[i * pixels + j] += share;
  }
}
