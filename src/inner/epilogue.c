/* See inner/epilogue.h. */
#include "inner/epilogue.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/simd.h"
#include "inner/binary.h"
#include "inner/unary.h"

enum { PIECE = 2048 }; /* pixels that pass through all steps while they are in the nearest cache */

/* The operand's element for a pixel. */
static const float *epilogue_operand(const epilogue_step *step, int32_t n, int32_t c, size_t pixel) {
  DK_ASSERT(step->stride[2] == 0 || step->stride[2] == 1);
  return step->operand + ((ptrdiff_t)n * step->stride[0] + (ptrdiff_t)c * step->stride[1]) +
         pixel * (size_t)step->stride[2];
}

/* --------------------------------------------------------------------------- steps in one pass */

/* y = clip(x * scale + shift + operand, low, high): the most common steps, in the order in which they mostly
 * follow each other. */
typedef struct fused {
  float scale, shift, low, high;
  const float *operand;
  size_t operand_step; /* 0 or 1 */
} fused;

/* Takes as many steps as fit, from `first` on. Returns how many. */
SMALL static int32_t epilogue_fuse(const epilogue *steps, int32_t first, int32_t n, int32_t c, size_t pixel,
                                   fused *pass) {
  static const float zero = 0;
  *pass = (fused){1, 0, -INFINITY, INFINITY, &zero, 0};
  const epilogue_step *step = steps->step + first, *end = steps->step + steps->count;

  if (step < end && step->op == DK_OP_BATCH_NORM) {
    if (step->scale) pass->scale = step->scale[c];
    if (step->shift) pass->shift = step->shift[c];
    step++;
  } else if (step < end && step->op == DK_OP_MULTIPLY && step->stride[2] == 0) {
    pass->scale = *epilogue_operand(step, n, c, 0);
    step++;
  }
  if (step < end && step->op == DK_OP_ADD) {
    pass->operand = epilogue_operand(step, n, c, pixel);
    pass->operand_step = (size_t)step->stride[2];
    step++;
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

/* A loop over whole vectors: count is a multiple of 4. */
APART static void epilogue_loop(const fused *pass, const float *x, const float *operand, size_t operand_step,
                                size_t count, float *y) {
  const v128_t scale = wasm_v128_load32_splat(&pass->scale), shift = wasm_v128_load32_splat(&pass->shift);
  const v128_t low = wasm_v128_load32_splat(&pass->low), high = wasm_v128_load32_splat(&pass->high);
#pragma clang loop unroll(disable)
  for (size_t i = 0; i < count; i += 4) {
    v128_t value = madd(wasm_v128_load(x + i), scale, shift);
    value = wasm_f32x4_add(value, wasm_v128_load(operand + i * operand_step));
    /* pmax(value, low) is value < low ? low : value, so NaN stays. */
    wasm_v128_store(y + i, wasm_f32x4_pmin(wasm_f32x4_pmax(value, low), high));
  }
}

SMALL static void epilogue_pass(const fused *pass, const float *x, size_t count, float *y) {
  /* An operand of step 0 is read as the same vector each time. */
  float splat[4];
  wasm_v128_store(splat, wasm_v128_load32_splat(pass->operand));
  const float *operand = pass->operand_step ? pass->operand : splat;
  const size_t whole = count - count % 4, bytes = (count - whole) * sizeof(float);
  epilogue_loop(pass, x, operand, pass->operand_step, whole, y);
  if (bytes == 0) return;

  /* The last one to three numbers are computed beside zeros. */
  float rest[4] = {0};
  memcpy(rest, x + whole, bytes);
  if (pass->operand_step) memcpy(splat, operand + whole, bytes);
  epilogue_loop(pass, rest, splat, 0, 4, rest);
  memcpy(y + whole, rest, bytes);
}

/* ------------------------------------------------------------------------------------ steps */

SMALL static void epilogue_binary(const epilogue_step *step, int32_t n, int32_t c, size_t pixel,
                                  const float *x, size_t count, float *y) {
  const float *operand = epilogue_operand(step, n, c, pixel);
  const size_t operand_step = (size_t)step->stride[2];
  if (step->reversed)
    binary_apply(step->op, operand, operand_step, x, 1, count, y);
  else
    binary_apply(step->op, x, 1, operand, operand_step, count, y);
}

SMALL void epilogue_apply(const epilogue *steps, int32_t n, int32_t c, size_t first, size_t count,
                          const float *x, float *y) {
  DK_ASSERT(steps->count >= 0 && steps->count <= MAX_STEPS);
  if (steps->count == 0 && x != y) memcpy(y, x, count * sizeof(float));
  for (size_t start = 0; start < count; start += PIECE) {
    const size_t length = count - start < PIECE ? count - start : PIECE, pixel = first + start;
    float *target = y + start;
    const float *source = x + start;
    for (int32_t i = 0; i < steps->count; source = target) {
      const epilogue_step *step = &steps->step[i];
      fused pass;
      const int32_t taken = epilogue_fuse(steps, i, n, c, pixel, &pass);
      if (taken > 0)
        epilogue_pass(&pass, source, length, target);
      else if (step->op >= DK_OP_RELU)
        unary_apply(step->op, step->p, source, length, target);
      else
        epilogue_binary(step, n, c, pixel, source, length, target);
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
        const float *operand = epilogue_operand(step, n, c, first + j);
        if (step->reversed)
          binary_apply_reference(step->op, operand, 0, &value, 0, 1, &value);
        else
          binary_apply_reference(step->op, &value, 0, operand, 0, 1, &value);
      }
    }
    y[j] = value;
  }
}
