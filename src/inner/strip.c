/* See inner/strip.h. */
#include "inner/strip.h"

#include "base/sizes.h"
#include "inner/pad.h"

static int32_t reach(const geometry *s) { return s->dilation * (s->R - 1); }

static int32_t rows_in(const geometry *s, int32_t rows_out) {
  return (rows_out - 1) * s->stride + reach(s) + 1;
}

strip strip_layout(const geometry *s, int32_t channels, int32_t columns, int32_t least, int32_t budget) {
  strip t;
  t.width = max_i32(s->Wo, columns) + reach(s) / s->stride + 1;
  t.row = t.width * s->stride;
  const int64_t fit = budget / ((int64_t)channels * t.row); /* input rows */
  const int64_t rows = fit > reach(s) ? (fit - reach(s) - 1) / s->stride + 1 : 0;
  t.rows_out = min_i32(max_i32((int32_t)rows, least), s->Ho);
  /* A cache line more than the rows need, lest planes a power of two apart share cache sets. */
  t.plane = round_up((size_t)rows_in(s, t.rows_out) * t.row, 16) + 16;
  return t;
}

void strip_taps(const geometry *s, const strip *t, int32_t channels, int32_t *offset) {
  for (int32_t c = 0; c < channels; c++)
    for (int32_t r = 0; r < s->R; r++)
      for (int32_t q = 0; q < s->R; q++) {
        const int32_t column = q * s->dilation;
        *offset++ = (int32_t)(c * t->plane) + r * s->dilation * t->row + column % s->stride * t->width +
                    column / s->stride;
      }
}

void strip_fill(const geometry *s, const strip *t, const float *x, int32_t oy, int32_t rows_out,
                float *plane) {
  pad_rows(x, s->H, s->W, s->padding, oy * s->stride, rows_in(s, rows_out), s->stride, t->width, plane);
}
