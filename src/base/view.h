/* A tensor of a network as it lies in memory. */
#ifndef DK_VIEW_H
#define DK_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_RANK = 6 };

/* Element [i, j, ...] is data[i * stride[0] + j * stride[1] + ...]. An input's stride may be 0 (broadcast) or
 * negative. An output's elements all have places of their own. */
typedef struct view {
  float *data;
  int32_t rank; /* 0 .. MAX_RANK */
  int32_t shape[MAX_RANK];
  int32_t stride[MAX_RANK]; /* in floats */
} view;

static inline size_t view_elements(const view *v) {
  size_t elements = 1;
  for (int32_t i = 0; i < v->rank; i++) elements *= (size_t)v->shape[i];
  return elements;
}

/* Whether dimensions first .. rank - 1 are contiguous: the innermost has stride 1, each other the elements
 * below it. Strides of dimensions of length 1 do not matter. */
static inline bool view_contiguous_from(const view *v, int32_t first) {
  int64_t stride = 1;
  for (int32_t i = v->rank - 1; i >= first; i--) {
    if (v->shape[i] != 1 && v->stride[i] != stride) return false;
    stride *= v->shape[i];
  }
  return true;
}
static inline bool view_is_contiguous(const view *v) { return view_contiguous_from(v, 0); }

/* Whether a tensor [N, C, ...] consists of contiguous planes, at any distance from each other. */
static inline bool view_is_planar(const view *v) { return v->rank >= 2 && view_contiguous_from(v, 2); }

#endif
