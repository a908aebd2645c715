/* See inner/strip.h. */
#include "inner/strip.h"

#include "base/assert.h"
#include "base/sizes.h"
#include "inner/pad.h"

/* Input rows or columns from the first tap to the last. */
static int32_t strip_reach(const geometry *shape) { return shape->dilation * (shape->R - 1); }

static int32_t strip_rows_in(const geometry *shape, int32_t rows_out) {
  return (rows_out - 1) * shape->stride + strip_reach(shape) + 1;
}

strip strip_layout(const geometry *shape, int32_t channels, int32_t columns, int32_t least, int32_t budget) {
  const int32_t reach = strip_reach(shape);
  strip layout;
  layout.width = max_i32(shape->Wo, columns) + reach / shape->stride + 1;
  layout.row = layout.width * shape->stride;
  /* How many input rows fit the budget, and how many output rows these give. */
  const int64_t fit = budget / ((int64_t)channels * layout.row);
  const int64_t rows = fit > reach ? (fit - reach - 1) / shape->stride + 1 : 0;
  layout.rows_out = min_i32(max_i32((int32_t)rows, least), shape->Ho);
  /* One cache line more than the rows need: planes a power of two apart would share cache sets. */
  layout.plane = round_up((size_t)strip_rows_in(shape, layout.rows_out) * layout.row, 16) + 16;
  return layout;
}

void strip_taps(const geometry *shape, const strip *layout, int32_t channels, int32_t *offset) {
  for (int32_t c = 0; c < channels; c++)
    for (int32_t r = 0; r < shape->R; r++)
      for (int32_t q = 0; q < shape->R; q++) {
        const int32_t column = q * shape->dilation;
        *offset++ = (int32_t)(c * layout->plane) + r * shape->dilation * layout->row +
                    column % shape->stride * layout->width + column / shape->stride;
      }
}

void strip_fill(const geometry *shape, const strip *layout, const float *x, int32_t oy, int32_t rows_out,
                float *plane) {
  DK_ASSERT(rows_out >= 1 && rows_out <= layout->rows_out);
  pad_rows(x, shape->H, shape->W, shape->padding, oy * shape->stride, strip_rows_in(shape, rows_out),
           shape->stride, layout->width, plane);
}
