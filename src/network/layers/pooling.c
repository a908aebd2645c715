/* Average and maximum pooling. For each output row the rows of its windows are combined first: one row of
 * sums or maxima, with vectors along it. Then the columns of the windows are. The row has room at both ends
 * for the padding, which changes neither a sum nor a maximum. */
#include <math.h>
#include <string.h>

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
  if (start >= limit) return 0;
  const int32_t distance = limit - start;
  return min_i32(axis->dilation == 1 ? distance : (distance - 1) / axis->dilation + 1, axis->taps);
}

SMALL static pooling_range pooling_taps(const pooling_axis *axis, int32_t output) {
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

/* Sums, or maxima and where a value was NaN. (f32x4.max keeps NaN too, but takes nine instructions on x86.)
 */
typedef struct pooling_result {
  v128_t value, nan;
} pooling_result;

static inline pooling_result pooling_begin(v128_t x) { return (pooling_result){x, wasm_f32x4_splat(0)}; }

/* The branch is always predicted. Loops of their own for sums and maxima would be twice the code. */
INLINE void pooling_combine(bool maximum, v128_t x, pooling_result *result) {
  if (maximum) {
    result->value = wasm_f32x4_pmax(result->value, x); /* value < x ? x : value */
    result->nan = wasm_v128_or(result->nan, wasm_f32x4_ne(x, x));
  } else {
    result->value = wasm_f32x4_add(result->value, x);
  }
}

/* All bits set is NaN. */
INLINE v128_t pooling_end(pooling_result result) { return wasm_v128_or(result.value, result.nan); }

/* Combines 4 * V columns of `rows` rows, `step` floats apart. */
INLINE void pooling_down_vectors(const int V, bool maximum, const float *x, ptrdiff_t step, int32_t rows,
                                 float *out) {
  pooling_result result[4];
  for (int i = 0; i < V; i++) result[i] = pooling_begin(wasm_v128_load(x + 4 * i));
#pragma clang loop unroll(disable)
  for (int32_t row = 1; row < rows; row++) {
    x += step;
    for (int i = 0; i < V; i++) pooling_combine(maximum, wasm_v128_load(x + 4 * i), &result[i]);
  }
  for (int i = 0; i < V; i++) wasm_v128_store(out + 4 * i, pooling_end(result[i]));
}

APART static void pooling_down(bool maximum, const float *x, ptrdiff_t step, int32_t rows, int32_t count,
                               float *out) {
  int32_t j = 0;
  for (; j + 16 <= count; j += 16) pooling_down_vectors(4, maximum, x + j, step, rows, out + j);
  for (; count >= 4 && j < count; j += 4) {
    const int32_t column = min_i32(j, count - 4); /* the last vector ends with the row */
    pooling_down_vectors(1, maximum, x + column, step, rows, out + column);
  }
#pragma clang loop unroll(disable)
  for (; j < count; j++) { /* rows of one to three columns */
    pooling_result result = pooling_begin(wasm_v128_load32_splat(x + j));
    for (int32_t row = 1; row < rows; row++)
      pooling_combine(maximum, wasm_v128_load32_splat(x + j + row * step), &result);
    wasm_v128_store32_lane(out + j, pooling_end(result), 0);
  }
}

/* ---------------------------------------------------------------------------------- columns */

/* x[0], x[S], x[2 S], x[3 S]. S is 1 or 2, or 0 for the stride `any`. */
INLINE v128_t pooling_load(const int S, const float *x, int32_t any) {
  if (S == 1) return wasm_v128_load(x);
  if (S == 2) return wasm_i32x4_shuffle(wasm_v128_load(x), wasm_v128_load(x + 4), 0, 2, 4, 6);
  /* clang-tidy cannot see that the row is filled as far as windows reach. */
  return wasm_f32x4_make(x[0], x[any], x[2 * any], x[3 * any]); // NOLINT(clang-analyzer-core.CallAndMessage)
}

/* y[j] = taps row[j * stride + h * dilation] combined. A sum is divided by rows * columns[j]. */
INLINE void pooling_across(const int S, bool maximum, const pooling_axis *axis, const float *row, float rows,
                           const float *columns, int32_t count, float *y) {
  const int32_t stride = S ? S : axis->stride;
  for (int32_t j = 0; j < count; j += 4) {
    const float *tap = row + j * stride;
    pooling_result combined = pooling_begin(pooling_load(S, tap, stride));
#pragma clang loop unroll(disable)
    for (int32_t h = 1; h < axis->taps; h++) {
      tap += axis->dilation;
      pooling_combine(maximum, pooling_load(S, tap, stride), &combined);
    }
    v128_t result = pooling_end(combined);
    if (!maximum)
      result = wasm_f32x4_div(result, wasm_f32x4_mul(wasm_f32x4_splat(rows), wasm_v128_load(columns + j)));
    if (j + 4 <= count) {
      wasm_v128_store(y + j, result);
      continue;
    }
    float rest[4];
    wasm_v128_store(rest, result);
    memcpy(y + j, rest, sizeof(float) * (size_t)(count - j));
  }
}

static void pooling_across_any(bool maximum, const pooling_axis *axis, const float *row, float rows,
                               const float *columns, int32_t count, float *y) {
  pooling_across(0, maximum, axis, row, rows, columns, count, y);
}
static void pooling_across_1(bool maximum, const pooling_axis *axis, const float *row, float rows,
                             const float *columns, int32_t count, float *y) {
  pooling_across(1, maximum, axis, row, rows, columns, count, y);
}
static void pooling_across_2(bool maximum, const pooling_axis *axis, const float *row, float rows,
                             const float *columns, int32_t count, float *y) {
  pooling_across(2, maximum, axis, row, rows, columns, count, y);
}

/* ----------------------------------------------------------------------------------- planes */

/* The floats of a combined row that so many outputs read. Vectors of outputs read whole vectors. */
static int64_t pooling_row_floats(const pooling_axis *axis, int32_t outputs) {
  return (int64_t)(outputs + 3) / 4 * 4 * axis->stride + (int64_t)(axis->taps - 1) * axis->dilation + 4;
}

/* Planes begin .. end - 1 of all samples. */
typedef struct pooling_planes {
  int64_t begin, end;
} pooling_planes;

static const float *pooling_input(const pooling_work *work, int64_t plane) {
  const int32_t C = work->x->shape[1];
  return work->x->data + plane / C * work->x->stride[0] + plane % C * work->x->stride[1];
}
static float *pooling_output(const pooling_work *work, int64_t plane) {
  const int32_t C = work->x->shape[1];
  return work->y->data + plane / C * work->y->stride[0] + plane % C * work->y->stride[1];
}

/* Outputs first .. first + count - 1 of each row of some planes. */
SMALL static void pooling_columns(const pooling_work *work, pooling_planes planes, int32_t first,
                                  int32_t count) {
  /* A table keeps these separate functions (base/attributes.h says why). */
  static void (*const by_stride[])(bool, const pooling_axis *, const float *, float, const float *, int32_t,
                                   float *) = {pooling_across_any, pooling_across_1, pooling_across_2};
  const pooling_axis *down = &work->down, *across = &work->across;
  const int32_t left = first * across->stride - across->before; /* the column at the start of the row */
  const int32_t floats = (int32_t)pooling_row_floats(across, count);
  const int32_t begin = min_i32(max_i32(left, 0), across->length);
  const int32_t inside = max_i32(min_i32(left + floats, across->length), begin) - begin;
  const int32_t offset = inside > 0 ? begin - left : 0; /* of column `begin` in the row */
  const float nothing = work->maximum ? -INFINITY : 0;
  float row[POOLING_ROW], columns[POOLING_ROW];
  for (int32_t j = 0; j < floats; j++) row[j] = nothing;
  for (int32_t j = 0; j < round_up_i32(count, 4); j++)
    columns[j] = work->maximum ? 1 : (float)pooling_taps(across, first + j).count;

  for (int64_t plane = planes.begin; plane < planes.end; plane++) {
    const float *x = pooling_input(work, plane) + begin;
    float *y = pooling_output(work, plane) + first;
    for (int32_t i = 0; i < down->outputs; i++, y += across->outputs) {
      const pooling_range rows = pooling_taps(down, i);
      const ptrdiff_t top = (ptrdiff_t)(rows.start + rows.first * down->dilation) * across->length;
      if (rows.first < rows.end)
        pooling_down(work->maximum, x + top, (ptrdiff_t)down->dilation * across->length,
                     rows.end - rows.first, inside, row + offset);
      else
        for (int32_t j = 0; j < inside; j++) row[offset + j] = nothing;
      by_stride[across->stride <= 2 ? across->stride : 0](work->maximum, across, row, (float)rows.count,
                                                          columns, count, y);
    }
  }
}

SMALL static void pooling_part(const void *argument, int32_t index, int32_t thread) {
  (void)thread;
  const pooling_work *work = argument;
  const int32_t Ho = work->down.outputs, Wo = work->across.outputs;
  const int64_t all = (int64_t)work->x->shape[0] * work->x->shape[1];
  const pooling_planes planes = {all * index / work->parts, all * (index + 1) / work->parts};
  if (work->chunk) {
    for (int32_t first = 0; first < Wo; first += work->chunk)
      pooling_columns(work, planes, first, min_i32(Wo - first, work->chunk));
    return;
  }
  for (int64_t plane = planes.begin; plane < planes.end; plane++)
    for (int32_t i = 0; i < Ho; i++)
      for (int32_t j = 0; j < Wo; j++)
        pooling_output(work, plane)[(size_t)i * Wo + j] =
            pooling_window(work, pooling_input(work, plane), i, j);
}

SMALL static pooling_axis pooling_axis_of(const sliding_window *how, int axis, bool padding_counts,
                                          const view *x, const view *y) {
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

SMALL void window_pool_run(dk_context *context, dk_op op, const sliding_window *how, bool padding_counts,
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
