/* Streaming separable resize, RGBA rows -> planes. Reference: resize_reference, pixels/pixels_reference.c.
 *
 * Source rows are taken in blocks:
 *   1. four rows at a time become floats, interleaved, and are resampled to W columns;
 *   2. each output row that the block has a share in sums its rows of the block;
 *   3. the sum starts the output row, or is added to what earlier blocks left in the planes; the
 *      block that completes the row normalises it.
 *
 * The planes are thus the only state between calls. */
#include "base/workspace.h"
#include "pixels/pixels.h"

#include <math.h>
#include <string.h>

enum {
  GROUP = 4,        /* source rows resampled together: one weight serves them all */
  BLOCK = 16,       /* source rows summed before the planes are touched */
  TAPS_IN_SUM = 64, /* long sums go by parts, which keeps their rounding errors small */
};

/* --------------------------------------------------------------------------- triangle filter */

typedef struct axis {
  int32_t source;
  double step;   /* source pixels per target pixel */
  double radius; /* of the triangle, in source pixels */
} axis;

static axis axis_make(int32_t source, int32_t target) {
  double step = (double)source / target;
  return (axis){source, step, step > 1.0 ? step : 1.0};
}

/* Target pixel i is the sum over its source pixels u, first <= u < end, of window_weight(u). */
typedef struct filter_window {
  int32_t first, end;
  double centre;
  double peak, slope; /* weight at the centre, and its fall per source pixel */
} filter_window;

static filter_window window_make(const axis *a, int32_t i) {
  filter_window w;
  w.centre = (i + 0.5) * a->step;
  double first = w.centre - a->radius + 0.5, end = w.centre + a->radius + 0.5;
  w.first = first > 0.0 ? (int32_t)first : 0;
  w.end = end < a->source ? (int32_t)end : a->source;

  /* The weights sum to 1. Left and right of the centre they are arithmetic series, whose sum is the
   * number of terms times their mean. Pixel u lies at u + 0.5, so first..middle-1 lie around
   * (first + middle) / 2. */
  int32_t middle = (int32_t)(w.centre + 0.5);
  middle = middle < w.first ? w.first : middle > w.end ? w.end : middle;
  double left = middle - w.first, right = w.end - middle;
  double left_distance = w.centre - 0.5 * ((double)w.first + middle);
  double right_distance = 0.5 * ((double)middle + w.end) - w.centre;
  double sum = left + right - (left * left_distance + right * right_distance) / a->radius;
  w.peak = 1.0 / sum;
  w.slope = w.peak / a->radius;
  return w;
}

static float window_weight(const filter_window *w, int32_t u) {
  double weight = w->peak - fabs(u + 0.5 - w->centre) * w->slope;
  return weight > 0.0 ? (float)weight : 0.0f;
}

/* --------------------------------------------------------------------------- pass 1: columns */

/* Four of eight 16-bit integers as floats: with the upper half of 2^23 above it, an integer is that
 * much more than 2^23. (LLVM makes a conversion here an unsigned one, which is slow on x86.) */
static inline v128_t low_to_float(v128_t halves) {
  v128_t biased = wasm_i16x8_shuffle(halves, wasm_i16x8_splat(0x4b00), 0, 8, 1, 9, 2, 10, 3, 11);
  return wasm_f32x4_sub(biased, wasm_f32x4_splat(8388608.0f));
}

static inline v128_t high_to_float(v128_t halves) {
  v128_t biased = wasm_i16x8_shuffle(halves, wasm_i16x8_splat(0x4b00), 4, 12, 5, 13, 6, 14, 7, 15);
  return wasm_f32x4_sub(biased, wasm_f32x4_splat(8388608.0f));
}

/* row [GROUP][src_W, 4] -> columns [src_W, GROUP, 4] */
static void interleave_rows(const uint8_t *const row[GROUP], int32_t src_W, float *columns) {
  size_t width = (size_t)src_W, x = 0;
  for (; x + 4 <= width; x += 4)
    for (size_t r = 0; r < GROUP; r++) {
      v128_t bytes = wasm_v128_load(row[r] + 4 * x);
      v128_t first = wasm_u16x8_extend_low_u8x16(bytes);
      v128_t second = wasm_u16x8_extend_high_u8x16(bytes);
      float *column = columns + 16 * x + 4 * r;
      wasm_v128_store(column, low_to_float(first));
      wasm_v128_store(column + 16, high_to_float(first));
      wasm_v128_store(column + 32, low_to_float(second));
      wasm_v128_store(column + 48, high_to_float(second));
    }
  for (; x < width; x++)
    for (size_t r = 0; r < GROUP; r++) {
      v128_t bytes = wasm_v128_load32_zero(row[r] + 4 * x);
      wasm_v128_store(columns + 16 * x + 4 * r, low_to_float(wasm_u16x8_extend_low_u8x16(bytes)));
    }
}

typedef struct tap_range {
  int32_t first, count; /* source columns */
} tap_range;

/* columns [src_W, GROUP, 4], taps [W], weights [sum of the counts] -> rows [GROUP][W, 4],
 * row_stride apart */
static void resample_columns(const float *columns, const tap_range *taps, const float *weights, size_t W,
                             float *rows, size_t row_stride) {
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

/* starts: the block holds the first source row that counts; completes: the last. */
static inline v128_t finish_sum(v128_t before, v128_t sum, int starts, int completes,
                                const normalisation *n) {
  if (!starts) sum = wasm_f32x4_add(before, sum);
  return completes ? normalise(sum, n) : sum;
}

static inline void store_sum(float *plane, size_t count, v128_t sum, int starts, int completes,
                             const normalisation *n) {
  if (count == 4) {
    wasm_v128_store(plane, finish_sum(wasm_v128_load(plane), sum, starts, completes, n));
    return;
  }
  float lanes[4] = {0};
  memcpy(lanes, plane, count * sizeof(float));
  wasm_v128_store(lanes, finish_sum(wasm_v128_load(lanes), sum, starts, completes, n));
  memcpy(plane, lanes, count * sizeof(float));
}

/* block [rows][W, 4], row_stride apart, weights [rows] -> row y of the planes. Reads whole fours of
 * pixels: clear_tails() has made the last ones zeros. */
static void blend_rows(const float *block, size_t row_stride, const float *weights, size_t rows,
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
    /* p0 R G B A, p1 R G B A, ... -> R of the four pixels, G, B */
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
      store_sum(row + x, count, luma, starts, completes, &t->normalise[0]);
    } else {
      store_sum(row + x, count, red, starts, completes, &t->normalise[0]);
      store_sum(row + plane_size + x, count, green, starts, completes, &t->normalise[1]);
      store_sum(row + 2 * plane_size + x, count, blue, starts, completes, &t->normalise[2]);
    }
  }
}

/* Source rows first_row.. lie in the block: gives each output row its share of them. */
static void blend_block(const float *block, size_t row_stride, int32_t first_row, int32_t rows,
                        const axis *vertical, const target *t) {
  int32_t end_row = first_row + rows;
  /* The first with a share, or one that is too low. */
  double estimate = (first_row + 0.5 - vertical->radius) / vertical->step - 1.5;
  for (int32_t y = estimate > 0.0 ? (int32_t)estimate : 0; y < t->H; y++) {
    const filter_window w = window_make(vertical, y);
    if (w.end <= first_row) continue;
    if (w.first >= end_row) break;
    int32_t first = w.first > first_row ? w.first : first_row;
    int32_t end = w.end < end_row ? w.end : end_row;
    float weights[BLOCK];
    for (int32_t v = first; v < end; v++) weights[v - first] = window_weight(&w, v);
    blend_rows(block + (size_t)(first - first_row) * row_stride, row_stride, weights, (size_t)(end - first),
               t, y, w.first >= first_row, w.end <= end_row);
  }
}

/* --------------------------------------------------------------------------- the whole */

/* Where the passes keep their data, in the order of the workspace. */
typedef struct buffers {
  float *columns;    /* [src_W, GROUP, 4] */
  float *block;      /* [BLOCK][W, 4] */
  size_t row_stride; /* of the block */
  tap_range *taps;   /* [W] */
  float *weights;    /* [sum of the counts] */
} buffers;

static int buffers_reserve(dk_context *context, const axis *horizontal, int32_t W, buffers *b) {
  /* Whole fours of pixels, and a cache line more: rows a power of two apart share cache sets. */
  uint64_t row_stride = ((uint64_t)W + 3) / 4 * 16 + 16;
  uint64_t columns = (uint64_t)horizontal->source * GROUP * 4 * sizeof(float);
  uint64_t block = row_stride * BLOCK * sizeof(float);
  uint64_t table = (uint64_t)W * sizeof(tap_range);
  uint64_t weights = (uint64_t)W * (uint64_t)(2.0 * horizontal->radius + 2.0) * sizeof(float);
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

/* Zeros in what blend_rows() reads beyond each row's W pixels. Other passes leave integers in the
 * workspace. As floats these are subnormal, and processors are many times slower with such. */
static void clear_tails(const buffers *b, int32_t W) {
  size_t row = 4 * (size_t)W, whole = ((size_t)W + 3) / 4 * 16;
  for (size_t r = 0; r < BLOCK; r++)
    memset(b->block + r * b->row_stride + row, 0, (whole - row) * sizeof(float));
}

static void make_taps(const axis *horizontal, int32_t W, const buffers *b) {
  float *weights = b->weights;
  for (int32_t x = 0; x < W; x++) {
    const filter_window w = window_make(horizontal, x);
    b->taps[x] = (tap_range){w.first, w.end - w.first};
    for (int32_t u = w.first; u < w.end; u++) *weights++ = window_weight(&w, u);
  }
}

dk_status dk_resize_rows(dk_context *context, const uint8_t *rgba, int32_t first_row, int32_t rows,
                         int32_t src_H, int32_t src_W, int32_t channels, const float *mean, const float *std,
                         float *planes, int32_t H, int32_t W) {
  if (src_H < 1 || src_W < 1 || H < 1 || W < 1 || rows < 1) return DK_ERROR_SHAPE;
  if (first_row < 0 || rows > src_H - first_row) return DK_ERROR_SHAPE;
  if (channels != 1 && channels != 3) return DK_ERROR_SHAPE;
  size_t row_bytes = 4 * (size_t)src_W;
  if (H == src_H && W == src_W) { /* every window is one pixel */
    dk_rgba_to_planes(rgba, (size_t)rows * (size_t)W, channels, mean, std,
                      planes + (size_t)first_row * (size_t)W, (size_t)H * (size_t)W);
    return DK_OK;
  }

  axis horizontal = axis_make(src_W, W), vertical = axis_make(src_H, H);
  buffers b;
  if (!buffers_reserve(context, &horizontal, W, &b)) return workspace_refusal(context);
  make_taps(&horizontal, W, &b);
  clear_tails(&b, W);
  target t = {.planes = planes, .channels = channels, .H = H, .W = W};
  for (int32_t c = 0; c < channels; c++)
    t.normalise[c] = normalisation_make(channels == 1 ? LUMA_UNIT : COLOUR_UNIT, mean[c], std[c]);

  for (int32_t start = 0; start < rows; start += BLOCK) {
    int32_t block_rows = rows - start < BLOCK ? rows - start : BLOCK;
    for (int32_t r = 0; r < block_rows; r += GROUP) {
      const uint8_t *group[GROUP];
      for (int32_t i = 0; i < GROUP; i++) { /* past the end: the last row again, not used */
        int32_t row = start + (r + i < block_rows ? r + i : block_rows - 1);
        group[i] = rgba + (size_t)row * row_bytes;
      }
      interleave_rows(group, src_W, b.columns);
      resample_columns(b.columns, b.taps, b.weights, (size_t)W, b.block + (size_t)r * b.row_stride,
                       b.row_stride);
    }
    blend_block(b.block, b.row_stride, first_row + start, block_rows, &vertical, &t);
  }
  return DK_OK;
}
