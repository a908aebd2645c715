/* The planner: one table, read from the top. The first row that covers the shape, has room and pays is
 * taken; the last pays always. When each pays is said beside its algorithm, with the measurement. */
#include "convolution.h"

static const algorithm *const table[] = {
    &depthwise_toomcook_algorithm, /* one input channel per output channel: 5x5 to 9x9, stride 1 */
    &depthwise_algorithm,          /* the same, any kernel and stride */
    &pointwise_algorithm,          /* 1x1: a matrix product */
    &winograd4_algorithm,          /* 3x3, stride 1, many channels */
    &winograd2_algorithm,          /* the same, so many that 4x4 tiles would be too inexact */
    &polyphase_algorithm,          /* 3x3, stride 2, many channels */
    &toomcook_algorithm,           /* 5x5 and 7x7, stride 1 or 2; 3x3 of few channels */
    &karatsuba_algorithm,          /* 3x3, stride 2, few channels */
    &im2col_algorithm,             /* kernels that do not overlap; short rows, many outputs */
    &direct_algorithm,             /* everything else */
    &reference_algorithm,          /* what is extreme */
};

enum { ROWS = sizeof table / sizeof *table };

bool extreme(const geometry *s) {
  const double edge = 2.0 * s->padding + (double)s->dilation * (s->R - 1) + 16.0 * s->stride;
  return (s->H + edge) * (s->W + edge) * (s->C / s->G) > 1 << 28;
}

const algorithm *plan_convolution(const geometry *shape, dk_algorithm forced) {
  for (int32_t i = 0; i < ROWS; i++) {
    const algorithm *row = table[i];
    const bool last = row == &reference_algorithm;
    if (!last && (!row->covers(shape) || extreme(shape))) continue;
    if (forced && row->id == forced) return row;
    if (!forced && row->pays(shape) && (last || row->workspace(shape) <= MOST_WORKSPACE)) return row;
  }
  return NULL;
}
