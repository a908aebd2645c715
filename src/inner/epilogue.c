/* See inner/epilogue.h. */
#include "inner/epilogue.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/simd.h"
#include "inner/binary.h"
#include "inner/hard_swish.h"
#include "inner/repeat.h"
#include "inner/unary.h"

enum {
  PIECE = 1024,    /* pixels that pass through all steps while they are in the nearest cache */
  MOST_ADDED = 2,  /* operands that are added in one pass */
  MOST_SUMMED = 3, /* operands whose rows and columns are repeated together */
  ROOMS = 4,       /* for operands whose rows and columns are repeated */
};

/* The pixels of a plane that the steps are applied to. */
typedef struct piece {
  int32_t n, c;
  size_t first, count;
  int32_t rooms; /* that are taken */
  float room[ROOMS][PIECE];
} piece;

/* The address of the operand's plane. */
static const float *epilogue_plane(const epilogue_step *step, int32_t n, int32_t c) {
  DK_ASSERT(step->stride[2] == 0 || step->stride[2] == 1);
  return step->operand + ((ptrdiff_t)n * step->stride[0] + (ptrdiff_t)c * step->stride[1]);
}

static bool epilogue_repeats(const epilogue_step *step) {
  return step->stride[2] == 1 && step->repeat[1] > 0;
}

/* How many steps from `step` on add operands, each repeated a multiple of the times that the one before is.
 * Their sum is then repeated once. */
SMALL static int32_t epilogue_sum_length(const epilogue_step *step, const epilogue_step *end,
                                         const piece *on) {
  int32_t length = 1;
  if (step->op != DK_OP_ADD || on->first % (size_t)step->width || on->count % (size_t)step->width)
    return length;
  for (const epilogue_step *next = step + 1; next < end && length < MOST_SUMMED; next++, length++)
    if (next->op != DK_OP_ADD || !epilogue_repeats(next) || next->repeat[0] % next[-1].repeat[0] ||
        next->repeat[1] % next[-1].repeat[1])
      break;
  return length;
}

/* The plane of the first of `length` operands plus those after it, repeated to its size. Only the rows that
 * the pixels need are there. */
SMALL static const float *epilogue_sum(const epilogue_step *step, int32_t length, piece *on) {
  const float *plane = epilogue_plane(step, on->n, on->c);
  if (length == 1) return plane;
  const float *rest = epilogue_sum(step + 1, length - 1, on);
  const int32_t times[2] = {step[1].repeat[0] / step->repeat[0], step[1].repeat[1] / step->repeat[1]};
  const size_t rows = (size_t)step->width * (size_t)step->repeat[0]; /* pixels of the rows that are alike */
  const int32_t width = step->width / step->repeat[1];
  const size_t begin = on->first / rows * (size_t)width;
  const size_t end = ((on->first + on->count - 1) / rows + 1) * (size_t)width;
  float *sum = on->room[on->rooms++];
  repeat_pixels(rest, times, width, begin, end - begin, sum);
  binary_apply(DK_OP_ADD, sum, 1, plane + begin, 1, end - begin, sum);
  return sum - begin;
}

/* The operand's elements for the pixels: they lie stride[2] apart. Those that are repeated may be the sum of
 * those of `length` steps. */
SMALL static const float *epilogue_operand(const epilogue_step *step, int32_t length, piece *on) {
  if (!epilogue_repeats(step))
    return epilogue_plane(step, on->n, on->c) + on->first * (size_t)step->stride[2];
  const float *plane = epilogue_sum(step, length, on);
  float *repeated = on->room[on->rooms++];
  repeat_pixels(plane, step->repeat, step->width, on->first, on->count, repeated);
  return repeated;
}

/* --------------------------------------------------------------------------- steps in one pass */

/* y = clip(x * scale + shift + the operands, low, high), or if `swish` y = hardswish(x * scale + shift) *
 * outer_scale + outer_shift: the most common steps, in the order in which they mostly follow each other. */
typedef struct fused {
  float scale, shift, low, high, outer_scale, outer_shift;
  bool swish;
  int32_t added;
  const float *operand[MOST_ADDED];
} fused;

/* Takes as many steps as fit, from `first` on. Returns how many. */
SMALL static int32_t epilogue_fuse(const epilogue *steps, int32_t first, piece *on, fused *pass) {
  on->rooms = 0;
  *pass = (fused){.scale = 1, .low = -INFINITY, .high = INFINITY, .outer_scale = 1};
  const epilogue_step *step = steps->step + first, *end = steps->step + steps->count;

  /* Factors of a channel become one, unless it would overflow. */
  for (; step < end && step->op == DK_OP_MULTIPLY && step->stride[2] == 0; step++) {
    const float scale = pass->scale * *epilogue_plane(step, on->n, on->c);
    if (!isfinite(scale)) break;
    pass->scale = scale;
  }
  if (step < end && step->op == DK_OP_BATCH_NORM) {
    const bool alone = step == steps->step + first; /* its own scale need not be finite */
    const float scale = pass->scale * (step->scale ? step->scale[on->c] : 1);
    if (alone || isfinite(scale)) {
      pass->scale = scale;
      if (step->shift) pass->shift = step->shift[on->c];
      step++;
    }
  }
  if (step < end && step->op == DK_OP_HARD_SWISH) {
    pass->swish = true;
    step++;
    if (step < end && step->op == DK_OP_BATCH_NORM) {
      if (step->scale) pass->outer_scale = step->scale[on->c];
      if (step->shift) pass->outer_shift = step->shift[on->c];
      step++;
    }
    return (int32_t)(step - steps->step) - first;
  }
  while (step < end && step->op == DK_OP_ADD && step->stride[2] == 1 && pass->added < MOST_ADDED) {
    const int32_t length = epilogue_repeats(step) ? epilogue_sum_length(step, end, on) : 1;
    if (epilogue_repeats(step) && on->rooms + length > ROOMS) break;
    pass->operand[pass->added++] = epilogue_operand(step, length, on);
    step += length;
  }
  if (step < end && step->op == DK_OP_RELU) {
    pass->low = 0;
    step++;
  } else if (step < end && step->op == DK_OP_CLIP) {
    pass->low = step->p[0], pass->high = step->p[1];
    step++;
  }
  return (int32_t)(step - steps->step) - first;
}

/* Loops over whole vectors: count is a multiple of 4. Four vectors are loaded before one is stored, so that
 * V8 can make pairs of them. */
typedef void (*epilogue_loop)(const fused *pass, const float *x, size_t count, float *y);

#define LOOP(vectors)                                                                                        \
  _Pragma("clang loop unroll(disable)") for (; i + 16 <= count; i += 16) vectors(4);                         \
  _Pragma("clang loop unroll(disable)") for (; i < count; i += 4) vectors(1);

/* clip(x * scale + shift + the operands, low, high). Callers pass a constant for `added`. */
INLINE void epilogue_add(const int added, const fused *pass, const float *x, size_t count, float *y) {
  const v128_t scale = wasm_v128_load32_splat(&pass->scale), shift = wasm_v128_load32_splat(&pass->shift);
  const v128_t low = wasm_v128_load32_splat(&pass->low), high = wasm_v128_load32_splat(&pass->high);
  const float *operand[MOST_ADDED];
  for (int k = 0; k < added; k++) operand[k] = pass->operand[k];
  v128_t value[4];
  size_t i = 0;
  /* pmax(value, low) is value < low ? low : value, so NaN stays. */
#define VECTORS(V)                                                                                           \
  {                                                                                                          \
    for (int v = 0; v < (V); v++) value[v] = madd(wasm_v128_load(x + i + 4 * v), scale, shift);              \
    for (int k = 0; k < added; k++)                                                                          \
      for (int v = 0; v < (V); v++)                                                                          \
        value[v] = wasm_f32x4_add(value[v], wasm_v128_load(operand[k] + i + 4 * v));                         \
    for (int v = 0; v < (V); v++) value[v] = wasm_f32x4_pmin(wasm_f32x4_pmax(value[v], low), high);          \
    for (int v = 0; v < (V); v++) wasm_v128_store(y + i + 4 * v, value[v]);                                  \
  }
  LOOP(VECTORS)
#undef VECTORS
}

static void epilogue_none_loop(const fused *pass, const float *x, size_t count, float *y) {
  epilogue_add(0, pass, x, count, y);
}
static void epilogue_one_loop(const fused *pass, const float *x, size_t count, float *y) {
  epilogue_add(1, pass, x, count, y);
}
static void epilogue_two_loop(const fused *pass, const float *x, size_t count, float *y) {
  epilogue_add(2, pass, x, count, y);
}
/* hardswish(x * scale + shift) * outer_scale + outer_shift */
static void epilogue_swish_loop(const fused *pass, const float *x, size_t count, float *y) {
  const v128_t scale = wasm_v128_load32_splat(&pass->scale), shift = wasm_v128_load32_splat(&pass->shift);
  const v128_t outer_scale = wasm_v128_load32_splat(&pass->outer_scale);
  const v128_t outer_shift = wasm_v128_load32_splat(&pass->outer_shift);
  v128_t value[4];
  size_t i = 0;
#define VECTORS(V)                                                                                           \
  {                                                                                                          \
    for (int v = 0; v < (V); v++) value[v] = hard_swish(madd(wasm_v128_load(x + i + 4 * v), scale, shift));  \
    for (int v = 0; v < (V); v++) wasm_v128_store(y + i + 4 * v, madd(value[v], outer_scale, outer_shift));  \
  }
  LOOP(VECTORS)
#undef VECTORS
}

SMALL static void epilogue_pass(const fused *pass, const float *x, size_t count, float *y) {
  static const epilogue_loop by_added[] = {epilogue_none_loop, epilogue_one_loop, epilogue_two_loop};
  const epilogue_loop loop = pass->swish ? epilogue_swish_loop : by_added[pass->added];
  const size_t whole = count - count % 4, bytes = (count - whole) * sizeof(float);
  loop(pass, x, whole, y);
  if (bytes == 0) return;

  /* The last one to three numbers are computed beside zeros. */
  float rest[4] = {0}, operand[MOST_ADDED][4] = {{0}};
  fused last = *pass;
  memcpy(rest, x + whole, bytes);
  for (int32_t k = 0; k < pass->added; k++) {
    memcpy(operand[k], pass->operand[k] + whole, bytes);
    last.operand[k] = operand[k];
  }
  loop(&last, rest, 4, rest);
  memcpy(y + whole, rest, bytes);
}

/* ------------------------------------------------------------------------------------ steps */

SMALL static void epilogue_binary(const epilogue_step *step, piece *on, const float *x, float *y) {
  const float *operand = epilogue_operand(step, 1, on);
  const size_t operand_step = (size_t)step->stride[2];
  if (step->reversed)
    binary_apply(step->op, operand, operand_step, x, 1, on->count, y);
  else
    binary_apply(step->op, x, 1, operand, operand_step, on->count, y);
}

/* How many pixels are computed at a time: whole rows if some are repeated, all those that are alike if they
 * fit. */
SMALL static size_t epilogue_piece(const epilogue *steps) {
  size_t pixels = 1;
  for (int32_t i = 0; i < steps->count; i++) {
    const epilogue_step *step = &steps->step[i];
    const size_t width = (size_t)step->width, rows = width * (size_t)step->repeat[0];
    if (step->repeat[1] > 0 && width <= PIECE && pixels % width) pixels = width;
    if (step->repeat[1] > 0 && rows <= PIECE && rows > pixels) pixels = rows;
  }
  return PIECE / pixels * pixels;
}

SMALL void epilogue_apply(const epilogue *steps, int32_t n, int32_t c, size_t first, size_t count,
                          const float *x, float *y) {
  DK_ASSERT(steps->count >= 0 && steps->count <= MAX_STEPS);
  if (steps->count == 0 && x != y) memcpy(y, x, count * sizeof(float));
  const size_t most = epilogue_piece(steps);
  piece on;
  on.n = n, on.c = c;
  for (size_t start = 0; start < count; start += most) {
    on.first = first + start;
    on.count = count - start < most ? count - start : most;
    float *target = y + start;
    const float *source = x + start;
    for (int32_t i = 0; i < steps->count; source = target) {
      const epilogue_step *step = &steps->step[i];
      fused pass;
      const int32_t taken = epilogue_fuse(steps, i, &on, &pass);
      if (taken > 0)
        epilogue_pass(&pass, source, on.count, target);
      else if (step->op >= DK_OP_RELU)
        unary_apply(step->op, step->p, source, on.count, target);
      else
        epilogue_binary(step, &on, source, target);
      i += taken > 0 ? taken : 1;
    }
  }
}

/* -------------------------------------------------------------------------------- reference */

void epilogue_apply_reference(const epilogue *steps, int32_t n, int32_t c, size_t first, size_t count,
                              const float *x, float *y) {
  for (size_t j = 0; j < count; j++) {
    float value = x[j];
    for (int32_t i = 0; i < steps->count; i++) {
      const epilogue_step *step = &steps->step[i];
      if (step->op == DK_OP_BATCH_NORM) {
        const double scale = step->scale ? (double)step->scale[c] : 1;
        value = (float)((double)value * scale + (step->shift ? (double)step->shift[c] : 0));
      } else if (step->op >= DK_OP_RELU) {
        unary_apply_reference(step->op, step->p, &value, 1, &value);
      } else {
        const float *operand = epilogue_plane(step, n, c);
        if (step->stride[2] && step->repeat[1]) {
          const size_t width = (size_t)step->width, row = (first + j) / width, column = (first + j) % width;
          operand += row / (size_t)step->repeat[0] * (width / (size_t)step->repeat[1]);
          operand += column / (size_t)step->repeat[1];
        } else {
          operand += (first + j) * (size_t)step->stride[2];
        }
        if (step->reversed)
          binary_apply_reference(step->op, operand, 0, &value, 0, 1, &value);
        else
          binary_apply_reference(step->op, &value, 0, operand, 0, 1, &value);
      }
    }
    y[j] = value;
  }
}
