/* Padding and resizing. */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/simd.h"
#include "base/sizes.h"
#include "inner/repeat.h"
#include "network/layers/layers.h"
#include "network/layers/nest.h"

/* Multiply-adds that take as long as one element */
enum { PAD_WORK = 2, NEAREST_WORK = 2, BILINEAR_WORK = 8 };

/* -------------------------------------------------------------------------------------- pad */

typedef struct pad_job {
  int32_t mode;
  float value;
  const int32_t *before;
  const view *x, *y;
  int64_t rows;
  int32_t parts;
} pad_job;

/* The place in x of place `index` of y along an axis, or -1 if the value goes there. */
SMALL static int32_t rearrange_padded(const pad_job *job, int32_t axis, int32_t index) {
  const int32_t last = job->x->shape[axis] - 1;
  int32_t place = index - job->before[axis];
  if (job->mode == PAD_EDGE) place = max_i32(min_i32(place, last), 0);
  if (job->mode == PAD_REFLECT) place = place < 0 ? -place : place > last ? 2 * last - place : place;
  return place >= 0 && place <= last ? place : -1;
}

/* Elements first .. end - 1 of a row, which lie outside x. x: the row of x, or NULL if it lies outside too.
 */
SMALL static void rearrange_pad_edge(const pad_job *job, const float *x, int32_t first, int32_t end,
                                     float *y) {
  const int32_t axis = job->y->rank - 1;
  const ptrdiff_t y_step = job->y->stride[axis], x_step = job->x->stride[axis];
  for (int32_t i = first; i < end; i++) {
    const int32_t place = x ? rearrange_padded(job, axis, i) : -1;
    y[i * y_step] = place >= 0 ? x[place * x_step] : job->value;
  }
}

SMALL static void rearrange_pad_row(const pad_job *job, const float *x, float *y) {
  const int32_t axis = job->y->rank - 1, length = job->y->shape[axis], before = job->before[axis];
  const ptrdiff_t y_step = job->y->stride[axis], x_step = job->x->stride[axis];

  /* Elements first .. end - 1 are those of x. */
  const int32_t first = x ? min_i32(max_i32(before, 0), length) : length;
  const int32_t end = x ? max_i32(min_i32(before + job->x->shape[axis], length), first) : length;
  rearrange_pad_edge(job, x, 0, first, y);
  if (first < end) {
    const float *inner = x + (first - before) * x_step;
    if (y_step == 1)
      nest_gather(inner, x_step, end - first, y + first);
    else
      rearrange_pad_edge(job, x, first, end, y);
  }
  rearrange_pad_edge(job, x, end, length, y);
}

SMALL static void rearrange_pad_part(const void *argument, int32_t part, int32_t thread) {
  (void)thread;
  const pad_job *job = argument;
  const int64_t end = job->rows * (part + 1) / job->parts;
  for (int64_t row = job->rows * part / job->parts; row < end; row++) {
    const float *x = job->x->data;
    float *y = job->y->data;
    int64_t rest = row;
    for (int32_t axis = job->y->rank - 2; axis >= 0; axis--) {
      const int32_t index = (int32_t)(rest % job->y->shape[axis]);
      rest /= job->y->shape[axis];
      y += (ptrdiff_t)index * job->y->stride[axis];
      const int32_t place = rearrange_padded(job, axis, index);
      if (place < 0) x = NULL;
      if (x) x += (ptrdiff_t)place * job->x->stride[axis];
    }
    rearrange_pad_row(job, x, y);
  }
}

SMALL void pad_run(dk_context *context, int32_t mode, float value, const int32_t *before, const view *x,
                   const view *y) {
  DK_ASSERT(x->rank == y->rank);
  if (y->rank == 0) {
    *y->data = *x->data;
    return;
  }
  const size_t elements = view_elements(y);
  pad_job job = {mode, value, before, x, y, (int64_t)elements / y->shape[y->rank - 1], 1};
  job.parts = nest_parts(context, (double)PAD_WORK * (double)elements, job.rows);
  parallel_for(context, job.parts, rearrange_pad_part, &job);
}

/* ----------------------------------------------------------------------------------- resize */

/* The places of x along an axis, [length of y, rounded up to whole vectors]. Nearest has `low` alone;
 * bilinear is low * (1 - weight) + high * weight. */
typedef struct resize_axis {
  int32_t *low, *high;
  float *weight;
} resize_axis;

typedef struct resize_job {
  const view *x, *y;
  resize_axis vertical, horizontal;
  bool windows;   /* whether `horizontal.low` and `high` are the bytes of windows (rearrange_windows) */
  int32_t *start; /* of the window of each four elements of a row */
  int32_t factor; /* nearest: each element becomes as many; 0 if the numbers differ */
  size_t width;   /* of y, rounded up to whole vectors */
  float *rows;    /* [threads, 2, width] */
  int64_t count;  /* rows of y */
  int32_t parts;
} resize_job;

static size_t rearrange_whole(int32_t length) { return (size_t)round_up_i32(length, 4); }

SMALL uint64_t resize_workspace(const resizing *how, const view *x, const view *y) {
  (void)x;
  const uint64_t width = rearrange_whole(y->shape[3]);
  if (how->mode == RESIZE_NEAREST) return sizeof(int32_t) * (width + rearrange_whole(y->shape[2]));
  return sizeof(float) *
         (3 * (width + rearrange_whole(y->shape[2])) + width / 4 + (uint64_t)MAX_THREADS * 2 * width);
}

/* The place in x of place `index` of y, along an axis. */
SMALL static double rearrange_coordinate(const resizing *how, int32_t axis, int32_t length, int32_t target,
                                         int32_t index) {
  /* A ratio of lengths is more exact than the scale, which was rounded to single precision. */
  const double ratio = (double)target / length;
  const double scale = (float)ratio == how->scale[axis] ? ratio : (double)how->scale[axis];
  switch (how->coordinates) {
  case RESIZE_ASYMMETRIC:
    return index / scale;
  case RESIZE_ALIGN_CORNERS:
    return target == 1 ? 0 : (double)index * (length - 1) / (target - 1);
  case RESIZE_HALF_PIXEL_OR_0:
    if (target == 1) return 0;
    /* fall through */
  default:
    return (index + 0.5) / scale - 0.5;
  }
}

/* NaN becomes 0. */
static int32_t rearrange_clamp(double place, int32_t length) {
  return place > 0 ? place < length - 1 ? (int32_t)place : length - 1 : 0;
}

/* The place in x that is nearest. */
SMALL static int32_t rearrange_nearest(const resizing *how, int32_t axis, int32_t length, int32_t target,
                                       int32_t index) {
  const double place = rearrange_coordinate(how, axis, length, target, index);
  const double rounded = how->rounding == ROUND_FLOOR       ? floor(place)
                         : how->rounding == ROUND_CEIL      ? ceil(place)
                         : how->rounding == ROUND_HALF_DOWN ? ceil(place - 0.5)
                                                            : floor(place + 0.5);
  return rearrange_clamp(rounded, length);
}

SMALL static void rearrange_fill(const resizing *how, int32_t axis, int32_t length, int32_t target,
                                 resize_axis *table) {
  for (int32_t i = 0; i < (int32_t)rearrange_whole(target); i++) {
    /* The last places repeat, so that the last vector has some. */
    if (how->mode == RESIZE_NEAREST) {
      table->low[i] = rearrange_nearest(how, axis, length, target, min_i32(i, target - 1));
    } else {
      const double place = rearrange_coordinate(how, axis, length, target, min_i32(i, target - 1));
      const double low = floor(place);
      table->low[i] = rearrange_clamp(low, length);
      table->high[i] = rearrange_clamp(low + 1, length);
      table->weight[i] = (float)(place - low);
      /* A weight that rounds to 1 leaves nothing to the lower place, even if that is infinite. */
      if (table->weight[i] == 1) table->low[i] = table->high[i], table->weight[i] = 0;
    }
  }
}

SMALL int32_t resize_repeats(const resizing *how, int32_t axis, int32_t length, int32_t target) {
  const int32_t factor = target / length;
  if (how->mode != RESIZE_NEAREST || factor * length != target) return 0;
  for (int32_t i = 0; i < target; i++)
    if (rearrange_nearest(how, axis, length, target, i) != i / factor) return 0;
  return factor;
}

APART static void rearrange_nearest_row(const resize_job *job, const float *x, float *y) {
  if (job->factor) {
    repeat_rows(x, 1, job->x->shape[3], (int32_t[]){1, job->factor}, y);
    return;
  }
#pragma clang loop unroll(disable)
  for (int32_t j = 0; j < job->y->shape[3]; j++) y[j] = x[job->horizontal.low[j]];
}

/* low * (1 - weight) + high * weight. high does not count if the weight is 0, even if it is infinite. */
INLINE v128_t rearrange_blend(v128_t low, v128_t high, v128_t weight) {
  high = wasm_v128_and(high, wasm_f32x4_ne(weight, steady_f32(0)));
  return madd(high, weight, wasm_f32x4_mul(low, wasm_f32x4_sub(steady_f32(1), weight)));
}

INLINE v128_t rearrange_lookup(const float *x, const int32_t *place) {
  return wasm_f32x4_make(x[place[0]], x[place[1]], x[place[2]], x[place[3]]);
}

/* If four neighbours of y read four neighbours of x at most, as in enlargements, their places become those of
 * bytes in a window of four elements. */
SMALL static void rearrange_windows(resize_job *job) {
  const int32_t W = job->x->shape[3];
  resize_axis *table = &job->horizontal;
  job->windows = W >= 4;
  for (size_t j = 0; job->windows && j < job->width; j += 4) {
    int32_t first = W - 4, last = 0;
    for (size_t i = j; i < j + 4; i++) {
      first = min_i32(first, min_i32(table->low[i], table->high[i]));
      last = max_i32(last, max_i32(table->low[i], table->high[i]));
    }
    job->start[j / 4] = first;
    job->windows = last - first < 4;
  }
  for (size_t j = 0; job->windows && j < job->width; j++) {
    /* Element e is bytes 4 e .. 4 e + 3. */
    table->low[j] = (table->low[j] - job->start[j / 4]) * 0x04040404 + 0x03020100;
    table->high[j] = (table->high[j] - job->start[j / 4]) * 0x04040404 + 0x03020100;
  }
}

/* A row of x, resized to the width of y. */
APART static void rearrange_resize_row(const resize_job *job, const float *x, float *row) {
  const resize_axis *table = &job->horizontal;
  if (job->windows) {
#pragma clang loop unroll(disable)
    for (size_t j = 0; j < job->width; j += 4) {
      const v128_t window = wasm_v128_load(x + job->start[j / 4]);
      const v128_t low = wasm_i8x16_swizzle(window, wasm_v128_load(table->low + j));
      const v128_t high = wasm_i8x16_swizzle(window, wasm_v128_load(table->high + j));
      wasm_v128_store(row + j, rearrange_blend(low, high, wasm_v128_load(table->weight + j)));
    }
    return;
  }
#pragma clang loop unroll(disable)
  for (size_t j = 0; j < job->width; j += 4)
    wasm_v128_store(row + j,
                    rearrange_blend(rearrange_lookup(x, table->low + j), rearrange_lookup(x, table->high + j),
                                    wasm_v128_load(table->weight + j)));
}

/* Two rows of x that have the width of y: those that the row of y before needed. */
typedef struct resized_rows {
  float *data[2];
  int32_t source[2];
} resized_rows;

/* Returns row `source` of x, resized. Row `kept` stays. */
SMALL static const float *rearrange_resized(const resize_job *job, resized_rows *rows, const float *x,
                                            int32_t source, int32_t kept) {
  for (int32_t i = 0; i < 2; i++)
    if (rows->source[i] == source) return rows->data[i];
  const int32_t place = rows->source[0] == kept ? 1 : 0;
  rearrange_resize_row(job, x + (ptrdiff_t)source * job->x->shape[3], rows->data[place]);
  rows->source[place] = source;
  return rows->data[place];
}

APART static void rearrange_bilinear_row(const resize_job *job, resized_rows *rows, const float *x, int32_t i,
                                         float *y) {
  const int32_t low = job->vertical.low[i], high = job->vertical.high[i], W = job->y->shape[3];
  const float *first = rearrange_resized(job, rows, x, low, high);
  const float *second = rearrange_resized(job, rows, x, high, low);
  const v128_t weight = wasm_v128_load32_splat(job->vertical.weight + i);
  int32_t j = 0;
#pragma clang loop unroll(disable)
  for (; j + 4 <= W; j += 4)
    wasm_v128_store(y + j, rearrange_blend(wasm_v128_load(first + j), wasm_v128_load(second + j), weight));
  if (j == W) return;
  float rest[4];
  wasm_v128_store(rest, rearrange_blend(wasm_v128_load(first + j), wasm_v128_load(second + j), weight));
  memcpy(y + j, rest, (size_t)(W - j) * sizeof(float));
}

/* Some rows of y, of all planes. */
SMALL static void rearrange_resize_part(const void *argument, int32_t part, int32_t thread) {
  const resize_job *job = argument;
  const view *x = job->x, *y = job->y;
  const int32_t C = y->shape[1], Ho = y->shape[2], Wo = y->shape[3];
  const int64_t end = job->count * (part + 1) / job->parts;
  resized_rows rows = {{NULL, NULL}, {-1, -1}};
  for (int64_t number = job->count * part / job->parts, begin = number; number < end; number++) {
    const int32_t i = (int32_t)(number % Ho), n = (int32_t)(number / Ho / C), c = (int32_t)(number / Ho % C);
    const float *plane = x->data + (ptrdiff_t)n * x->stride[0] + (ptrdiff_t)c * x->stride[1];
    float *row = y->data + (ptrdiff_t)n * y->stride[0] + (ptrdiff_t)c * y->stride[1] + (ptrdiff_t)i * Wo;
    if (job->rows) {
      /* A new plane has no resized rows yet. */
      if (i == 0 || number == begin) {
        rows.data[0] = job->rows + (size_t)thread * 2 * job->width, rows.data[1] = rows.data[0] + job->width;
        rows.source[0] = -1, rows.source[1] = -1;
      }
      rearrange_bilinear_row(job, &rows, plane, i, row);
    } else if (i > 0 && number > begin && job->vertical.low[i] == job->vertical.low[i - 1]) {
      nest_gather(row - Wo, 1, Wo, row);
    } else {
      rearrange_nearest_row(job, plane + (ptrdiff_t)job->vertical.low[i] * x->shape[3], row);
    }
  }
}

SMALL void resize_run(dk_context *context, const resizing *how, const view *x, const view *y,
                      void *workspace) {
  DK_ASSERT(x->rank == 4 && view_is_planar(x) && y->rank == 4 && view_is_planar(y));
  const bool nearest = how->mode == RESIZE_NEAREST;
  const int32_t W = x->shape[3], Wo = y->shape[3];
  resize_job job = {.x = x, .y = y, .width = rearrange_whole(Wo), .parts = 1};
  job.count = (int64_t)y->shape[0] * y->shape[1] * y->shape[2];

  /* Tables of both axes */
  const size_t height = rearrange_whole(y->shape[2]);
  int32_t *places = workspace;
  job.vertical.low = places;
  job.horizontal.low = places + height;
  if (!nearest) {
    float *numbers = workspace;
    job.vertical.high = places + height + job.width;
    job.horizontal.high = job.vertical.high + height;
    job.vertical.weight = numbers + 2 * (height + job.width);
    job.horizontal.weight = job.vertical.weight + height;
    job.start = places + 3 * (height + job.width);
    job.rows = numbers + 3 * (height + job.width) + job.width / 4;
  }
  rearrange_fill(how, 0, x->shape[2], y->shape[2], &job.vertical);
  rearrange_fill(how, 1, W, Wo, &job.horizontal);

  if (nearest)
    job.factor = resize_repeats(how, 1, W, Wo);
  else
    rearrange_windows(&job);
  const double work = (double)(nearest ? NEAREST_WORK : BILINEAR_WORK) * (double)job.count * Wo;
  job.parts = nest_parts(context, work, job.count);
  parallel_for(context, job.parts, rearrange_resize_part, &job);
}
