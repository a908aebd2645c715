/* A streaming, separable resize from RGBA rows to planes. The reference is resize_reference in
 * pixels/pixels_reference.c.
 *
 * Source rows come in blocks:
 *   1. four rows at a time become floats, interleaved, and are resampled to W columns
 *   2. each output row that a block contributes to sums its rows of the block
 *   3. the sum starts the output row, or is added to the sums of earlier blocks in the planes; the block that
 *      completes the row normalises it
 *
 * The planes are the only state between calls. */
#include "base/attributes.h"
#include "base/workspace.h"
#include "pixels/pixels.h"

#include <math.h>
#include <string.h>

enum {
  GROUP = 4,        /* source rows resampled together: one weight serves them all */
  BLOCK = 16,       /* source rows summed before the planes are touched */
  TAPS_IN_SUM = 64, /* long sums are added up in parts, which keeps their rounding errors small */
};

/* --------------------------------------------------------------------------- triangle filter */

typedef struct axis {
  int32_t source;
  double start;      /* of the box, in source pixels */
  int32_t low, high; /* pixels low .. high - 1 are those that the box touches; some may lie outside */
  double step;       /* source pixels per target pixel */
  double radius;     /* of the triangle, in source pixels */
} axis;

SMALL static axis resize_axis_make(int32_t source, double start, double length, int32_t target) {
  double step = length / target;
  return (axis){
      source, start, (int32_t)floor(start), (int32_t)ceil(start + length), step, step > 1.0 ? step : 1.0};
}

/* The source pixels first .. end - 1 of a target pixel; none, if it sees the outside only. Pixel u has the
 * weight resize_window_weight(u). The weights of all pixels, with those outside, sum to 1. */
typedef struct filter_window {
  int32_t first, end;
  double centre;
  double peak, slope; /* the weight at the centre, and its decrease per source pixel */
} filter_window;

SMALL static filter_window resize_window_make(const axis *a, int32_t i) {
  filter_window w;
  w.centre = a->start + (i + 0.5) * a->step;
  double first = w.centre - a->radius + 0.5, end = w.centre + a->radius + 0.5;
  w.first = first > a->low ? (int32_t)floor(first) : a->low;
  w.end = end < a->high ? (int32_t)floor(end) : a->high;

  /* The weights sum to 1. On each side of the centre they are an arithmetic series: its sum is the number of
   * terms times their mean. Pixel u lies at u + 0.5, so the mean of first .. middle - 1 is (first + middle)
   * / 2. */
  int32_t middle = (int32_t)floor(w.centre + 0.5);
  middle = middle < w.first ? w.first : middle > w.end ? w.end : middle;
  double left = middle - w.first, right = w.end - middle;
  double left_distance = w.centre - 0.5 * ((double)w.first + middle);
  double right_distance = 0.5 * ((double)middle + w.end) - w.centre;
  double sum = left + right - (left * left_distance + right * right_distance) / a->radius;
  w.peak = 1.0 / sum;
  w.slope = w.peak / a->radius;

  /* What lies outside is black: it adds nothing. */
  w.first = w.first < 0 ? 0 : w.first > a->source ? a->source : w.first;
  w.end = w.end > a->source ? a->source : w.end < w.first ? w.first : w.end;
  return w;
}

SMALL static float resize_window_weight(const filter_window *w, int32_t u) {
  double weight = w->peak - fabs(u + 0.5 - w->centre) * w->slope;
  return weight > 0.0 ? (float)weight : 0.0f;
}

/* --------------------------------------------------------------------------- pass 1: columns */

/* Four of eight 16-bit integers as floats. With the upper half of the float 2^23 above it, an integer is that
 * much more than 2^23. LLVM would make a conversion an unsigned one, which is slow on x86. */
static inline v128_t resize_low_to_float(v128_t halves) {
  v128_t biased = wasm_i16x8_shuffle(halves, wasm_i16x8_splat(0x4b00), 0, 8, 1, 9, 2, 10, 3, 11);
  return wasm_f32x4_sub(biased, wasm_f32x4_splat(8388608.0f));
}

static inline v128_t resize_high_to_float(v128_t halves) {
  v128_t biased = wasm_i16x8_shuffle(halves, wasm_i16x8_splat(0x4b00), 4, 12, 5, 13, 6, 14, 7, 15);
  return wasm_f32x4_sub(biased, wasm_f32x4_splat(8388608.0f));
}

/* row [GROUP][src_W, 4] -> columns [src_W, GROUP, 4] */
APART static void resize_interleave_rows(const uint8_t *const row[GROUP], int32_t src_W, float *columns) {
  size_t width = (size_t)src_W, x = 0;
  for (; x + 4 <= width; x += 4)
    for (size_t r = 0; r < GROUP; r++) {
      v128_t bytes = wasm_v128_load(row[r] + 4 * x);
      v128_t first = wasm_u16x8_extend_low_u8x16(bytes);
      v128_t second = wasm_u16x8_extend_high_u8x16(bytes);
      float *column = columns + 16 * x + 4 * r;
      wasm_v128_store(column, resize_low_to_float(first));
      wasm_v128_store(column + 16, resize_high_to_float(first));
      wasm_v128_store(column + 32, resize_low_to_float(second));
      wasm_v128_store(column + 48, resize_high_to_float(second));
    }
  for (; x < width; x++)
    for (size_t r = 0; r < GROUP; r++) {
      v128_t bytes = wasm_v128_load32_zero(row[r] + 4 * x);
      wasm_v128_store(columns + 16 * x + 4 * r, resize_low_to_float(wasm_u16x8_extend_low_u8x16(bytes)));
    }
}

typedef struct tap_range {
  int32_t first, count; /* source columns */
} tap_range;

/* columns [src_W, GROUP, 4], taps [W], weights [sum of the counts] -> rows [GROUP][W, 4], row_stride floats
 * apart. */
APART static void resize_resample_columns(const float *columns, const tap_range *taps, const float *weights,
                                          size_t W, float *rows, size_t row_stride) {
  float *row1 = rows + row_stride, *row2 = row1 + row_stride, *row3 = row2 + row_stride;
  for (size_t x = 0; x < W; x++) {
    const float *column = columns + 16 * (size_t)taps[x].first;
    v128_t sum0 = wasm_f32x4_splat(0.0f), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (int32_t left = taps[x].count; left > 0; left -= TAPS_IN_SUM) {
      v128_t part0 = wasm_f32x4_splat(0.0f), part1 = part0, part2 = part0, part3 = part0;
      int32_t count = left < TAPS_IN_SUM ? left : TAPS_IN_SUM;
#pragma clang loop unroll(disable)
      for (int32_t t = 0; t < count; t++) {
        v128_t weight = wasm_v128_load32_splat(weights);
        part0 = madd(wasm_v128_load(column), weight, part0);
        part1 = madd(wasm_v128_load(column + 4), weight, part1);
        part2 = madd(wasm_v128_load(column + 8), weight, part2);
        part3 = madd(wasm_v128_load(column + 12), weight, part3);
        weights++;
        column += 16;
      }
      sum0 = wasm_f32x4_add(sum0, part0);
      sum1 = wasm_f32x4_add(sum1, part1);
      sum2 = wasm_f32x4_add(sum2, part2);
      sum3 = wasm_f32x4_add(sum3, part3);
    }
    wasm_v128_store(rows + 4 * x, sum0);
    wasm_v128_store(row1 + 4 * x, sum1);
    wasm_v128_store(row2 + 4 * x, sum2);
    wasm_v128_store(row3 + 4 * x, sum3);
  }
}

/* --------------------------------------------------------------------------- passes 2, 3: rows */

typedef struct target {
  float *planes; /* [channels, H, W] */
  int32_t channels, H, W;
  normalisation normalise[3];
} target;

/* starts: the block has the first source row of this output row. completes: it has the last. */
static inline v128_t resize_finish_sum(v128_t before, v128_t sum, int starts, int completes,
                                       const normalisation *n) {
  if (!starts) sum = wasm_f32x4_add(before, sum);
  return completes ? normalise(sum, n) : sum;
}

static inline void resize_store_four(float *plane, v128_t sum, int starts, int completes,
                                     const normalisation *n) {
  wasm_v128_store(plane, resize_finish_sum(wasm_v128_load(plane), sum, starts, completes, n));
}

/* The last one to three pixels of a row. */
APART SMALL static void resize_store_rest(float *plane, size_t count, v128_t sum, int starts, int completes,
                                          const normalisation *n) {
  float lanes[4] = {0};
  memcpy(lanes, plane, count * sizeof(float));
  resize_store_four(lanes, sum, starts, completes, n);
  memcpy(plane, lanes, count * sizeof(float));
}

static inline void resize_store_sum(float *plane, size_t count, v128_t sum, int starts, int completes,
                                    const normalisation *n) {
  if (count == 4)
    resize_store_four(plane, sum, starts, completes, n);
  else
    resize_store_rest(plane, count, sum, starts, completes, n);
}

/* block [rows][W, 4], row_stride floats apart, weights [rows] -> row y of the planes. Reads whole fours of
 * pixels; resize_clear_tails() zeroed those beyond the row. */
APART static void resize_blend_rows(const float *block, size_t row_stride, const float *weights, size_t rows,
                                    const target *t, int32_t y, int starts, int completes) {
  size_t W = (size_t)t->W, plane_size = (size_t)t->H * W;
  float *row = t->planes + (size_t)y * W;
  for (size_t x = 0; x < W; x += 4) {
    const float *pixels = block + 4 * x;
    v128_t p0 = wasm_f32x4_splat(0.0f), p1 = p0, p2 = p0, p3 = p0;
#pragma clang loop unroll(disable)
    for (size_t r = 0; r < rows; r++) {
      v128_t weight = wasm_v128_load32_splat(weights + r);
      p0 = madd(wasm_v128_load(pixels), weight, p0);
      p1 = madd(wasm_v128_load(pixels + 4), weight, p1);
      p2 = madd(wasm_v128_load(pixels + 8), weight, p2);
      p3 = madd(wasm_v128_load(pixels + 12), weight, p3);
      pixels += row_stride;
    }
    /* p0 = R G B A of pixel 0, p1 of pixel 1, ... -> the R, the G and the B of all four pixels. */
    v128_t rg01 = wasm_i32x4_shuffle(p0, p1, 0, 4, 1, 5);
    v128_t rg23 = wasm_i32x4_shuffle(p2, p3, 0, 4, 1, 5);
    v128_t ba01 = wasm_i32x4_shuffle(p0, p1, 2, 6, 3, 7);
    v128_t ba23 = wasm_i32x4_shuffle(p2, p3, 2, 6, 3, 7);
    v128_t red = wasm_i32x4_shuffle(rg01, rg23, 0, 1, 4, 5);
    v128_t green = wasm_i32x4_shuffle(rg01, rg23, 2, 3, 6, 7);
    v128_t blue = wasm_i32x4_shuffle(ba01, ba23, 0, 1, 4, 5);
    size_t count = W - x < 4 ? W - x : 4;
    if (t->channels == 1) {
      v128_t luma = wasm_f32x4_mul(red, wasm_f32x4_splat(LUMA_RED));
      luma = madd(green, wasm_f32x4_splat(LUMA_GREEN), luma);
      luma = madd(blue, wasm_f32x4_splat(LUMA_BLUE), luma);
      resize_store_sum(row + x, count, luma, starts, completes, &t->normalise[0]);
    } else {
      resize_store_sum(row + x, count, red, starts, completes, &t->normalise[0]);
      resize_store_sum(row + plane_size + x, count, green, starts, completes, &t->normalise[1]);
      resize_store_sum(row + 2 * plane_size + x, count, blue, starts, completes, &t->normalise[2]);
    }
  }
}

/* Writes the output rows that see the outside only. */
SMALL static void resize_write_black(const axis *vertical, const target *t) {
  size_t W = (size_t)t->W, plane_size = (size_t)t->H * W;
  for (int32_t y = 0; y < t->H; y++) {
    const filter_window w = resize_window_make(vertical, y);
    if (w.first < w.end) continue;
    for (size_t c = 0; c < (size_t)t->channels; c++) {
      v128_t black = normalise(wasm_f32x4_splat(0.0f), &t->normalise[c]);
      float *row = t->planes + c * plane_size + (size_t)y * W;
      for (size_t x = 0; x < W; x++) row[x] = wasm_f32x4_extract_lane(black, 0);
    }
  }
}

/* Adds the source rows from first_row on, which lie in the block, to each output row that they contribute to.
 */
SMALL static void resize_blend_block(const float *block, size_t row_stride, int32_t first_row, int32_t rows,
                                     const axis *vertical, const target *t) {
  int32_t end_row = first_row + rows;
  /* The first output row with a share, or one a little before it. */
  double estimate = (first_row + 0.5 - vertical->start - vertical->radius) / vertical->step - 1.5;
  for (int32_t y = estimate > 0.0 ? (int32_t)estimate : 0; y < t->H; y++) {
    const filter_window w = resize_window_make(vertical, y);
    if (w.end <= first_row) continue;
    if (w.first >= end_row) break;
    int32_t first = w.first > first_row ? w.first : first_row;
    int32_t end = w.end < end_row ? w.end : end_row;
    float weights[BLOCK];
    for (int32_t v = first; v < end; v++) weights[v - first] = resize_window_weight(&w, v);
    resize_blend_rows(block + (size_t)(first - first_row) * row_stride, row_stride, weights,
                      (size_t)(end - first), t, y, w.first >= first_row, w.end <= end_row);
  }
}

/* --------------------------------------------------------------------------- the whole */

/* The data of the passes, in the order of the workspace. */
typedef struct buffers {
  float *columns;    /* [src_W, GROUP, 4] */
  float *block;      /* [BLOCK][W, 4] */
  size_t row_stride; /* of the block */
  tap_range *taps;   /* [W] */
  float *weights;    /* [sum of the counts] */
} buffers;

SMALL static int resize_buffers_reserve(dk_context *context, const axis *horizontal, int32_t W, buffers *b) {
  /* Whole fours of pixels, and one cache line more: rows a power of two apart would share cache sets. */
  uint64_t row_stride = ((uint64_t)W + 3) / 4 * 16 + 16;
  uint64_t columns = (uint64_t)horizontal->source * GROUP * 4 * sizeof(float);
  uint64_t block = row_stride * BLOCK * sizeof(float);
  uint64_t table = (uint64_t)W * sizeof(tap_range);
  /* A window has no more pixels than the source. */
  double widest = 2.0 * horizontal->radius + 2.0;
  if (widest > horizontal->source) widest = horizontal->source;
  uint64_t weights = (uint64_t)W * (uint64_t)widest * sizeof(float);
  uint64_t bytes = columns + block + table + weights;
  if (bytes > SIZE_MAX) return 0;
  char *memory = workspace_reserve(context, (size_t)bytes);
  if (!memory) return 0;
  b->columns = (float *)memory;
  b->block = (float *)(memory + columns);
  b->row_stride = (size_t)row_stride;
  b->taps = (tap_range *)(memory + columns + block);
  b->weights = (float *)(memory + columns + block + table);
  return 1;
}

/* Zeroes the pixels that resize_blend_rows() reads beyond the W of each row. Other passes leave integers in
 * the workspace. As floats these are subnormal numbers, which make processors many times slower. */
SMALL static void resize_clear_tails(const buffers *b, int32_t W) {
  size_t row = 4 * (size_t)W, whole = ((size_t)W + 3) / 4 * 16;
  for (size_t r = 0; r < BLOCK; r++)
    memset(b->block + r * b->row_stride + row, 0, (whole - row) * sizeof(float));
}

SMALL static void resize_make_taps(const axis *horizontal, int32_t W, const buffers *b) {
  float *weights = b->weights;
  for (int32_t x = 0; x < W; x++) {
    const filter_window w = resize_window_make(horizontal, x);
    b->taps[x] = (tap_range){w.first, w.end - w.first};
    for (int32_t u = w.first; u < w.end; u++) *weights++ = resize_window_weight(&w, u);
  }
}

/* Beyond this place a box loses fractions of a pixel, and places of pixels leave 32 bits. */
static const double FARTHEST = 1 << 30;

SMALL static bool resize_is_box(const dk_box *box) {
  double right = box->x + box->width, bottom = box->y + box->height;
  return box->width > 0.0 && box->height > 0.0 && fabs(box->x) <= FARTHEST && fabs(box->y) <= FARTHEST &&
         right <= FARTHEST && bottom <= FARTHEST;
}

SMALL dk_status dk_resize_rows(dk_context *context, const uint8_t *rgba, int32_t first_row, int32_t rows,
                               int32_t src_H, int32_t src_W, const dk_box *box, int32_t channels,
                               const float *mean, const float *std, float *planes, int32_t H, int32_t W) {
  bool empty = box && src_H == 0 && src_W == 0 && rows == 0;
  if (!empty && (src_H < 1 || src_W < 1 || rows < 1)) return DK_ERROR_SHAPE;
  if (H < 1 || W < 1) return DK_ERROR_SHAPE;
  if (first_row < 0 || rows > src_H - first_row) return DK_ERROR_SHAPE;
  if (channels != 1 && channels != 3) return DK_ERROR_SHAPE;
  if (box && !resize_is_box(box)) return DK_ERROR_SHAPE;
  size_t row_bytes = 4 * (size_t)src_W;
  /* Without a change of size, every window is one pixel. */
  if (!box && H == src_H && W == src_W) {
    dk_rgba_to_planes(rgba, (size_t)rows * (size_t)W, channels, mean, std,
                      planes + (size_t)first_row * (size_t)W, (size_t)H * (size_t)W);
    return DK_OK;
  }

  const dk_box whole = {0.0, 0.0, src_W, src_H};
  if (!box) box = &whole;
  axis horizontal = resize_axis_make(src_W, box->x, box->width, W);
  axis vertical = resize_axis_make(src_H, box->y, box->height, H);
  target t = {.planes = planes, .channels = channels, .H = H, .W = W};
  for (int32_t c = 0; c < channels; c++)
    t.normalise[c] = normalisation_make(channels == 1 ? LUMA_UNIT : COLOUR_UNIT, mean[c], std[c]);
  buffers b;
  if (!resize_buffers_reserve(context, &horizontal, W, &b)) return workspace_refusal(context);
  resize_make_taps(&horizontal, W, &b);
  resize_clear_tails(&b, W);
  if (first_row == 0) resize_write_black(&vertical, &t);

  for (int32_t start = 0; start < rows; start += BLOCK) {
    int32_t block_rows = rows - start < BLOCK ? rows - start : BLOCK;
    for (int32_t r = 0; r < block_rows; r += GROUP) {
      const uint8_t *group[GROUP];
      /* Beyond the end the last row is repeated; its results are not used. */
      for (int32_t i = 0; i < GROUP; i++) {
        int32_t row = start + (r + i < block_rows ? r + i : block_rows - 1);
        group[i] = rgba + (size_t)row * row_bytes;
      }
      resize_interleave_rows(group, src_W, b.columns);
      resize_resample_columns(b.columns, b.taps, b.weights, (size_t)W, b.block + (size_t)r * b.row_stride,
                              b.row_stride);
    }
    resize_blend_block(b.block, b.row_stride, first_row + start, block_rows, &vertical, &t);
  }
  return DK_OK;
}
