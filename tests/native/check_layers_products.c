/* See check_layers_products.h. Rows, columns and depths lie around the tiles of four rows and eight columns,
 * and beyond the panels, chunks and strips that are computed at a time. */
#include "check_layers_products.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer_tensor.h"
#include "network/layers/layers.h"

static const double TOLERANCE = 2e-6; /* for sums of some tens of products */

/* Workspace of exactly so many bytes. */
static void *workspace_of(uint64_t bytes) {
  void *workspace = aligned_alloc(64, (size_t)((bytes + 63) / 64 * 64));
  if (!workspace) abort();
  plant_subnormals(workspace, (size_t)bytes);
  return workspace;
}

/* ------------------------------------------------------------------------------------ steps */

/* Steps on a tensor [N, C, pixels], with memory for their operands. */
typedef struct steps {
  epilogue list;
  float *operand[MAX_STEPS];
} steps;

static void any_steps(check *c, int32_t N, int32_t C, int32_t pixels, int32_t count, steps *made) {
  *made = (steps){.list.count = count};
  for (int32_t i = 0; i < count; i++) {
    epilogue_step *step = &made->list.step[i];
    made->operand[i] = random_numbers(c, (size_t)N * (size_t)C * (size_t)pixels + (size_t)C);
    switch (below(c, 5)) {
    case 0:
      *step = (epilogue_step){.op = DK_OP_BATCH_NORM};
      if (below(c, 4)) step->scale = made->operand[i];
      if (below(c, 4)) step->shift = made->operand[i] + (size_t)N * (size_t)C * (size_t)pixels;
      break;
    case 1:
      *step = (epilogue_step){.op = DK_OP_RELU};
      break;
    case 2:
      *step = (epilogue_step){.op = DK_OP_CLIP, .p = {-0.5f, 0.75f}};
      break;
    case 3: /* a tensor of the same shape */
      *step = (epilogue_step){.op = below(c, 2) ? DK_OP_ADD : DK_OP_SUBTRACT,
                              .operand = made->operand[i],
                              .stride = {C * pixels, pixels, pixels > 1},
                              .reversed = below(c, 2)};
      break;
    default: /* a gate for each channel, or one with the channels outside of the samples */
      *step = (epilogue_step){.op = DK_OP_MULTIPLY, .operand = made->operand[i], .stride = {C, 1, 0}};
      if (below(c, 2)) step->stride[0] = 1, step->stride[1] = N;
      break;
    }
  }
}

static void free_steps(steps *made) {
  for (int32_t i = 0; i < made->list.count; i++) free(made->operand[i]);
}

/* ----------------------------------------------------------------------------------- linear */

static void check_linear(check *c, dk_context *context, int32_t rows, int32_t I, int32_t O, int32_t count) {
  const bool with_bias = below(c, 2);
  begin(c, "linear rows=%d I=%d O=%d bias=%d steps=%d", rows, I, O, with_bias, count);
  const int32_t x_shape[2] = {rows, I}, y_shape[2] = {rows, O};
  tensor x = tensor_make(c, 2, x_shape, 1), got = tensor_make(c, 2, y_shape, 1), want = tensor_like(&got);
  tensor_fill(c, &x, false);
  float *weight = random_numbers(c, (size_t)I * (size_t)O), *bias = random_numbers(c, (size_t)O);
  packed_kernels kernels;
  steps list;
  any_steps(c, rows, O, 1, count, &list);
  if (!kernels_layout(1, O, 1, (uint64_t)I, 1, false, &kernels)) mismatch(c, "no layout");
  const size_t packed = (size_t)kernels.blocks * (size_t)kernels.depth * LANES;
  kernels.data = allocate(packed * sizeof(float));
  memset(kernels.data, 0, packed * sizeof(float));
  kernels_pack(&kernels, 0, 0, O, weight);
  const epilogue *followed = count || below(c, 2) ? &list.list : NULL;
  linear_run(context, &kernels, with_bias ? bias : NULL, followed, &x.v, &got.v);
  linear_reference(weight, with_bias ? bias : NULL, followed, &x.v, &want.v);
  expect_tensor(c, &got, &want, TOLERANCE * (1 + I / 50), "y");
  tensor_free(&x), tensor_free(&got), tensor_free(&want);
  free(weight), free(bias), free(kernels.data), free_steps(&list);
}

/* ----------------------------------------------------------------------------------- matmul */

/* The view of an operand whose outer axes of length 1 are broadcast to those of y. */
static view broadcast(const tensor *t, const int32_t *shape) {
  view v = t->v;
  for (int32_t i = 0; i < v.rank - 2; i++)
    if (v.shape[i] != shape[i]) v.shape[i] = shape[i], v.stride[i] = 0;
  return v;
}

/* a [outer, I, J] and b [outer, J, L]. If turned, a is the transpose of a contiguous [outer, J, I]. */
static void check_matmul(check *c, dk_context *context, int32_t rank, const int32_t *outer, int32_t I,
                         int32_t J, int32_t L, bool turned, bool special) {
  begin(c, "matmul rank=%d outer=%d,%d I=%d J=%d L=%d turned=%d special=%d", rank, rank > 2 ? outer[0] : 1,
        rank > 3 ? outer[1] : 1, I, J, L, turned, special);
  int32_t a_shape[MAX_RANK], b_shape[MAX_RANK], y_shape[MAX_RANK];
  for (int32_t i = 0; i < rank - 2; i++) {
    y_shape[i] = outer[i];
    a_shape[i] = below(c, 3) ? outer[i] : 1;
    b_shape[i] = below(c, 3) ? outer[i] : 1;
  }
  a_shape[rank - 2] = turned ? J : I, a_shape[rank - 1] = turned ? I : J;
  b_shape[rank - 2] = J, b_shape[rank - 1] = L;
  y_shape[rank - 2] = I, y_shape[rank - 1] = L;
  tensor a = tensor_make(c, rank, a_shape, rank - 1), b = tensor_make(c, rank, b_shape, rank - 1);
  tensor got = tensor_make(c, rank, y_shape, rank - 1), want = tensor_like(&got);
  tensor_fill(c, &a, special), tensor_fill(c, &b, special);
  view left = broadcast(&a, y_shape);
  const view right = broadcast(&b, y_shape);
  if (turned) {
    left.shape[rank - 2] = I, left.shape[rank - 1] = J;
    left.stride[rank - 2] = a.v.stride[rank - 1], left.stride[rank - 1] = a.v.stride[rank - 2];
  }
  void *workspace = workspace_of(matmul_workspace(context, &left, &right, &got.v));
  matmul_run(context, &left, &right, &got.v, workspace);
  matmul_reference(&left, &right, &want.v);
  expect_tensor(c, &got, &want, TOLERANCE * (1 + J / 50), "y");
  tensor_free(&a), tensor_free(&b), tensor_free(&got), tensor_free(&want), free(workspace);
}

static void check_matmul_random(check *c, dk_context *context) {
  const int32_t rank = 2 + below(c, 4);
  int32_t outer[3];
  for (int i = 0; i < 3; i++) outer[i] = 1 + below(c, 3);
  const int32_t I = 1 + below(c, 20), J = 1 + below(c, 40), L = below(c, 3) ? 1 + below(c, 20) : 1;
  check_matmul(c, context, rank, outer, I, J, L, below(c, 3) == 0, below(c, 8) == 0);
}

/* --------------------------------------------------------------------- transposed convolution */

typedef struct transposed_case {
  sliding_window how;
  int32_t N, C, O, groups, H, W, more[2]; /* more: output padding */
} transposed_case;

static void check_transposed(check *c, dk_context *context, const transposed_case *p) {
  const sliding_window *how = &p->how;
  const int32_t taps = how->kernel[0] * how->kernel[1], count = below(c, 3);
  const bool with_bias = below(c, 2), special = below(c, 8) == 0;
  begin(c,
        "transposed N=%d C=%d O=%d groups=%d H=%d W=%d kernel=%d,%d stride=%d,%d dilation=%d,%d "
        "padding=%d,%d,%d,%d more=%d,%d bias=%d steps=%d special=%d",
        p->N, p->C, p->O, p->groups, p->H, p->W, how->kernel[0], how->kernel[1], how->stride[0],
        how->stride[1], how->dilation[0], how->dilation[1], how->padding[0], how->padding[1], how->padding[2],
        how->padding[3], p->more[0], p->more[1], with_bias, count, special);
  const int32_t x_shape[4] = {p->N, p->C, p->H, p->W};
  int32_t y_shape[4] = {p->N, p->O, 0, 0};
  for (int axis = 0; axis < 2; axis++)
    y_shape[2 + axis] = (x_shape[2 + axis] - 1) * how->stride[axis] +
                        how->dilation[axis] * (how->kernel[axis] - 1) + 1 - how->padding[axis] -
                        how->padding[2 + axis] + p->more[axis];
  if (y_shape[2] < 1 || y_shape[3] < 1) return;
  tensor x = tensor_make(c, 4, x_shape, 2), got = tensor_make(c, 4, y_shape, 2), want = tensor_like(&got);
  tensor_fill(c, &x, special);
  const size_t weights = (size_t)p->C * (size_t)(p->O / p->groups) * (size_t)taps;
  float *weight = random_numbers(c, weights), *bias = random_numbers(c, (size_t)p->O);
  steps list;
  any_steps(c, p->N, p->O, y_shape[2] * y_shape[3], count, &list);
  packed_kernels kernels;
  if (!transposed_layout(p->C, p->O, p->groups, how->kernel[0], how->kernel[1], &kernels))
    mismatch(c, "no layout");
  const size_t packed = (size_t)kernels.blocks * (size_t)kernels.depth * LANES;
  kernels.data = allocate(packed * sizeof(float));
  memset(kernels.data, 0, packed * sizeof(float));
  for (size_t i = 0; i < weights; i++) *transposed_element(&kernels, p->C, p->groups, i) = weight[i];
  void *workspace = workspace_of(transposed_workspace(context, how, p->groups, &x.v, &got.v));
  const epilogue *followed = count ? &list.list : NULL;
  transposed_run(context, how, p->groups, &kernels, with_bias ? bias : NULL, followed, &x.v, &got.v,
                 workspace);
  transposed_reference(how, p->groups, weight, with_bias ? bias : NULL, followed, &x.v, &want.v);
  expect_tensor(c, &got, &want, TOLERANCE * (2 + p->C / 20), "y");
  if (!met_no_subnormal("transposed")) mismatch(c, "subnormal numbers");
  tensor_free(&x), tensor_free(&got), tensor_free(&want);
  free(weight), free(bias), free(kernels.data), free(workspace), free_steps(&list);
}

static void check_transposed_random(check *c, dk_context *context) {
  transposed_case p = {.N = 1 + below(c, 2), .groups = below(c, 4) ? 1 : 1 + below(c, 4)};
  p.C = p.groups * (1 + below(c, 5)), p.O = p.groups * (1 + below(c, below(c, 2) ? 4 : 20));
  p.H = 1 + below(c, 9), p.W = 1 + below(c, below(c, 2) ? 9 : 40);
  for (int axis = 0; axis < 2; axis++) {
    p.how.kernel[axis] = 1 + below(c, 5);
    p.how.stride[axis] = below(c, 2) ? 2 : 1 + below(c, 4);
    p.how.dilation[axis] = below(c, 3) ? 1 : 1 + below(c, 3);
    const int32_t reach = (p.how.kernel[axis] - 1) * p.how.dilation[axis];
    p.how.padding[axis] = below(c, reach + 2);
    p.how.padding[2 + axis] = below(c, reach + 2);
    p.more[axis] = below(c, p.how.stride[axis]);
  }
  check_transposed(c, context, &p);
}

int check_layers_products(uint32_t seed, int count) {
  check c = {.random = {seed}};
  dk_context *context = context_of(3);
  for (int i = 0; i < count; i++) {
    check_linear(&c, context, 1 + below(&c, below(&c, 4) ? 9 : 70), 1 + below(&c, 40), 1 + below(&c, 40),
                 below(&c, MAX_STEPS + 1));
    check_matmul_random(&c, context);
    check_transposed_random(&c, context);
  }

  /* Layers that are large enough to be divided among threads, in every way */
  check_linear(&c, context, 1, 1030, 1001, 2);
  check_linear(&c, context, 3, 300, 1001, 1);
  check_linear(&c, context, 197, 70, 67, 3);
  const int32_t one[3] = {1, 1, 1}, heads[3] = {6, 2, 1}, many[3] = {768, 1, 1};
  check_matmul(&c, context, 4, one, 161, 3070, 1, false, false);
  check_matmul(&c, context, 4, many, 20, 4, 1, false, false);
  check_matmul(&c, context, 4, heads, 50, 33, 49, false, false);
  check_matmul(&c, context, 4, heads, 49, 65, 51, true, false);
  check_matmul(&c, context, 2, one, 5, 100, 3001, false, false);
  check_matmul(&c, context, 3, heads, 8, 40, 1029, true, false);
  const transposed_case large[] = {
      {{{4, 4}, {2, 2}, {1, 1}, {1, 1, 1, 1}}, 1, 40, 30, 1, 24, 18, {0, 0}},
      {{{2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}}, 2, 70, 33, 1, 14, 14, {0, 0}},
      {{{3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}, 1, 20, 3, 1, 30, 90, {1, 1}},
      {{{3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}, 1, 700, 9, 1, 20, 50, {0, 0}},
      {{{4, 4}, {1, 1}, {1, 1}, {0, 0, 0, 0}}, 1, 100, 600, 1, 1, 1, {0, 0}},
      {{{5, 2}, {1, 3}, {4, 2}, {3, 0, 2, 1}}, 1, 24, 60, 2, 40, 21, {0, 2}},
  };
  for (size_t i = 0; i < sizeof large / sizeof *large; i++) check_transposed(&c, context, &large[i]);
  dk_context_destroy(context);
  return c.failures;
}
