/* The planner: one table, read from the top. The first row that covers the shape and pays is taken;
 * the last pays always. When each pays is said beside its algorithm, with the measurement. */
#include "convolution.h"

static const algorithm *const table[] = {
    &depthwise_algorithm, /* one input channel per output channel */
    &pointwise_algorithm, /* 1x1, stride 1: a matrix product */
    &winograd4_algorithm, /* 3x3, stride 1, many channels */
    &winograd2_algorithm, /* the same, so many that 4x4 tiles would be too inexact */
    &toomcook_algorithm,  /* 3x3, 5x5, 7x7, stride 1, few channels */
    &direct_algorithm,    /* everything else */
    &reference_algorithm, /* only when forced */
};

enum { ROWS = sizeof table / sizeof *table };

const algorithm *plan_convolution(const geometry *shape, dk_algorithm forced) {
  for (int32_t i = 0; i < ROWS; i++) {
    const algorithm *row = table[i];
    if (forced ? row->id == forced : row->covers(shape) && row->pays(shape))
      return row->covers(shape) ? row : NULL;
  }
  return NULL;
}
