/* See strip.h. */
#include "strip.h"

#include <string.h>

static int32_t clamp(int64_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : (int32_t)value;
}

/* One padded row's columns phase, phase + phases, ... into out [width]. */
static void pad_phase(const float *row, int32_t W, int32_t padding, int32_t phase, int32_t phases,
                      int32_t width, float *out) {
  /* Places begin .. end - 1 read the input: place i is input column phase + i * phases - padding. */
  const int64_t lead = (int64_t)padding - phase;
  const int32_t begin = clamp(lead <= 0 ? 0 : (lead + phases - 1) / phases, 0, width);
  const int32_t end = clamp(((int64_t)W + lead + phases - 1) / phases, begin, width);
  const float *from = row + ((int64_t)begin * phases - lead);
  memset(out, 0, sizeof(float) * (size_t)begin);
  if (phases == 1)
    memcpy(out + begin, from, sizeof(float) * (size_t)(end - begin));
  else if (phases == 2) /* known to the compiler, which then shuffles four at a time */
    for (int32_t i = begin; i < end; i++) out[i] = from[(size_t)(i - begin) * 2];
  else
    for (int32_t i = begin; i < end; i++) out[i] = from[(size_t)(i - begin) * phases];
  memset(out + end, 0, sizeof(float) * (size_t)(width - end));
}

void pad_rows(const float *x, int32_t H, int32_t W, int32_t padding, int32_t first, int32_t rows,
              int32_t phases, int32_t width, float *out) {
  const size_t row_floats = (size_t)phases * width;
  for (int32_t i = 0; i < rows; i++, out += row_floats) {
    const int32_t iy = first + i - padding;
    if (iy < 0 || iy >= H) {
      memset(out, 0, sizeof(float) * row_floats);
      continue;
    }
    for (int32_t phase = 0; phase < phases; phase++)
      pad_phase(x + (size_t)iy * W, W, padding, phase, phases, width, out + (size_t)phase * width);
  }
}

window pad_window(const float *x, int32_t H, int32_t W, int32_t top, int32_t left, int32_t rows,
                  int32_t width, float *out) {
  if (top >= 0 && left >= 0 && rows <= H - top && width <= W - left)
    return (window){x + (size_t)top * W + left, W};

  const int32_t begin = clamp(-(int64_t)left, 0, width);
  const int32_t end = clamp((int64_t)W - left, begin, width);
  float *row = out;
  for (int32_t y = top; y < top + rows; y++, row += width) {
    if (y < 0 || y >= H || begin == end) {
      memset(row, 0, sizeof(float) * (size_t)width);
      continue;
    }
    memset(row, 0, sizeof(float) * (size_t)begin);
    memcpy(row + begin, x + (size_t)y * W + (left + begin), sizeof(float) * (size_t)(end - begin));
    memset(row + end, 0, sizeof(float) * (size_t)(width - end));
  }
  return (window){out, width};
}

static int32_t reach(const geometry *s) { return s->dilation * (s->R - 1); }

static int32_t rows_in(const geometry *s, int32_t rows_out) {
  return (rows_out - 1) * s->stride + reach(s) + 1;
}

strip strip_plan(const geometry *s, int32_t channels, int32_t columns, int32_t least,
                 int32_t budget) {
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
        *offset++ = (int32_t)(c * t->plane) + r * s->dilation * t->row +
                    column % s->stride * t->width + column / s->stride;
      }
}

void strip_fill(const geometry *s, const strip *t, const float *x, int32_t oy, int32_t rows_out,
                float *plane) {
  pad_rows(x, s->H, s->W, s->padding, oy * s->stride, rows_in(s, rows_out), s->stride, t->width,
           plane);
}
