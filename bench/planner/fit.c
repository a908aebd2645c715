/* What `npm run bench -- --planner --fit` asks the planner: costs with other constants than those of
 * src/convolution/costs.h. `./build.sh fit` links this with the library, compiled with DK_FIT: the constants
 * are then variables, which JavaScript finds by their names. */
#define COST(name, value) __attribute__((used, visibility("default"))) double name = value;
#include "convolution/costs.h"

#include "aggregation.h"

/* The cost of one group of one sample by an algorithm, infinite if the planner never chooses it for this
 * shape; -1 if it does not cover the shape. */
DK_API double fit_cost(const dk_aggregation *aggregation, int32_t H, int32_t W, int32_t id) {
  geometry shape;
  if (aggregation_geometry(aggregation, 1, H, W, &shape)) return -1;
  const algorithm *row = plan_convolution(&shape, (dk_algorithm)id);
  return row && (int32_t)row->id == id ? row->cost(&shape) : -1;
}
