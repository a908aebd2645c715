/* Views of views: other shapes and parts of the same elements, without a copy. The data of a view is not
 * touched: `offset` moves instead. */
#ifndef DK_VIEWS_H
#define DK_VIEWS_H

#include "base/view.h"

/* Where a tensor lies: element 0 is `offset` floats after the start of its memory. */
typedef struct layout {
  int32_t offset;
  view view; /* without data */
} layout;

/* The layout of a contiguous tensor. */
layout layout_contiguous(int32_t rank, const int32_t *shape);

/* Gives the elements, in their order, another shape. Returns false if that needs a copy, and writes nothing.
 * `to` may be `from`. */
bool layout_reshape(const layout *from, int32_t rank, const int32_t *shape, layout *to);

/* Elements `start`, start + step, ... of an axis. */
layout layout_slice(const layout *from, int32_t axis, int32_t start, int32_t step, int32_t length);

/* Axis i of the result is axis order[i]. */
layout layout_permute(const layout *from, const int32_t *order);

/* Broadcasts to a shape of the same or a higher rank, by strides of 0. */
layout layout_broadcast(const layout *from, int32_t rank, const int32_t *shape);

#endif
