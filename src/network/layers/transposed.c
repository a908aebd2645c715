/* Transposed convolution. Each pixel of x is multiplied by all weights of its group: a matrix product
 * [O/G * Rh * Rw, C/G] x [C/G, pixels]. A row of the product holds what one tap of one output channel adds
 * to y, and each output adds up what its taps hold.
 *
 * A task computes some rows of some output channels of one group, in strips of rows of x:
 *
 *   1. copy      the strip of x [C/G, pixels], if it fits a cache
 *   2. products  [taps of the channels, rows of the strip], after the rows of earlier strips that are still
 *                needed
 *   3. y         the rows that no later strip adds to: their taps are added up, phase by phase of the
 * columns. A phase that one tap fills alone is read from the products directly. */
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/simd.h"
#include "base/sizes.h"
#include "inner/matmul.h"
#include "network/layers/layers.h"
#include "network/layers/nest.h"

enum {
  STRIP_PIXELS = 64,               /* of a strip at least, if x has as many */
  PRODUCT_FLOATS = 160 * 1024 / 4, /* of a task, if it is more than one output channel */
  COPY_FLOATS = 96 * 1024 / 4,     /* more than these are not copied, but read as they lie */
  TASKS = 2,                       /* for each thread at least, if the layer can be divided so far */
  PHASES = 2,                      /* of the columns of y that are written at once, if there are two */
};

typedef struct transposed_work {
  const sliding_window *how;
  const packed_kernels *kernels;
  const float *bias;
  const epilogue *steps;
  const view *x, *y;
  int32_t depth, each, taps;               /* C/G, O/G, Rh * Rw */
  int32_t strip;                           /* rows of x */
  int32_t kept;                            /* rows of earlier strips that a strip needs */
  bool copied;                             /* whether strips are copied */
  int32_t chunk, chunks;                   /* output channels of a task, and tasks of a group */
  int32_t parts, groups;                   /* of the rows of y; groups */
  size_t copy_row, product_row, phase_row; /* floats of the rows of the workspace */
  size_t lanes;                            /* of products */
  size_t floats;                           /* of the workspace of one thread */
  float *workspace;
} transposed_work;

/* Columns begin .. end - 1 of a phase add products, which lie at `offset` of those of the output channel. */
typedef struct transposed_source {
  ptrdiff_t offset;
  int32_t begin, end;
} transposed_source;

/* A task. */
typedef struct transposed_task {
  int32_t n, group;
  int32_t first, count;                          /* output channels within the group */
  int32_t lanes_begin, lanes_end;                /* their taps, in whole blocks */
  int32_t begin, end;                            /* rows of y */
  int32_t x_begin, x_end;                        /* rows of x that these need */
  float *copy, *products, *zeros, *sums[PHASES]; /* the workspace */
  transposed_source *sources[PHASES];
} transposed_task;

SMALL bool transposed_layout(int32_t C, int32_t O, int32_t groups, int32_t Rh, int32_t Rw,
                             packed_kernels *kernels) {
  const int64_t outputs = (int64_t)O * Rh;
  if (outputs > MAX_ELEMENTS || outputs * Rw > MAX_ELEMENTS) return false;
  return kernels_layout(1, (int32_t)(outputs * Rw), groups, (uint64_t)(C / groups), 1, false, kernels);
}

float *transposed_element(const packed_kernels *kernels, int32_t C, int32_t groups, size_t index) {
  /* weight [C, run]; a run is the taps of a group's output channels */
  const int32_t c = (int32_t)(index / (size_t)kernels->run), within = (int32_t)(index % (size_t)kernels->run);
  const int32_t depth = C / groups;
  return kernels_channel(kernels, c / depth * kernels->run + within) + (size_t)(c % depth) * LANES;
}

/* ------------------------------------------------------------------------------------ sizes */

/* How many columns of y a phase has. */
SMALL static int32_t transposed_columns(const transposed_work *work, int32_t phase) {
  const int32_t stride = work->how->stride[1];
  return (work->y->shape[3] - phase + stride - 1) / stride;
}

SMALL static transposed_work transposed_sizes(int32_t threads, const sliding_window *how, int32_t groups,
                                              const view *x, const view *y) {
  const int32_t H = x->shape[2], W = x->shape[3], Wo = y->shape[3];
  transposed_work work = {.how = how, .x = x, .y = y, .groups = groups, .parts = 1};
  work.depth = x->shape[1] / groups;
  work.each = y->shape[1] / groups;
  work.taps = how->kernel[0] * how->kernel[1];
  work.strip = min_i32((STRIP_PIXELS - 1) / W + 1, H);
  work.kept = min_i32((how->kernel[0] - 1) * how->dilation[0] / how->stride[0], H);
  work.copy_row = (size_t)round_up_i32(work.strip * W, MATMUL_COLUMNS);
  work.copied = (size_t)work.depth * work.copy_row <= COPY_FLOATS;
  if (!work.copied) work.copy_row = MATMUL_COLUMNS;
  work.product_row = (size_t)(work.kept + work.strip) * (size_t)W;
  work.phase_row = (size_t)round_up_i32((Wo - 1) / how->stride[1] + 1, 4);

  /* Fewer channels a task than fit, if there are too few tasks for the threads. Then fewer rows. */
  const size_t fitting = PRODUCT_FLOATS / (work.product_row * (size_t)work.taps);
  work.chunk = max_i32((int32_t)(fitting < (size_t)work.each ? fitting : (size_t)work.each), 1);
  work.chunks = (work.each - 1) / work.chunk + 1;
  const int32_t wanted = threads > 1 ? TASKS * threads : 1, separate = x->shape[0] * groups;
  work.chunks = max_i32(work.chunks, min_i32((wanted - 1) / separate + 1, (work.each - 1) / LANES + 1));
  work.chunk = (work.each - 1) / work.chunks + 1;
  work.chunks = (work.each - 1) / work.chunk + 1;
  work.parts = min_i32((wanted - 1) / (separate * work.chunks) + 1, y->shape[2]);

  /* Channels begin within a block of lanes, and end within one. */
  work.lanes = (size_t)round_up_i32(work.chunk * work.taps + 2 * (LANES - 1), LANES);
  work.floats = (size_t)work.depth * work.copy_row + work.lanes * (work.product_row + 1) +
                PHASES * work.phase_row +
                PHASES * (size_t)work.taps * sizeof(transposed_source) / sizeof(float);
  work.floats = (size_t)round_up(work.floats, 16);
  return work;
}

SMALL static double transposed_multiply_adds(const sliding_window *how, int32_t groups, const view *x,
                                             const view *y) {
  return (double)view_elements(x) * (y->shape[1] / groups) * how->kernel[0] * how->kernel[1];
}

SMALL uint64_t transposed_workspace(const dk_context *context, const sliding_window *how, int32_t groups,
                                    const view *x, const view *y) {
  const int32_t threads = nest_threads(context, transposed_multiply_adds(how, groups, x, y));
  return sizeof(float) * (uint64_t)transposed_sizes(threads, how, groups, x, y).floats * (uint32_t)threads;
}

/* --------------------------------------------------------------------------------- products */

/* Products of rows first .. first + rows - 1 of x, behind the rows that are kept. */
SMALL static void transposed_multiply(const transposed_work *work, const transposed_task *task, int32_t first,
                                      int32_t rows) {
  const int32_t W = work->x->shape[3], pixels = rows * W;
  const float *x = work->x->data + (ptrdiff_t)task->n * work->x->stride[0] +
                   (ptrdiff_t)task->group * work->depth * work->x->stride[1] + (ptrdiff_t)first * W;
  size_t x_row = (size_t)work->x->stride[1];
  if (work->copied || pixels < MATMUL_COLUMNS) {
    for (int32_t c = 0; c < work->depth; c++) {
      float *copy = task->copy + (size_t)c * work->copy_row;
      memcpy(copy, x + c * x_row, sizeof(float) * (size_t)pixels);
      for (int32_t i = pixels; i < MATMUL_COLUMNS; i++) copy[i] = 0;
    }
    x = task->copy, x_row = work->copy_row;
  }
  const packed_kernels *kernels = work->kernels;
  const size_t block = (size_t)work->depth * LANES;
  const int32_t first_block = task->group * kernels->run_blocks + task->lanes_begin / LANES;
  const matmul_operands product = {
      .w = kernels->data + (size_t)first_block * block,
      .w_block = block,
      .bias = task->zeros,
      .x = x,
      .x_row = x_row,
      .depth = work->depth,
      .columns = pixels,
      .count = min_i32(task->lanes_end, kernels->run) - task->lanes_begin,
      .y = task->products + (size_t)work->kept * (size_t)W,
      .y_row = work->product_row,
  };
  memset(task->zeros, 0, sizeof(float) * work->lanes);
  matmul(&product);
}

/* Moves the last rows of the products so that they come before those of the next strip of rows. */
SMALL static void transposed_keep(const transposed_work *work, const transposed_task *task, int32_t rows) {
  const size_t kept = (size_t)work->kept * work->x->shape[3], moved = (size_t)rows * work->x->shape[3];
  if (!kept) return;
  float *product = task->products;
  for (int32_t lane = task->lanes_begin; lane < task->lanes_end; lane++, product += work->product_row)
    memmove(product, product + moved, kept * sizeof(float));
}

/* ------------------------------------------------------------------------------ adding them */

/* Lists what adds to phase `phase` of row i of y: columns phase, phase + stride, ... ready: the rows of x
 * whose products are there. stored: the first row that the products have room for. Returns how many. */
SMALL static int32_t transposed_sources(const transposed_work *work, const transposed_task *task, int32_t i,
                                        int32_t phase, int32_t stored, int32_t ready,
                                        transposed_source *source) {
  const sliding_window *how = work->how;
  const int32_t W = work->x->shape[3], count = transposed_columns(work, phase);
  int32_t sources = 0;
  for (int32_t v = 0; v < how->kernel[0]; v++) {
    /* Row i of y is row `row` of x under tap v. */
    const int32_t above = i + how->padding[0] - v * how->dilation[0], row = above / how->stride[0];
    if (above < 0 || above % how->stride[0] || row < task->x_begin || row >= ready) continue;
    for (int32_t h = 0; h < how->kernel[1]; h++) {
      /* Column j of the phase is column j + shift of x. */
      const int32_t left = phase + how->padding[1] - h * how->dilation[1];
      if (left % how->stride[1]) continue;
      const int32_t shift = left / how->stride[1];
      const int32_t begin = max_i32(-shift, 0), end = min_i32(W - shift, count);
      if (begin >= end) continue;
      const size_t product = (size_t)(v * how->kernel[1] + h) * work->product_row;
      source[sources++] =
          (transposed_source){(ptrdiff_t)product + (ptrdiff_t)(row - stored) * W + shift, begin, end};
    }
  }
  return sources;
}

APART static void transposed_add(const float *x, int32_t count, float *y) {
  int32_t i = 0;
#pragma clang loop unroll(disable)
  for (; i + 4 <= count; i += 4)
    wasm_v128_store(y + i, wasm_f32x4_add(wasm_v128_load(y + i), wasm_v128_load(x + i)));
#pragma clang loop unroll(disable)
  for (; i < count; i++) y[i] += x[i];
}

/* Returns the sums of a phase of `count` columns: sums, or the only source if it fills the phase. */
SMALL static const float *transposed_sum(const float *product, const transposed_source *source,
                                         int32_t sources, int32_t count, float *sums) {
  const bool fills = sources && source->begin == 0 && source->end == count;
  if (fills && sources == 1) return product + source->offset;
  if (fills)
    memcpy(sums, product + source->offset, sizeof(float) * (size_t)count);
  else
    memset(sums, 0, sizeof(float) * (size_t)count);
  for (int32_t i = fills; i < sources; i++)
    transposed_add(product + source[i].offset + source[i].begin, source[i].end - source[i].begin,
                   sums + source[i].begin);
  return sums;
}

/* y [2 * j] = even[j] + bias, y[2 * j + 1] = odd[j] + bias */
APART static void transposed_interleave(const float *even, const float *odd, float bias, int32_t count,
                                        float *y) {
  const v128_t shift = wasm_f32x4_splat(bias);
  int32_t j = 0;
#pragma clang loop unroll(disable)
  for (; j + 8 <= count; j += 8, even += 4, odd += 4) {
    const v128_t low = wasm_f32x4_add(wasm_v128_load(even), shift);
    const v128_t high = wasm_f32x4_add(wasm_v128_load(odd), shift);
    wasm_v128_store(y + j, wasm_i32x4_shuffle(low, high, 0, 4, 1, 5));
    wasm_v128_store(y + j + 4, wasm_i32x4_shuffle(low, high, 2, 6, 3, 7));
  }
#pragma clang loop unroll(disable)
  for (; j < count; j++) y[j] = *(j % 2 ? odd++ : even++) + bias;
}

/* y[j * stride] = sums[j] + bias */
APART static void transposed_spread(const float *sums, float bias, int32_t count, int32_t stride, float *y) {
  int32_t j = 0;
  const int32_t whole = stride == 1 ? count / 4 * 4 : 0;
#pragma clang loop unroll(disable)
  for (; j < whole; j += 4)
    wasm_v128_store(y + j, wasm_f32x4_add(wasm_v128_load(sums + j), wasm_f32x4_splat(bias)));
#pragma clang loop unroll(disable)
  for (; j < count; j++) y[(ptrdiff_t)j * stride] = sums[j] + bias;
}

/* Row i of y, of all channels of the task. */
SMALL static void transposed_row(const transposed_work *work, const transposed_task *task, int32_t i,
                                 int32_t stored, int32_t ready) {
  const int32_t Wo = work->y->shape[3], stride = work->how->stride[1];
  const int32_t together = stride == PHASES ? PHASES : 1; /* phases that are written at once */
  for (int32_t phase = 0; phase < min_i32(stride, Wo); phase += together) {
    int32_t sources[PHASES], columns[PHASES];
    for (int32_t p = 0; p < together; p++) {
      columns[p] = transposed_columns(work, phase + p);
      sources[p] = transposed_sources(work, task, i, phase + p, stored, ready, task->sources[p]);
    }
    for (int32_t o = 0; o < task->count; o++) {
      const int32_t channel = task->group * work->each + task->first + o;
      const float bias = work->bias ? work->bias[channel] : 0;
      const float *product =
          task->products + (size_t)((task->first + o) * work->taps - task->lanes_begin) * work->product_row;
      float *y = work->y->data + (ptrdiff_t)task->n * work->y->stride[0] +
                 (ptrdiff_t)channel * work->y->stride[1] + (ptrdiff_t)i * Wo;
      const float *sums[PHASES];
      for (int32_t p = 0; p < together; p++)
        sums[p] = transposed_sum(product, task->sources[p], sources[p], columns[p], task->sums[p]);
      if (together == PHASES)
        transposed_interleave(sums[0], sums[1], bias, Wo, y);
      else
        transposed_spread(sums[0], bias, columns[0], stride, y + phase);
    }
  }
}

/* The steps on rows begin .. end - 1 of y, of all channels of the task. */
SMALL static void transposed_finish(const transposed_work *work, const transposed_task *task, int32_t begin,
                                    int32_t end) {
  if (!work->steps || begin >= end) return;
  const size_t Wo = (size_t)work->y->shape[3], first = (size_t)begin * Wo;
  for (int32_t o = 0; o < task->count; o++) {
    const int32_t channel = task->group * work->each + task->first + o;
    float *y = work->y->data + (ptrdiff_t)task->n * work->y->stride[0] +
               (ptrdiff_t)channel * work->y->stride[1] + first;
    epilogue_apply(work->steps, task->n, channel, first, (size_t)(end - begin) * Wo, y, y);
  }
}

/* ------------------------------------------------------------------------------------ tasks */

/* The task of an index, and its workspace. */
SMALL static transposed_task transposed_task_of(const transposed_work *work, int32_t index, int32_t thread) {
  const sliding_window *how = work->how;
  const int32_t Ho = work->y->shape[2], part = index % work->parts,
                chunk = index / work->parts % work->chunks;
  const int32_t sample_group = index / work->parts / work->chunks;
  transposed_task task = {.n = sample_group / work->groups, .group = sample_group % work->groups};
  task.first = chunk * work->chunk;
  task.count = min_i32(work->each - task.first, work->chunk);
  task.lanes_begin = task.first * work->taps / LANES * LANES;
  task.lanes_end = round_up_i32((task.first + task.count) * work->taps, LANES);
  task.begin = (int32_t)((int64_t)Ho * part / work->parts);
  task.end = (int32_t)((int64_t)Ho * (part + 1) / work->parts);

  /* The rows of x from the last tap of the first row to the first tap of the last row */
  const int32_t first = task.begin + how->padding[0] - (how->kernel[0] - 1) * how->dilation[0];
  task.x_begin = first > 0 ? (first - 1) / how->stride[0] + 1 : 0;
  task.x_end = min_i32((task.end - 1 + how->padding[0]) / how->stride[0] + 1, work->x->shape[2]);

  task.copy = work->workspace + work->floats * (size_t)thread;
  task.products = task.copy + (size_t)work->depth * work->copy_row;
  task.zeros = task.products + work->lanes * work->product_row;
  task.sums[0] = task.zeros + work->lanes;
  task.sums[1] = task.sums[0] + work->phase_row;
  task.sources[0] = (transposed_source *)(task.sums[1] + work->phase_row);
  task.sources[1] = task.sources[0] + work->taps;
  return task;
}

SMALL static void transposed_part(const void *argument, int32_t index, int32_t thread) {
  const transposed_work *work = argument;
  const transposed_task task = transposed_task_of(work, index, thread);
  int32_t done = task.begin;
  for (int32_t first = task.x_begin; done < task.end; first += work->strip) {
    const int32_t rows = min_i32(work->strip, task.x_end - first), ready = first + rows;
    if (rows > 0) transposed_multiply(work, &task, first, rows);

    /* Finish the rows of y to which no later row of x adds. */
    int32_t end = task.end;
    if (rows > 0 && ready < task.x_end) end = ready * work->how->stride[0] - work->how->padding[0];
    for (int32_t i = done; i < end; i++) transposed_row(work, &task, i, first - work->kept, ready);
    transposed_finish(work, &task, done, end);
    done = max_i32(done, end);
    if (done < task.end) transposed_keep(work, &task, rows);
  }
}

SMALL void transposed_run(dk_context *context, const sliding_window *how, int32_t groups,
                          const packed_kernels *kernels, const float *bias, const epilogue *steps,
                          const view *x, const view *y, void *workspace) {
  DK_ASSERT(view_is_planar(x) && view_is_planar(y) && x->rank == 4 && y->rank == 4);
  const double multiply_adds = transposed_multiply_adds(how, groups, x, y);
  transposed_work work = transposed_sizes(nest_threads(context, multiply_adds), how, groups, x, y);
  DK_ASSERT(kernels->run == work.each * work.taps && kernels->depth == work.depth);
  work.kernels = kernels, work.bias = bias, work.steps = steps, work.workspace = workspace;
  const int32_t tasks = x->shape[0] * groups * work.chunks * work.parts;
  const bool divided = nest_parts(context, multiply_adds, tasks) > 1;
  parallel_for(divided ? context : NULL, tasks, transposed_part, &work);
}
