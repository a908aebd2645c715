/* The planner: of the algorithms that cover a shape and have room, the one of least cost is taken, of
 * equals the first in the table.
 *
 * A cost says about how long one group of one sample takes, in multiply-adds of four columns of an output
 * channel. Beside its algorithm each counts the multiply-adds that there really are, those for columns,
 * rows and channels that no output needs among them, and adds what is to be done besides. How many
 * multiply-adds that is worth was fitted to the times of 950 shapes, 1 to 128 channels and 2x2 to 128x128
 * pixels, computed by each algorithm in turn; what is chosen takes 0.7 % longer on average than the
 * fastest of them. `npm run bench -- --planner` measures the same on shapes of its own: 1.1 to 1.5 %. */
#include "convolution.h"
#include "small.h"

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
    &direct_algorithm,             /* any kernel, stride and dilation */
    &reference_algorithm,          /* what is extreme */
};

enum { ROWS = sizeof table / sizeof *table };

SMALL bool planner_has(int32_t id) {
  for (int32_t i = 0; i < ROWS; i++)
    if ((int32_t)table[i]->id == id) return true;
  return false;
}

bool extreme(const geometry *s) {
  const double edge = 2.0 * s->padding + (double)s->dilation * (s->R - 1) + 16.0 * s->stride;
  return (s->H + edge) * (s->W + edge) * (s->C / s->G) > 1 << 28;
}

const algorithm *plan_convolution(const geometry *shape, dk_algorithm forced) {
  const algorithm *best = NULL;
  double least = NEVER;
  for (int32_t i = 0; i < ROWS; i++) {
    const algorithm *row = table[i];
    const bool any = row == &reference_algorithm;
    if (!any && (!row->covers(shape) || extreme(shape))) continue;
    if (forced) {
      if (row->id == forced) return row;
      continue;
    }
    const double cost = row->cost(shape);
    if (cost < least && (any || row->workspace(shape) <= MOST_WORKSPACE)) best = row, least = cost;
  }
  return best;
}
