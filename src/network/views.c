#include "network/views.h"

#include <string.h>

#include "base/attributes.h"

SMALL_FILE

layout layout_contiguous(int32_t rank, const int32_t *shape) {
  layout made = {.view = {.rank = rank}};
  int32_t stride = 1;
  for (int32_t axis = rank - 1; axis >= 0; axis--) {
    made.view.shape[axis] = shape[axis];
    made.view.stride[axis] = stride;
    stride *= shape[axis];
  }
  return made;
}

bool layout_reshape(const layout *from, int32_t rank, const int32_t *shape, layout *to) {
  layout made = layout_contiguous(rank, shape);
  made.offset = from->offset;

  /* Match groups of axes that have the same number of elements, from the innermost out. The old axes of a
   * group must lie as one, and the new axes divide it. */
  int32_t old_axis = from->view.rank - 1, new_axis = rank - 1;
  while (new_axis >= 0 || old_axis >= 0) {
    /* Axes of length 1 match nothing. */
    if (old_axis >= 0 && from->view.shape[old_axis] == 1) {
      old_axis--;
      continue;
    }
    if (new_axis >= 0 && shape[new_axis] == 1) {
      new_axis--;
      continue;
    }
    if (old_axis < 0 || new_axis < 0) return false;

    /* Add axes to the smaller side until both sides have as many elements. */
    const int32_t innermost = from->view.stride[old_axis];
    int64_t old_elements = from->view.shape[old_axis], new_elements = shape[new_axis];
    made.view.stride[new_axis] = innermost;
    while (old_elements != new_elements) {
      if (old_elements < new_elements) {
        if (--old_axis < 0) return false;
        if (from->view.shape[old_axis] == 1) continue;
        if (from->view.stride[old_axis] != innermost * old_elements) return false;
        old_elements *= from->view.shape[old_axis];
      } else {
        if (--new_axis < 0) return false;
        made.view.stride[new_axis] = (int32_t)(innermost * new_elements);
        new_elements *= shape[new_axis];
      }
    }
    old_axis--;
    new_axis--;
  }
  *to = made;
  return true;
}

layout layout_slice(const layout *from, int32_t axis, int32_t start, int32_t step, int32_t length) {
  layout part = *from;
  part.offset += start * part.view.stride[axis];
  if (length > 1) part.view.stride[axis] *= step; /* the step of one element may be any number */
  part.view.shape[axis] = length;
  return part;
}

layout layout_permute(const layout *from, const int32_t *order) {
  layout made = *from;
  for (int32_t axis = 0; axis < from->view.rank; axis++) {
    made.view.shape[axis] = from->view.shape[order[axis]];
    made.view.stride[axis] = from->view.stride[order[axis]];
  }
  return made;
}

layout layout_broadcast(const layout *from, int32_t rank, const int32_t *shape) {
  layout made = {.offset = from->offset, .view = {.rank = rank}};
  const int32_t missing = rank - from->view.rank;
  for (int32_t axis = 0; axis < rank; axis++) {
    const int32_t own = axis - missing;
    made.view.shape[axis] = shape[axis];
    if (own >= 0 && from->view.shape[own] != 1) made.view.stride[axis] = from->view.stride[own];
  }
  return made;
}

SMALL_FILE_END
