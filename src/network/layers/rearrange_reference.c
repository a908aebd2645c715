/* The references of rearrange.c and copy.c: one element at a time. */
#include <math.h>

#include "network/layers/layers.h"

/* The position of element `number` of a shape. */
static void rearrange_reference_position(const view *y, size_t number, int32_t *index) {
  for (int32_t i = y->rank - 1; i >= 0; i--) {
    index[i] = (int32_t)(number % (size_t)y->shape[i]);
    number /= (size_t)y->shape[i];
  }
}

static float *rearrange_reference_element(const view *v, const int32_t *index) {
  float *element = v->data;
  for (int32_t i = 0; i < v->rank; i++) element += (ptrdiff_t)index[i] * v->stride[i];
  return element;
}

void copy_run_reference(const view *x, const view *y) {
  int32_t index[MAX_RANK] = {0};
  for (size_t number = 0; number < view_elements(y); number++) {
    rearrange_reference_position(y, number, index);
    *rearrange_reference_element(y, index) = *rearrange_reference_element(x, index);
  }
}

void pad_run_reference(int32_t mode, float value, const int32_t *before, const view *x, const view *y) {
  int32_t index[MAX_RANK] = {0}, place[MAX_RANK];
  for (size_t number = 0; number < view_elements(y); number++) {
    rearrange_reference_position(y, number, index);
    bool inside = true;
    for (int32_t i = 0; i < y->rank; i++) {
      const int32_t last = x->shape[i] - 1;
      place[i] = index[i] - before[i];
      if (mode == PAD_EDGE && place[i] < 0)
        place[i] = 0;
      else if (mode == PAD_EDGE && place[i] > last)
        place[i] = last;
      else if (mode == PAD_REFLECT && place[i] < 0)
        place[i] = -place[i];
      else if (mode == PAD_REFLECT && place[i] > last)
        place[i] = 2 * last - place[i];
      inside &= place[i] >= 0 && place[i] <= last;
    }
    *rearrange_reference_element(y, index) = inside ? *rearrange_reference_element(x, place) : value;
  }
}

static double rearrange_reference_coordinate(const resizing *how, int32_t axis, int32_t length,
                                             int32_t target, int32_t index) {
  const double ratio = (double)target / length;
  const double scale = (float)ratio == how->scale[axis] ? ratio : (double)how->scale[axis];
  if (how->coordinates == RESIZE_ASYMMETRIC) return index / scale;
  if (how->coordinates == RESIZE_ALIGN_CORNERS)
    return target == 1 ? 0 : (double)index * (length - 1) / (target - 1);
  if (how->coordinates == RESIZE_HALF_PIXEL_OR_0 && target == 1) return 0;
  return (index + 0.5) / scale - 0.5;
}

static double rearrange_reference_round(int32_t rounding, double x) {
  switch (rounding) {
  case ROUND_FLOOR:
    return floor(x);
  case ROUND_CEIL:
    return ceil(x);
  case ROUND_HALF_DOWN:
    return ceil(x - 0.5);
  default:
    return floor(x + 0.5);
  }
}

static int32_t rearrange_reference_clamp(double x, int32_t length) {
  return (int32_t)fmin(fmax(x, 0), length - 1);
}

void resize_run_reference(const resizing *how, const view *x, const view *y) {
  int32_t index[MAX_RANK] = {0};
  for (size_t number = 0; number < view_elements(y); number++) {
    rearrange_reference_position(y, number, index);
    double exact[2];
    for (int32_t i = 0; i < 2; i++)
      exact[i] = rearrange_reference_coordinate(how, i, x->shape[2 + i], y->shape[2 + i], index[2 + i]);
    int32_t place[MAX_RANK] = {index[0], index[1]};
    double sum = 0;
    if (how->mode == RESIZE_NEAREST) {
      for (int32_t i = 0; i < 2; i++)
        place[2 + i] =
            rearrange_reference_clamp(rearrange_reference_round(how->rounding, exact[i]), x->shape[2 + i]);
      sum = (double)*rearrange_reference_element(x, place);
    }
    for (int32_t corner = 0; how->mode == RESIZE_BILINEAR && corner < 4; corner++) {
      double factor = 1;
      for (int32_t i = 0; i < 2; i++) {
        const double low = floor(exact[i]), weight = (double)(float)(exact[i] - low);
        const bool high = i == 0 ? corner >= 2 : corner % 2 == 1;
        factor *= high ? weight : 1 - weight;
        place[2 + i] = rearrange_reference_clamp(low + high, x->shape[2 + i]);
      }
      if (factor != 0) sum += factor * (double)*rearrange_reference_element(x, place);
    }
    *rearrange_reference_element(y, index) = (float)sum;
  }
}
