/* See inner/prefix.h. */
#include "inner/prefix.h"

#include <math.h>
#include <string.h>

#include "base/attributes.h"

static bool prefix_is_clamp(const epilogue_step *step) {
  /* A bound that is NaN is left to the function that knows what it means. */
  return step->op == DK_OP_RELU || (step->op == DK_OP_CLIP && !isnan(step->p[0]) && !isnan(step->p[1]));
}

SMALL epilogue_prefix epilogue_split(const epilogue *steps, int32_t parts) {
  epilogue_prefix prefix = {.clamp = {.low = -INFINITY, .high = INFINITY}};
  if (!steps) return prefix;
  const epilogue_step *step = steps->step, *const end = step + steps->count;

  if (parts & PREFIX_SCALE && step < end && step->op == DK_OP_BATCH_NORM) {
    prefix.scale = step->scale;
    prefix.shift = step->shift;
    step++;
  }
  if (parts & PREFIX_ADD && step < end && step->op == DK_OP_ADD && step->stride[2] == 1 &&
      step->repeat[1] == 0) {
    prefix.operand = step->operand;
    prefix.stride[0] = step->stride[0];
    prefix.stride[1] = step->stride[1];
    step++;
  }
  if (parts & PREFIX_CLAMP && step < end && prefix_is_clamp(step)) {
    prefix.clamp.used = true;
    prefix.clamp.low = step->op == DK_OP_RELU ? 0 : step->p[0];
    if (step->op == DK_OP_CLIP) prefix.clamp.high = step->p[1];
    step++;
  }

  prefix.rest.count = (int32_t)(end - step);
  memcpy(prefix.rest.step, step, sizeof *step * (size_t)prefix.rest.count);
  return prefix;
}
