/* Average and maximum pooling. For each output row the rows of its windows are combined first: one row of
 * sums or maxima, with vectors along it. Then the columns of the windows are. The row has room at both ends
 * for the padding, which changes neither a sum nor a maximum. */
#include <math.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/simd.h"
#include "base/sizes.h"
#include "network/layers/layers.h"
#include "network/layers/nest.h"

enum {
  POOLING_ROW = 1024, /* floats of a combined row, and outputs at most */
  POOLING_WORK = 2,   /* multiply-adds that take as long as one value of a row or a column */
};

/* One axis of the windows: tap v of output i reads i * stride + v * dilation - before. */
typedef struct pooling_axis {
  int32_t taps, stride, dilation, before, length, outputs;
  int32_t counted; /* the length with the padding behind it if padding counts, else 0 */
} pooling_axis;

typedef struct pooling_work {
  bool maximum;
  pooling_axis down, across;
  int32_t chunk; /* outputs of a row that are computed at once; 0: each window is computed by itself */
  const view *x, *y;
  int32_t parts;
} pooling_work;

/* Taps first .. end - 1 of an output lie inside. `count` of its taps count. */
typedef struct pooling_range {
  int32_t start, first, end, count;
} pooling_range;

/* The first tap that is at `limit` or behind it. */
static int32_t pooling_tap(const pooling_axis *axis, int32_t start, int32_t limit) {
  const int32_t tap = start >= limit ? 0 : (limit - start - 1) / axis->dilation + 1;
  return min_i32(tap, axis->taps);
}

static pooling_range pooling_taps(const pooling_axis *axis, int32_t output) {
  const int32_t start = output * axis->stride - axis->before;
  pooling_range range = {start, pooling_tap(axis, start, 0), pooling_tap(axis, start, axis->length), 0};
  range.count = axis->counted ? pooling_tap(axis, start, axis->counted) : range.end - range.first;
  return range;
}

/* ------------------------------------------------------------------------- windows, one by one */

/* Windows that are wider than a combined row. */
SMALL static float pooling_window(const pooling_work *work, const float *x, int32_t i, int32_t j) {
  const pooling_range rows = pooling_taps(&work->down, i), columns = pooling_taps(&work->across, j);
  double sum = 0;
  float most = -INFINITY;
  for (int32_t v = rows.first; v < rows.end; v++) {
    const float *row = x + (ptrdiff_t)(rows.start + v * work->down.dilation) * work->across.length;
    for (int32_t h = columns.first; h < columns.end; h++) {
      const float value = row[columns.start + h * work->across.dilation];
      sum += (double)value;
      if (value != value || value > most) most = value;
    }
  }
  return work->maximum ? most : (float)(sum / ((double)rows.count * columns.count));
}

/* ------------------------------------------------------------------------------------ rows */

INLINE v128_t pooling_combine(const bool maximum, v128_t a, v128_t b) {
  return maximum ? wasm_f32x4_max(a, b) : wasm_f32x4_add(a, b);
}

/* Combines columns begin .. begin + 4 * V - 1 of `rows` rows, `step` floats apart. */
INLINE void pooling_down_vectors(const bool maximum, const int V, const float *x, ptrdiff_t step,
                                 int32_t rows, float *out) {
  v128_t result[4];
  for (int i = 0; i < V; i++) result[i] = wasm_v128_load(x + 4 * i);
#pragma clang loop unroll(disable)
  for (int32_t row = 1; row < rows; row++) {
    x += step;
    for (int i = 0; i < V; i++) result[i] = pooling_combine(maximum, result[i], wasm_v128_load(x + 4 * i));
  }
  for (int i = 0; i < V; i++) wasm_v128_store(out + 4 * i, result[i]);
}

INLINE void pooling_down(const bool maximum, const float *x, ptrdiff_t step, int32_t rows, int32_t count,
                         float *out) {
  int32_t j = 0;
  for (; j + 16 <= count; j += 16) pooling_down_vectors(maximum, 4, x + j, step, rows, out + j);
  for (; count >= 4 && j < count; j += 4) {
    const int32_t column = min_i32(j, count - 4); /* the last vector ends with the row */
    pooling_down_vectors(maximum, 1, x + column, step, rows, out + column);
  }
#pragma clang loop unroll(disable)
  for (; j < count; j++) { /* rows of one to three columns */
    v128_t result = wasm_v128_load32_splat(x + j);
    for (int32_t row = 1; row < rows; row++)
      result = pooling_combine(maximum, result, wasm_v128_load32_splat(x + j + row * step));
    wasm_v128_store32_lane(out + j, result, 0);
  }
}

static void pooling_down_sum(const float *x, ptrdiff_t step, int32_t rows, int32_t count, float *out) {
  pooling_down(false, x, step, rows, count, out);
}
static void pooling_down_maximum(const float *x, ptrdiff_t step, int32_t rows, int32_t count, float *out) {
  pooling_down(true, x, step, rows, count, out);
}

/* ---------------------------------------------------------------------------------- columns */

/* x[0], x[S], x[2 S], x[3 S]. S is 1 or 2, or 0 for the stride `any`. */
INLINE v128_t pooling_load(const int S, const float *x, int32_t any) {
  if (S == 1) return wasm_v128_load(x);
  if (S == 2) return wasm_i32x4_shuffle(wasm_v128_load(x), wasm_v128_load(x + 4), 0, 2, 4, 6);
  return wasm_f32x4_make(x[0], x[any], x[2 * any], x[3 * any]);
}

/* y[j] = taps row[j * stride + h * dilation] combined. A sum is divided by rows * columns[j]. */
INLINE void pooling_across(const bool maximum, const int S, const pooling_axis *axis, const float *row,
                           float rows, const float *columns, int32_t count, float *y) {
  const v128_t rows_counted = wasm_f32x4_splat(rows);
  const int32_t stride = S ? S : axis->stride;
  for (int32_t j = 0; j < count; j += 4) {
    const float *tap = row + j * stride;
    v128_t result = pooling_load(S, tap, stride);
#pragma clang loop unroll(disable)
    for (int32_t h = 1; h < axis->taps; h++) {
      tap += axis->dilation;
      result = pooling_combine(maximum, result, pooling_load(S, tap, stride));
    }
    if (!maximum) result = wasm_f32x4_div(result, wasm_f32x4_mul(rows_counted, wasm_v128_load(columns + j)));
    if (j + 4 <= count) {
      wasm_v128_store(y + j, result);
      continue;
    }
    float rest[4];
    wasm_v128_store(rest, result);
    for (int32_t i = j; i < count; i++) y[i] = rest[i - j];
  }
}

#define POOLING_ACROSS(name, maximum, S)                                                                     \
  static void pooling_across_##name(const pooling_axis *axis, const float *row, float rows,                  \
                                    const float *columns, int32_t count, float *y) {                         \
    pooling_across(maximum, S, axis, row, rows, columns, count, y);                                          \
  }
POOLING_ACROSS(sum_any, false, 0)
POOLING_ACROSS(sum_1, false, 1)
POOLING_ACROSS(sum_2, false, 2)
POOLING_ACROSS(maximum_any, true, 0)
POOLING_ACROSS(maximum_1, true, 1)
POOLING_ACROSS(maximum_2, true, 2)

/* Tables keep these separate functions (base/attributes.h says why). */
typedef void (*pooling_down_loop)(const float *, ptrdiff_t, int32_t, int32_t, float *);
typedef void (*pooling_across_loop)(const pooling_axis *, const float *, float, const float *, int32_t,
                                    float *);
static const pooling_down_loop POOLING_DOWN[] = {pooling_down_sum, pooling_down_maximum};
static const pooling_across_loop POOLING_ACROSS[][3] = {
    {pooling_across_sum_any, pooling_across_sum_1, pooling_across_sum_2},
    {pooling_across_maximum_any, pooling_across_maximum_1, pooling_across_maximum_2}};

/* ----------------------------------------------------------------------------------- planes */

/* The floats of a combined row that so many outputs read. Vectors of outputs read whole vectors. */
static int64_t pooling_row_floats(const pooling_axis *axis, int32_t outputs) {
  return (int64_t)(outputs + 3) / 4 * 4 * axis->stride + (int64_t)(axis->taps - 1) * axis->dilation + 4;
}

/* Outputs first .. first + count - 1 of each row of a plane. */
static void pooling_columns(const pooling_work *work, const float *x, int32_t first, int32_t count,
                            float *y) {
  const pooling_axis *down = &work->down, *across = &work->across;
  const pooling_across_loop combine_columns =
      POOLING_ACROSS[work->maximum][across->stride <= 2 ? across->stride : 0];
  const int32_t left = first * across->stride - across->before; /* the column at the start of the row */
  const int32_t floats = (int32_t)pooling_row_floats(across, count);
  const int32_t begin = min_i32(max_i32(left, 0), across->length);
  const int32_t end = max_i32(min_i32(left + floats, across->length), begin);
  const float nothing = work->maximum ? -INFINITY : 0;
  float row[POOLING_ROW], columns[POOLING_ROW];
  for (int32_t j = 0; j < floats; j++) row[j] = nothing;
  for (int32_t j = 0; j < (count + 3) / 4 * 4; j++)
    columns[j] = work->maximum ? 1 : (float)pooling_taps(across, first + j).count;

  for (int32_t i = 0; i < down->outputs; i++) {
    const pooling_range rows = pooling_taps(down, i);
    float *inside = row + (begin - left);
    if (rows.first < rows.end)
      POOLING_DOWN[work->maximum](
          x + (ptrdiff_t)(rows.start + rows.first * down->dilation) * across->length + begin,
          (ptrdiff_t)down->dilation * across->length, rows.end - rows.first, end - begin, inside);
    else
      for (int32_t j = 0; j < end - begin; j++) inside[j] = nothing;
    combine_columns(across, row, (float)rows.count, columns, count, y + (size_t)i * across->outputs + first);
  }
}

static void pooling_part(const void *argument, int32_t index, int32_t thread) {
  (void)thread;
  const pooling_work *work = argument;
  const int32_t C = work->x->shape[1], Ho = work->down.outputs, Wo = work->across.outputs;
  const int64_t planes = (int64_t)work->x->shape[0] * C;
  const int64_t end = planes * (index + 1) / work->parts;
  for (int64_t i = planes * index / work->parts; i < end; i++) {
    const float *x = work->x->data + i / C * work->x->stride[0] + i % C * work->x->stride[1];
    float *y = work->y->data + i / C * work->y->stride[0] + i % C * work->y->stride[1];
    if (work->chunk)
      for (int32_t first = 0; first < Wo; first += work->chunk)
        pooling_columns(work, x, first, min_i32(Wo - first, work->chunk), y);
    else
      for (int64_t j = 0; j < (int64_t)Ho * Wo; j++)
        y[j] = pooling_window(work, x, (int32_t)(j / Wo), (int32_t)(j % Wo));
  }
}

SMALL static pooling_axis pooling_axis_of(const window *how, int axis, bool padding_counts, const view *x,
                                          const view *y) {
  pooling_axis made = {how->kernel[axis],
                       how->stride[axis],
                       how->dilation[axis],
                       how->padding[axis],
                       x->shape[2 + axis],
                       y->shape[2 + axis],
                       0};
  if (padding_counts) made.counted = made.length + how->padding[2 + axis];
  return made;
}

SMALL void window_pool_run(dk_context *context, dk_op op, const window *how, bool padding_counts,
                           const view *x, const view *y) {
  DK_ASSERT(op == DK_OP_AVERAGE_POOL || op == DK_OP_MAX_POOL);
  DK_ASSERT(x->rank == 4 && view_is_planar(x) && view_is_planar(y));
  pooling_work work = {.maximum = op == DK_OP_MAX_POOL, .x = x, .y = y};
  work.down = pooling_axis_of(how, 0, padding_counts, x, y);
  work.across = pooling_axis_of(how, 1, padding_counts, x, y);
  int32_t chunk = round_up_i32(min_i32(work.across.outputs, POOLING_ROW), 4);
  while (chunk > 0 && pooling_row_floats(&work.across, chunk) > POOLING_ROW) chunk -= 4;
  work.chunk = chunk;
  const int64_t planes = (int64_t)x->shape[0] * x->shape[1];
  const double taps = (double)work.down.taps + work.across.taps;
  work.parts = nest_parts(context, POOLING_WORK * (double)view_elements(y) * taps, planes);
  parallel_for(context, work.parts, pooling_part, &work);
}
