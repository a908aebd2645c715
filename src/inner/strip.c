/* See inner/strip.h. */
#include "inner/strip.h"

#include "base/assert.h"
#include "base/sizes.h"
#include "inner/pad.h"

/* Input rows, or columns, from the first tap to the last. */
static int32_t strip_reach_down(const geometry *shape) { return shape->dilation_h * (shape->Rh - 1); }
static int32_t strip_reach_across(const geometry *shape) { return shape->dilation_w * (shape->Rw - 1); }

static int32_t strip_rows_in(const geometry *shape, int32_t rows_out) {
  return (rows_out - 1) * shape->stride_h + strip_reach_down(shape) + 1;
}

strip strip_layout(const geometry *shape, int32_t channels, int32_t columns, int32_t least, int32_t budget) {
  const int32_t reach = strip_reach_down(shape);
  strip layout;
  layout.width = max_i32(shape->Wo, columns) + strip_reach_across(shape) / shape->stride_w + 1;
  layout.row = layout.width * shape->stride_w;
  /* How many input rows fit the budget, and how many output rows these give. */
  const int64_t fit = budget / ((int64_t)channels * layout.row);
  const int64_t rows = fit > reach ? (fit - reach - 1) / shape->stride_h + 1 : 0;
  layout.rows_out = min_i32(max_i32((int32_t)rows, least), shape->Ho);
  /* One cache line more than the rows need: planes a power of two apart would share cache sets. */
  layout.plane = round_up((size_t)strip_rows_in(shape, layout.rows_out) * layout.row, 16) + 16;
  return layout;
}

void strip_taps(const geometry *shape, const strip *layout, int32_t channels, int32_t *offset) {
  for (int32_t c = 0; c < channels; c++)
    for (int32_t r = 0; r < shape->Rh; r++)
      for (int32_t q = 0; q < shape->Rw; q++) {
        const int32_t column = q * shape->dilation_w;
        *offset++ = (int32_t)(c * layout->plane) + r * shape->dilation_h * layout->row +
                    column % shape->stride_w * layout->width + column / shape->stride_w;
      }
}

void strip_fill(const geometry *shape, const strip *layout, const float *x, int32_t oy, int32_t rows_out,
                float *plane) {
  DK_ASSERT(rows_out >= 1 && rows_out <= layout->rows_out);
  pad_rows(x, shape->H, shape->W, oy * shape->stride_h - shape->top, -shape->left,
           strip_rows_in(shape, rows_out), shape->stride_w, layout->width, plane);
}
