/* See check_layers_elementwise.h. Lengths lie around the edges of vectors. Values include every special
 * value. Inputs end at the end of their memory, so that the address sanitizer sees a read past them. */
#include "check_layers_elementwise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sizes.h"
#include "inner/binary.h"
#include "inner/unary.h"
#include "network/layers/layers.h"
#include "pixel_check.h"

enum { LARGE = 420000 }; /* elements whose copying is divided among threads */

/* ---------------------------------------------------------------------------- inner/unary.h */

/* Returns a number of any exponent. */
static float any_number(check *c) {
  if (below(c, 8) == 0) return any_special(c);
  if (below(c, 4)) return uniform(c, -8, 8);
  union {
    uint32_t bits;
    float value;
  } any = {random_u32(&c->random)};
  return any.value;
}

static float *input_floats(size_t count) { return (float *)input_make(count * sizeof(float), 0).memory; }

/* The largest difference that an op may make. */
static double tolerance_of_unary(dk_op op, double want) {
  const double unit = 0x1p-23 * fabs(want), least = 0x1p-126;
  switch (op) {
  case DK_OP_EXP:
  case DK_OP_LOG:
  case DK_OP_SIGMOID:
  case DK_OP_TANH:
  case DK_OP_ELU:
    return 2 * unit + least;
  case DK_OP_ERF:
  case DK_OP_GELU:
  case DK_OP_GELU_TANH:
  case DK_OP_SILU:
  case DK_OP_HARD_SIGMOID:
  case DK_OP_HARD_SWISH:
    return 1e-6 * (1 + fabs(want));
  default:
    return 0;
  }
}

static void check_unary(check *c, dk_op op, size_t count) {
  const size_t offset = (size_t)below(c, 4);
  const float p[2] = {uniform(c, -1, 1), uniform(c, 0, 2)};
  const bool in_place = below(c, 2);
  begin(c, "unary op=%d count=%zu p=%g,%g in_place=%d", (int)op, count, (double)p[0], (double)p[1], in_place);
  float *x = input_floats(count + offset), *want = allocate((count + 1) * sizeof(float));
  for (size_t i = 0; i < count; i++) x[offset + i] = any_number(c);
  array y = output_make(count * sizeof(float), 4 * offset);
  float *got = (float *)y.data;
  unary_apply_reference(op, p, x + offset, count, want);
  if (in_place) memcpy(got, x + offset, count * sizeof(float));
  unary_apply(op, p, in_place ? got : x + offset, count, got);
  for (size_t i = 0; i < count; i++) {
    if (!(fabs((double)got[i] - (double)want[i]) <= tolerance_of_unary(op, (double)want[i])) &&
        !(got[i] == want[i]) && !(isnan(got[i]) && isnan(want[i])))
      mismatch(c, "op(%.9g) = %.9g, expected %.9g", (double)x[offset + i], (double)got[i], (double)want[i]);
  }
  expect_guards(c, &y, "y");
  free(x), free(want), free(y.memory);
}

/* --------------------------------------------------------------------------- inner/binary.h */

static void check_binary(check *c, dk_op op, size_t count) {
  const size_t a_step = (size_t)below(c, 2), b_step = (size_t)below(c, 2);
  const int place = below(c, 3); /* of y: 1 in a, 2 in b */
  begin(c, "binary op=%d count=%zu steps=%zu,%zu place=%d", (int)op, count, a_step, b_step, place);
  float *a = input_floats(a_step ? count : 1), *b = input_floats(b_step ? count : 1);
  float *want = allocate((count + 1) * sizeof(float));
  array y = output_make(count * sizeof(float), 0);
  for (size_t i = 0; i < (a_step ? count : 1); i++) a[i] = any_number(c);
  for (size_t i = 0; i < (b_step ? count : 1); i++)
    b[i] = below(c, 2) ? any_number(c) : (float)below(c, 9) - 4;
  binary_apply_reference(op, a, a_step, b, b_step, count, want);
  float *got = (float *)y.data;
  if (place == 1 && a_step) memcpy(got, a, count * sizeof(float));
  if (place == 2 && b_step) memcpy(got, b, count * sizeof(float));
  binary_apply(op, place == 1 && a_step ? got : a, a_step, place == 2 && b_step ? got : b, b_step, count,
               got);
  for (size_t i = 0; i < count; i++) {
    const double unit = op == DK_OP_POWER ? 0x1p-22 * fabs((double)want[i]) + 0x1p-148 : 0;
    if (!(fabs((double)got[i] - (double)want[i]) <= unit) && !(got[i] == want[i]) &&
        !(isnan(got[i]) && isnan(want[i])))
      mismatch(c, "op(%.9g, %.9g) = %.9g, expected %.9g", (double)a[i * a_step], (double)b[i * b_step],
               (double)got[i], (double)want[i]);
  }
  expect_guards(c, &y, "y");
  free(a), free(b), free(want), free(y.memory);
}

/* ------------------------------------------------------------------------------------ views */

typedef enum layout { CONTIGUOUS, PLANAR, SPREAD, ANY } layout;

/* A view in memory of its own. */
typedef struct tensor {
  view v;
  size_t floats;
  float *memory;
} tensor;

/* Returns a view. CONTIGUOUS and PLANAR are as in base/view.h. SPREAD has any order of the dimensions, with
 * gaps. ANY has zero and negative strides too. */
static view any_strides(check *c, int32_t rank, const int32_t *shape, layout how, size_t *floats,
                        ptrdiff_t *origin) {
  view v = {.rank = rank};
  int32_t order[MAX_RANK] = {0}, stride = how >= SPREAD && below(c, 4) == 0 ? 2 : 1;
  for (int32_t i = 0; i < rank; i++) v.shape[i] = shape[i], order[i] = i;
  for (int32_t i = rank - 1; i > 0 && how >= SPREAD && below(c, 2); i--) {
    const int32_t j = below(c, i + 1), kept = order[i];
    order[i] = order[j], order[j] = kept;
  }
  *floats = 1, *origin = 0;
  for (int32_t i = rank - 1; i >= 0; i--) {
    const int32_t axis = order[i];
    if (how >= SPREAD && below(c, 3) == 0) stride += below(c, 5);
    if (how == PLANAR && axis < 2) stride += below(c, 9);
    v.stride[axis] = stride;
    stride *= shape[axis];
    if (how == ANY && below(c, 4) == 0) v.stride[axis] = 0;
    *floats += (size_t)(shape[axis] - 1) * (size_t)v.stride[axis];
    if (how == ANY && below(c, 6) == 0) {
      *origin += (ptrdiff_t)(shape[axis] - 1) * v.stride[axis];
      v.stride[axis] = -v.stride[axis];
    }
    /* Strides of dimensions of length 1 do not matter. */
    if (shape[axis] == 1 && below(c, 4) == 0) v.stride[axis] = below(c, 1000);
  }
  return v;
}

static tensor input_tensor(check *c, int32_t rank, const int32_t *shape, layout how, bool special) {
  tensor t;
  ptrdiff_t origin;
  t.v = any_strides(c, rank, shape, how, &t.floats, &origin);
  t.memory = input_floats(t.floats);
  for (size_t i = 0; i < t.floats; i++)
    t.memory[i] = special && below(c, 50) == 0 ? any_special(c) : uniform(c, -2, 2);
  t.v.data = t.memory + origin;
  return t;
}

/* Two outputs of the same strides: the layer's and the reference's. */
typedef struct outputs {
  view got, want;
  size_t floats;
} outputs;

static outputs output_tensors(check *c, int32_t rank, const int32_t *shape, layout how) {
  outputs y;
  ptrdiff_t origin;
  y.got = any_strides(c, rank, shape, how, &y.floats, &origin);
  y.want = y.got;
  y.got.data = guarded_alloc(y.floats * sizeof(float));
  y.want.data = guarded_alloc(y.floats * sizeof(float));
  return y;
}

/* Compares all floats, with the gaps that nothing writes. */
static void expect_outputs(check *c, const outputs *y, double tolerance) {
  if (!close_to(y->got.data, y->want.data, y->floats, tolerance, "y") ||
      !guards_hold(y->got.data, y->floats * sizeof(float), "y"))
    mismatch(c, "differs from the reference");
  guarded_free(y->got.data), guarded_free(y->want.data);
}

/* One small shape in two has at most a few elements; a large one is divided among threads. */
static int32_t any_shape(check *c, int32_t least_rank, int32_t most_rank, bool large, int32_t *shape) {
  const int32_t rank = least_rank + below(c, most_rank - least_rank + 1);
  for (int32_t i = 0; i < rank; i++) shape[i] = 1 + below(c, below(c, 2) ? 3 : 9);
  if (rank > 0 && below(c, 2)) shape[rank - 1] = any_size(c);
  if (rank > 1 && below(c, 4) == 0) shape[rank - 2] = any_size(c);
  while (large && rank > 0) {
    double elements = 1;
    for (int32_t i = 0; i < rank; i++) elements *= shape[i];
    if (elements > LARGE) break;
    shape[below(c, rank)] *= 2;
  }
  return rank;
}

static const char *shape_text(int32_t rank, const int32_t *shape) {
  static char text[80];
  int length = snprintf(text, sizeof text, "[");
  for (int32_t i = 0; i < rank; i++)
    length += snprintf(text + length, sizeof text - (size_t)length, "%s%d", i ? "," : "", shape[i]);
  snprintf(text + length, sizeof text - (size_t)length, "]");
  return text;
}

/* ----------------------------------------------------------------------------------- layers */

/* Steps whose results stay near 1, so that errors do not grow. */
static epilogue any_steps(check *c, int32_t N, int32_t C, size_t pixels, float **memory) {
  static const dk_op ops[] = {
      DK_OP_RELU,     DK_OP_CLIP,       DK_OP_LEAKY_RELU, DK_OP_ELU,    DK_OP_HARD_SIGMOID, DK_OP_SIGMOID,
      DK_OP_TANH,     DK_OP_SILU,       DK_OP_GELU,       DK_OP_NEGATE, DK_OP_ADD,          DK_OP_MULTIPLY,
      DK_OP_SUBTRACT, DK_OP_MINIMUM,    DK_OP_PRELU,      DK_OP_ADD,    DK_OP_MULTIPLY,     DK_OP_BATCH_NORM,
      DK_OP_RELU,     DK_OP_BATCH_NORM, DK_OP_HARD_SWISH};
  epilogue steps = {.count = below(c, 5)};
  if (below(c, 20) == 0) steps.count = MAX_STEPS;
  const size_t plane = below(c, 2) ? 1 : pixels, floats = (size_t)N * (size_t)C * plane + 2 * (size_t)C;
  *memory = input_floats(floats);
  for (size_t i = 0; i < floats; i++) (*memory)[i] = uniform(c, -1.5, 1.5);
  if (below(c, 8) == 0) (*memory)[below(c, 2 * C)] = below(c, 2) ? NAN : INFINITY; /* a scale or a shift */
  for (int32_t i = 0; i < steps.count; i++) {
    epilogue_step *step = &steps.step[i];
    step->op = ops[below(c, sizeof ops / sizeof *ops)];
    step->p[0] = uniform(c, -1, 0.5), step->p[1] = uniform(c, 0.5, 2);
    step->scale = below(c, 4) ? *memory : NULL, step->shift = below(c, 4) ? *memory + C : NULL;
    step->operand = *memory + 2 * C;
    step->reversed = below(c, 2);
    step->stride[0] = below(c, 4) ? C * (int32_t)plane : 0;
    step->stride[1] = below(c, 4) ? (int32_t)plane : 0;
    step->stride[2] = plane > 1 || pixels == 1 ? below(c, 8) != 0 : 0;
  }
  return steps;
}

/* Lets operands that have a value for each pixel be planes whose rows and columns are repeated. rows and
 * width are multiples of `factor`. */
static void repeat_some(check *c, epilogue *steps, int32_t factor, int32_t width) {
  const bool adds = below(c, 2); /* sums of repeated operands are computed in another order */
  for (int32_t i = 0; i < steps->count; i++) {
    epilogue_step *step = &steps->step[i];
    if (step->op < DK_OP_ADD || step->op >= DK_OP_RELU || step->stride[2] == 0 || below(c, 3) == 0) continue;
    for (int axis = 0; axis < 2; axis++) do
        step->repeat[axis] = 1 + below(c, factor);
      while (factor % step->repeat[axis]);
    step->width = width;
    if (adds) step->op = DK_OP_ADD;
  }
}

static void check_epilogue(check *c, bool long_planes) {
  static const int32_t factors[] = {1, 2, 3, 4, 6, 8, 12};
  const int32_t N = 1 + below(c, 3), C = 1 + below(c, 3), factor = factors[below(c, 7)];
  const int32_t width = factor * (1 + below(c, long_planes ? below(c, 4) ? 12 : 200 : 5));
  const int32_t rows = factor * (1 + below(c, long_planes ? 4000 / (width * factor) + 1 : 3));
  const bool repeats = below(c, 2);
  const size_t any = (size_t)(long_planes ? 2000 + below(c, 3000) : any_size(c));
  const size_t pixels = repeats ? (size_t)width * (size_t)rows : any;
  const size_t first = (size_t)below(c, (int32_t)pixels), count = pixels - first;
  const bool in_place = below(c, 2);
  float *operands, *x = input_floats(count);
  epilogue steps = any_steps(c, N, C, pixels, &operands);
  if (repeats) repeat_some(c, &steps, factor, width);
  begin(c, "epilogue steps=%d ops=%d,%d,%d,%d first=%zu count=%zu in_place=%d repeats=%d factor=%d width=%d",
        steps.count, steps.step[0].op, steps.step[1].op, steps.step[2].op, steps.step[3].op, first, count,
        in_place, repeats, factor, width);
  for (size_t i = 0; i < count; i++) x[i] = below(c, 30) ? uniform(c, -2, 2) : NAN;
  const int32_t length = (int32_t)count, n = below(c, N), channel = below(c, C);
  const outputs y = output_tensors(c, 1, &length, CONTIGUOUS);
  if (in_place) memcpy(y.got.data, x, count * sizeof(float));
  epilogue_apply(&steps, n, channel, first, count, in_place ? y.got.data : x, y.got.data);
  epilogue_apply_reference(&steps, n, channel, first, count, x, y.want.data);
  expect_outputs(c, &y, 4e-6);
  free(operands), free(x);
}

static void check_chain(check *c, dk_context *context, bool large) {
  int32_t shape[MAX_RANK] = {0};
  const int32_t rank = any_shape(c, 0, MAX_RANK, large, shape);
  const layout how = rank >= 2 && below(c, 2) ? PLANAR : CONTIGUOUS;
  size_t pixels = 1;
  for (int32_t i = rank >= 2 ? 2 : 0; i < rank; i++) pixels *= (size_t)shape[i];
  float *operands;
  const epilogue steps = any_steps(c, rank >= 2 ? shape[0] : 1, rank >= 2 ? shape[1] : 1, pixels, &operands);
  begin(c, "chain %s steps=%d ops=%d,%d,%d,%d layout=%d", shape_text(rank, shape), steps.count,
        steps.step[0].op, steps.step[1].op, steps.step[2].op, steps.step[3].op, how);
  const tensor x = input_tensor(c, rank, shape, how, false);
  const outputs y = output_tensors(c, rank, shape, how);
  chain_run(context, &steps, &x.v, &y.got);
  chain_run_reference(&steps, &x.v, &y.want);
  expect_outputs(c, &y, 4e-6);
  free(x.memory), free(operands);
}

static void check_binary_run(check *c, dk_context *context, bool large) {
  int32_t shape[MAX_RANK] = {0};
  const int32_t rank = any_shape(c, 0, MAX_RANK, large, shape);
  const dk_op op = (dk_op)(DK_OP_ADD + below(c, DK_OP_PRELU - DK_OP_ADD + 1));
  const layout how = rank >= 2 && below(c, 2) ? PLANAR : CONTIGUOUS;
  begin(c, "binary_run op=%d %s layout=%d", (int)op, shape_text(rank, shape), how);
  const tensor a = input_tensor(c, rank, shape, below(c, 2) ? ANY : CONTIGUOUS, true);
  const tensor b = input_tensor(c, rank, shape, below(c, 2) ? ANY : CONTIGUOUS, true);
  const outputs y = output_tensors(c, rank, shape, how);
  binary_run(context, op, &a.v, &b.v, &y.got);
  binary_run_reference(op, &a.v, &b.v, &y.want);
  expect_outputs(c, &y, op == DK_OP_POWER ? 0x1p-22 : 0);
  free(a.memory), free(b.memory);
}

static void check_copy(check *c, dk_context *context, bool large) {
  int32_t shape[MAX_RANK] = {0};
  const int32_t rank = any_shape(c, 0, MAX_RANK, large, shape);
  begin(c, "copy %s", shape_text(rank, shape));
  const tensor x = input_tensor(c, rank, shape, (layout)below(c, ANY + 1), true);
  const outputs y = output_tensors(c, rank, shape, (layout)below(c, ANY));
  copy_run(context, &x.v, &y.got);
  copy_run_reference(&x.v, &y.want);
  expect_outputs(c, &y, 0);
  free(x.memory);
}

static void check_pad(check *c, dk_context *context, bool large) {
  int32_t shape[MAX_RANK] = {0}, padded[MAX_RANK] = {0}, before[MAX_RANK] = {0};
  const int32_t rank = any_shape(c, 0, MAX_RANK, large, shape), mode = below(c, 3);
  for (int32_t i = 0; i < rank; i++) {
    /* At most length - 1 elements are reflected; at least one is left. */
    const int32_t most = mode == PAD_REFLECT && shape[i] <= 3 ? shape[i] - 1 : 3;
    before[i] = below(c, 2) ? below(c, most + 1) : 0;
    int32_t behind = below(c, 2) ? below(c, most + 1) : 0;
    if (below(c, 3) == 0) before[i] = -below(c, shape[i]);
    if (below(c, 3) == 0) behind = -below(c, shape[i] + min_i32(before[i], 0));
    padded[i] = shape[i] + before[i] + behind;
  }
  begin(c, "pad mode=%d %s before=%d,%d,%d,%d,%d,%d", mode, shape_text(rank, shape), before[0], before[1],
        before[2], before[3], before[4], before[5]);
  const tensor x = input_tensor(c, rank, shape, (layout)below(c, ANY + 1), true);
  const outputs y = output_tensors(c, rank, padded, (layout)below(c, ANY));
  pad_run(context, mode, 0.5f, before, &x.v, &y.got);
  pad_run_reference(mode, 0.5f, before, &x.v, &y.want);
  expect_outputs(c, &y, 0);
  free(x.memory);
}

static void check_resize_layer(check *c, dk_context *context, bool large) {
  resizing how = {.mode = below(c, 2), .coordinates = below(c, 4), .rounding = below(c, 4)};
  int32_t shape[4] = {1 + below(c, 2), 1 + below(c, 3), any_size(c), any_size(c)}, resized[4];
  for (int32_t i = 0; i < 4; i++) {
    resized[i] = shape[i];
    if (i < 2) continue;
    const int kind = below(c, 4);
    if (kind == 0) resized[i] = any_size(c);
    if (kind == 1) resized[i] *= 1 << below(c, 4);
    if (kind == 2) resized[i] *= 1 + below(c, 6);
    if (large && i == 3) resized[1] = shape[1] = 2 + LARGE / (resized[2] * resized[3]);
    how.scale[i - 2] = (float)resized[i] / (float)shape[i];
    /* A file may have a scale that is not the ratio. */
    if (below(c, 4) == 0) how.scale[i - 2] *= uniform(c, 0.9, 1.1);
  }
  begin(c, "resize mode=%d coordinates=%d rounding=%d %s to %dx%d scale=%g,%g", how.mode, how.coordinates,
        how.rounding, shape_text(4, shape), resized[2], resized[3], (double)how.scale[0],
        (double)how.scale[1]);
  const tensor x = input_tensor(c, 4, shape, PLANAR, true);
  /* A sum of the largest numbers may overflow in single precision. If all numbers are infinite, no weight may
   * be 0. */
  const bool infinite = below(c, 8) == 0;
  for (size_t i = 0; i < x.floats; i++) {
    if (infinite)
      x.memory[i] = INFINITY;
    else if (isfinite(x.memory[i]) && fabsf(x.memory[i]) > 2)
      x.memory[i] = 2;
  }
  const outputs y = output_tensors(c, 4, resized, PLANAR);
  const size_t bytes = (size_t)resize_workspace(&how, &x.v, &y.got);
  void *workspace = guarded_alloc(bytes);
  plant_subnormals(workspace, bytes);
  resize_run(context, &how, &x.v, &y.got, workspace);
  if (!guards_hold(workspace, bytes, "workspace")) mismatch(c, "workspace");
  resize_run_reference(&how, &x.v, &y.want);
  expect_outputs(c, &y, how.mode == RESIZE_NEAREST ? 0 : 1e-6);
  guarded_free(workspace), free(x.memory);
}

/* ------------------------------------------------------------------------------------- main */

int check_layers_elementwise(uint32_t seed, int count) {
  check c = {.random = {seed}};
  for (int op = DK_OP_RELU; op <= DK_OP_ERF; op++) {
    for (size_t length = 0; length < 20; length++) check_unary(&c, (dk_op)op, length);
    for (int i = 0; i < count / 100; i++) check_unary(&c, (dk_op)op, 500 + (size_t)below(&c, 9));
  }
  for (int op = DK_OP_ADD; op <= DK_OP_PRELU; op++) {
    for (size_t length = 0; length < 20; length++) check_binary(&c, (dk_op)op, length);
    for (int i = 0; i < count / 40; i++) check_binary(&c, (dk_op)op, (size_t)below(&c, 50));
  }
  /* The calling thread computes the parts of all four threads, because the others never start. */
  dk_context *context = dk_context_create();
  dk_context_set_threads(context, 4);
  for (int i = 0; i < count; i++) {
    const bool large = i % 700 == 0;
    check_epilogue(&c, i % 50 == 0);
    check_chain(&c, context, large);
    check_binary_run(&c, context, large);
    check_copy(&c, context, large);
    check_pad(&c, context, large);
    check_resize_layer(&c, context, large);
  }
  dk_context_destroy(context);
  return c.failures;
}
