/* The planner: picks the cheapest algorithm that covers the shape and fits the workspace limit. Of equal
 * costs the earlier row of the table wins. convolution/costs.h says what a cost is. */
#include "base/attributes.h"
#include "convolution/convolution.h"

SMALL_FILE

/* Every algorithm; names, limits, warm-up and tests follow from this table. */
static const algorithm *const algorithms[] = {
    &toomcook_depthwise_algorithm, /* one input channel per output channel: 5x5 to 9x9, stride 1 */
    &depthwise_algorithm,          /* the same, any kernel and stride */
    &pointwise_algorithm,          /* 1x1: a matrix product */
    &winograd_algorithm,           /* 3x3, stride 1, many channels */
    &polyphase_algorithm,          /* 3x3, stride 2, many channels */
    &toomcook_algorithm,           /* 5x5 and 7x7, stride 1 or 2; 3x3 of few channels */
    &karatsuba_algorithm,          /* 3x3, stride 2, few channels */
    &im2col_algorithm,             /* kernels that do not overlap; short rows, many outputs */
    &direct_algorithm,             /* any kernel, stride and dilation */
    &reference_algorithm,          /* shapes that are extreme */
};

enum { ALGORITHMS = sizeof algorithms / sizeof *algorithms };

static const algorithm *planner_find(int32_t id) {
  for (int32_t i = 0; i < ALGORITHMS; i++)
    if ((int32_t)algorithms[i]->id == id) return algorithms[i];
  return NULL;
}

const char *dk_algorithm_name(int32_t id) {
  const algorithm *found = planner_find(id);
  if (id == DK_ALGORITHM_AUTO) return "auto";
  return found ? found->name : NULL;
}

int32_t dk_algorithm_specialised(int32_t id) {
  const algorithm *found = planner_find(id);
  return found && found->specialised;
}

/* At least as many inputs as the padded strips of any algorithm have along an axis. */
static double planner_padded_length(axis along) {
  const double reach = (double)along.dilation * (along.R - 1);
  return along.inputs + ((double)along.before + along.after + reach + 16.0 * along.stride);
}

bool is_extreme(const geometry *shape) {
  return planner_padded_length(geometry_down(shape)) * planner_padded_length(geometry_across(shape)) *
             (shape->C / shape->G) >
         1 << 28;
}

const algorithm *plan_convolution(const geometry *shape, dk_algorithm forced) {
  const algorithm *cheapest = NULL;
  double least = NEVER;
  for (int32_t i = 0; i < ALGORITHMS; i++) {
    const algorithm *row = algorithms[i];
    if (forced && row->id != forced && row->family != forced) continue;

    /* Only the reference supports extreme shapes. Its workspace always fits. */
    const bool is_reference = row == &reference_algorithm;
    if (!is_reference && (!row->covers(shape) || is_extreme(shape))) continue;
    if (forced) return row;

    const double cost = row->cost(shape);
    if (cost < least && (is_reference || row->workspace(shape) <= MOST_WORKSPACE)) {
      cheapest = row;
      least = cost;
    }
  }
  return cheapest;
}

SMALL_FILE_END
