/* Linear layers and matrix products. */
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/parallel.h"
#include "base/simd.h"
#include "base/sizes.h"
#include "inner/dot_rows.h"
#include "inner/matmul.h"
#include "inner/matmul_lanes.h"
#include "network/layers/layers.h"
#include "network/layers/nest.h"

/* ---------------------------------------------------------------------------------- linear */

enum { LINEAR_PANEL = 32 }; /* rows that pass all weights while they are in a cache */

typedef struct linear_work {
  const packed_kernels *kernels;
  const float *bias;
  const view *x, *y;
  epilogue steps;
  bool along;             /* the steps are those of a plane [rows, 1, O], whose pixels are the outputs */
  int32_t panels, shares; /* panels of rows, and shares of blocks of outputs */
} linear_work;

/* Turns the steps of [rows, O, 1] into those of [rows, 1, O], which pass over a row at once. Returns false if
 * an operand does not lie as pixels must. */
SMALL static bool linear_turn(epilogue *steps) {
  for (int32_t i = 0; i < steps->count; i++) {
    const epilogue_step *step = &steps->step[i];
    if (step->op == DK_OP_BATCH_NORM) return false;
    if (step->op < DK_OP_RELU && step->stride[1] != 0 && step->stride[1] != 1) return false;
  }
  for (int32_t i = 0; i < steps->count; i++) {
    int32_t *stride = steps->step[i].stride;
    stride[2] = stride[1], stride[1] = 0;
  }
  return true;
}

/* One share of the outputs of one panel. */
SMALL static void linear_part(const void *argument, int32_t index, int32_t thread) {
  (void)thread;
  const linear_work *work = argument;
  const packed_kernels *kernels = work->kernels;
  const int32_t panel = index / work->shares, share = index % work->shares, O = kernels->O;
  const int32_t first = panel * LINEAR_PANEL, rows = min_i32(work->x->shape[0] - first, LINEAR_PANEL);
  const int32_t begin = (int32_t)((int64_t)kernels->blocks * share / work->shares);
  const int32_t end = (int32_t)((int64_t)kernels->blocks * (share + 1) / work->shares);
  matmul_lanes_operands product = {.x = work->x->data + (ptrdiff_t)first * work->x->stride[0],
                                   .x_row = work->x->stride[0],
                                   .x_step = 1,
                                   .depth = kernels->depth,
                                   .rows = rows,
                                   .y_row = work->y->stride[0],
                                   .y_step = 1};
  float *const y = work->y->data + (ptrdiff_t)first * product.y_row;
  for (int32_t block = begin; block < end; block++) {
    float bias[LANES] = {0};
    product.count = min_i32(O - block * LANES, LANES);
    if (work->bias) memcpy(bias, work->bias + block * LANES, sizeof(float) * (size_t)product.count);
    product.bias = bias;
    product.w = kernels->data + (size_t)block * (size_t)kernels->depth * LANES;
    product.y = y + block * LANES;
    matmul_lanes(&product);
  }
  const int32_t output = begin * LANES, outputs = min_i32(end * LANES, O) - output;
  for (int32_t i = 0; i < rows && work->steps.count; i++) {
    float *out = y + i * product.y_row + output;
    if (work->along)
      epilogue_apply(&work->steps, first + i, 0, (size_t)output, (size_t)outputs, out, out);
    else
      for (int32_t o = 0; o < outputs; o++)
        epilogue_apply(&work->steps, first + i, output + o, 0, 1, out + o, out + o);
  }
}

SMALL void linear_run(dk_context *context, const packed_kernels *kernels, const float *bias,
                      const epilogue *steps, const view *x, const view *y) {
  DK_ASSERT(x->rank == 2 && y->rank == 2 && x->shape[0] == y->shape[0]);
  DK_ASSERT(kernels->K == 1 && kernels->depth == x->shape[1] && kernels->run == y->shape[1]);
  linear_work work = {.kernels = kernels, .bias = bias, .x = x, .y = y, .shares = 1};
  if (steps) work.steps = *steps;
  work.along = linear_turn(&work.steps);
  work.panels = (x->shape[0] - 1) / LINEAR_PANEL + 1;

  /* Panels are divided further only if there are too few of them. */
  const double multiply_adds = (double)view_elements(y) * kernels->depth;
  const int64_t units = (int64_t)work.panels * kernels->blocks;
  const int32_t parts = nest_parts(context, multiply_adds, units);
  if (parts > work.panels) work.shares = min_i32((parts - 1) / work.panels + 1, kernels->blocks);
  parallel_for(parts > 1 ? context : NULL, work.panels * work.shares, linear_part, &work);
}

/* ---------------------------------------------------------------------------------- matmul
 * Products of a [I, J] and b [J, L], for each place of the outer dimensions. There are three ways:
 *
 *   COLUMN    L = 1: dot products of contiguous rows
 *   FEW_ROWS  I <= 8 and L >= 8: the rows of a are packed as kernels are, and b is read as it lies
 *   LANES     the others: eight columns of b at a time are packed as kernels are, and a is read as it lies */

typedef enum matmul_way { MATMUL_COLUMN, MATMUL_FEW_ROWS, MATMUL_LANES } matmul_way;

enum {
  MATMUL_ROWS = 64,   /* of a COLUMN that stay together */
  MATMUL_WIDTH = 512, /* of FEW_ROWS that stay together */
};

typedef struct matmul_work {
  const view *a, *b, *y;
  matmul_way way;
  int32_t I, J, L;
  int32_t units; /* that a product has: some rows or columns of y */
  int64_t total; /* units of all products */
  int32_t parts;
  float *workspace;
  size_t packed; /* floats of the workspace for each thread */
} matmul_work;

/* One product. */
typedef struct matmul_product {
  const float *a, *b;
  float *y;
  ptrdiff_t a_row, a_step, b_row, y_row;
} matmul_product;

SMALL static matmul_work matmul_layout(const view *a, const view *b, const view *y) {
  const int32_t rank = y->rank;
  DK_ASSERT(rank >= 2 && a->rank == rank && b->rank == rank);
  matmul_work work = {.a = a, .b = b, .y = y, .way = MATMUL_LANES};
  work.I = y->shape[rank - 2], work.J = a->shape[rank - 1], work.L = y->shape[rank - 1];
  const bool a_runs = work.J == 1 || a->stride[rank - 1] == 1;
  const bool b_runs = work.J == 1 || b->stride[rank - 2] == 1;
  work.units = (work.L - 1) / LANES + 1;
  if (work.L == 1 && a_runs && b_runs) {
    work.way = MATMUL_COLUMN;
    work.units = (work.I - 1) / MATMUL_ROWS + 1;
  } else if (work.I <= LANES && work.L >= LANES && b->stride[rank - 2] >= 0) {
    work.way = MATMUL_FEW_ROWS;
    work.units = max_i32(work.L / MATMUL_WIDTH, 1);
  }
  work.total = (int64_t)(view_elements(y) / ((size_t)work.I * (size_t)work.L)) * work.units;
  work.packed = work.way == MATMUL_COLUMN ? 0 : (size_t)work.J * LANES;
  return work;
}

SMALL static double matmul_multiply_adds(const matmul_work *work) {
  return (double)view_elements(work->y) * work->J;
}

/* Columns first .. first + count - 1 of b [J, L], with zeros in the other lanes. */
static void matmul_pack_columns(const float *b, ptrdiff_t b_row, int32_t J, int32_t count, float *packed) {
  for (int32_t j = 0; j < J; j++, b += b_row, packed += LANES) {
    if (count == LANES) {
      wasm_v128_store(packed, wasm_v128_load(b));
      wasm_v128_store(packed + 4, wasm_v128_load(b + 4));
    } else {
      for (int32_t m = 0; m < LANES; m++) packed[m] = m < count ? b[m] : 0;
    }
  }
}

/* The transpose of a [I, J], with zeros in the other lanes. */
SMALL static void matmul_pack_rows(const matmul_product *product, int32_t I, int32_t J, float *packed) {
  memset(packed, 0, sizeof(float) * LANES * (size_t)J);
  for (int32_t i = 0; i < I; i++)
    for (int32_t j = 0; j < J; j++)
      packed[j * LANES + i] = product->a[i * product->a_row + j * product->a_step];
}

/* Units first .. end - 1 of one product. */
SMALL static void matmul_units(const matmul_work *work, const matmul_product *product, int32_t first,
                               int32_t end, float *packed) {
  const int32_t I = work->I, J = work->J, L = work->L;
  if (work->way == MATMUL_COLUMN) {
    const int32_t begin = first * MATMUL_ROWS;
    dot_rows(product->a + begin * product->a_row, product->a_row, product->b,
             min_i32(end * MATMUL_ROWS, I) - begin, J, product->y + begin * product->y_row, product->y_row);
  } else if (work->way == MATMUL_FEW_ROWS) {
    const float zeros[LANES] = {0};
    matmul_operands rows = {.w = packed,
                            .bias = zeros,
                            .x_row = (size_t)product->b_row,
                            .depth = J,
                            .count = I,
                            .y_row = (size_t)product->y_row};
    matmul_pack_rows(product, I, J, packed);
    for (; first < end; first++) {
      /* The last unit takes the columns that are left over as well. The product reads eight at least. */
      const int32_t column = first * MATMUL_WIDTH;
      rows.columns = first == work->units - 1 ? L - column : MATMUL_WIDTH;
      rows.x = product->b + column;
      rows.y = product->y + column;
      matmul(&rows);
    }
  } else {
    for (; first < end; first++) {
      const int32_t column = first * LANES, count = min_i32(L - column, LANES);
      matmul_pack_columns(product->b + column, product->b_row, J, count, packed);
      const matmul_lanes_operands lanes = {.w = packed,
                                           .x = product->a,
                                           .x_row = product->a_row,
                                           .x_step = product->a_step,
                                           .depth = J,
                                           .rows = I,
                                           .count = count,
                                           .y = product->y + column,
                                           .y_row = product->y_row,
                                           .y_step = 1};
      matmul_lanes(&lanes);
    }
  }
}

SMALL static void matmul_part(const void *argument, int32_t index, int32_t thread) {
  const matmul_work *work = argument;
  const int32_t rank = work->y->rank;
  float *packed = work->workspace + work->packed * (size_t)thread;
  const int64_t end = work->total * (index + 1) / work->parts;
  const int32_t axis = rank - 3; /* along which products follow each other */
  for (int64_t unit = work->total * index / work->parts; unit < end;) {
    /* The product of the next unit */
    matmul_product product = {.a = work->a->data, .b = work->b->data, .y = work->y->data};
    product.a_row = work->a->stride[rank - 2], product.a_step = work->a->stride[rank - 1];
    product.b_row = work->b->stride[rank - 2], product.y_row = work->y->stride[rank - 2];
    int64_t place = unit / work->units;
    int32_t first = (int32_t)(unit - place * work->units), follow = 1;
    for (int32_t i = axis; i >= 0; i--) {
      const int32_t length = work->y->shape[i], within = (int32_t)(place % length);
      place /= length;
      product.a += (ptrdiff_t)within * work->a->stride[i];
      product.b += (ptrdiff_t)within * work->b->stride[i];
      product.y += (ptrdiff_t)within * work->y->stride[i];
      if (i == axis) follow = length - within;
    }

    /* Its units, and those of the products that follow along the axis */
    for (; follow > 0 && unit < end; follow--, first = 0) {
      const int32_t count = (int32_t)(end - unit < work->units - first ? end - unit : work->units - first);
      matmul_units(work, &product, first, first + count, packed);
      unit += count;
      if (follow == 1) break;
      product.a += work->a->stride[axis];
      product.b += work->b->stride[axis];
      product.y += work->y->stride[axis];
    }
  }
}

SMALL uint64_t matmul_workspace(const dk_context *context, const view *a, const view *b, const view *y) {
  const matmul_work work = matmul_layout(a, b, y);
  const int32_t threads = nest_threads(context, matmul_multiply_adds(&work));
  return sizeof(float) * (uint64_t)work.packed * (uint32_t)threads;
}

SMALL void matmul_run(dk_context *context, const view *a, const view *b, const view *y, void *workspace) {
  matmul_work work = matmul_layout(a, b, y);
  work.workspace = workspace;
  work.parts = nest_parts(context, matmul_multiply_adds(&work), work.total);
  parallel_for(context, work.parts, matmul_part, &work);
}
