/* Computes the planner's costs with other constants than those of src/convolution/costs.h, for
 * `npm run bench -- --planner --fit`. `./build.sh fit` links this with the library, compiled with DK_FIT. The
 * constants are then variables. JavaScript finds them by their names. */
#define COST(name, value) __attribute__((used, visibility("default"))) double name = value;
#include "convolution/costs.h"

#include "aggregation.h"

/* Returns the cost of one group of one sample by an algorithm. The cost is infinite if the planner never
 * chooses the algorithm for this shape, and -1 if the algorithm does not cover the shape. */
DK_API double fit_cost(const dk_aggregation *aggregation, int32_t H, int32_t W, int32_t id) {
  geometry shape;
  if (aggregation_geometry(aggregation, 1, H, W, &shape)) return -1;
  const algorithm *row = plan_convolution(&shape, (dk_algorithm)id);
  return row && (int32_t)row->id == id ? row->cost(&shape) : -1;
}
