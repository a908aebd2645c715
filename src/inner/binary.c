/* See inner/binary.h. */
#include "inner/binary.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/elementary.h"
#include "base/simd.h"

/* ----------------------------------------------------------------------------------- power */

/* The powers of C. Tables as those of the C library would be a large part of the module. */
SMALL APART static float binary_power_value(float base, float exponent) {
  const double x = fabs((double)base), y = (double)exponent;
  if (base == 1 || y == 0 || (x == 1 && isinf(y))) return 1;
  const double log = x == 0 ? -INFINITY : x < INFINITY ? logarithm(x) : x;
  const double power = exponential(y * log);
  if (!signbit(base)) return (float)power;
  /* A negative number has powers with integer exponents only. Those with odd ones are negative. */
  if (floor(y) != y) return x > 0 && x < INFINITY ? NAN : (float)power;
  return (float)(floor(y / 2) * 2 == y ? power : -power);
}

/* ------------------------------------------------------------------- the ops, four numbers each */

#define BINARY(name) INLINE v128_t binary_##name(v128_t a, v128_t b)

BINARY(add) { return wasm_f32x4_add(a, b); }
BINARY(subtract) { return wasm_f32x4_sub(a, b); }
BINARY(multiply) { return wasm_f32x4_mul(a, b); }
BINARY(divide) { return wasm_f32x4_div(a, b); }
BINARY(minimum) { return wasm_f32x4_min(a, b); }
BINARY(maximum) { return wasm_f32x4_max(a, b); }
BINARY(prelu) { return wasm_v128_bitselect(wasm_f32x4_mul(a, b), a, wasm_f32x4_lt(a, steady_f32(0))); }
BINARY(cube) { return (void)b, wasm_f32x4_mul(wasm_f32x4_mul(a, a), a); }
BINARY(power) {
  return wasm_f32x4_make(binary_power_value(wasm_f32x4_extract_lane(a, 0), wasm_f32x4_extract_lane(b, 0)),
                         binary_power_value(wasm_f32x4_extract_lane(a, 1), wasm_f32x4_extract_lane(b, 1)),
                         binary_power_value(wasm_f32x4_extract_lane(a, 2), wasm_f32x4_extract_lane(b, 2)),
                         binary_power_value(wasm_f32x4_extract_lane(a, 3), wasm_f32x4_extract_lane(b, 3)));
}

/* ------------------------------------------------------------------------------------ loops */

typedef void (*binary_loop)(const float *a, size_t a_step, const float *b, size_t b_step, size_t count,
                            float *y);

/* A loop over whole vectors: count is a multiple of 4. An operand of step 0 is read as the same vector each
 * time. */
#define LOOP(name)                                                                                           \
  static void binary_##name##_loop(const float *a, size_t a_step, const float *b, size_t b_step,             \
                                   size_t count, float *y) {                                                 \
    _Pragma("clang loop unroll(disable)") for (size_t i = 0; i < count; i += 4) wasm_v128_store(             \
        y + i, binary_##name(wasm_v128_load(a + i * a_step), wasm_v128_load(b + i * b_step)));               \
  }

/* The same for the most common ops. Four results are computed before one is stored, so that V8 can make pairs
 * of them. */
#define LOOP_OF_FOUR(name)                                                                                   \
  static void binary_##name##_loop(const float *a, size_t a_step, const float *b, size_t b_step,             \
                                   size_t count, float *y) {                                                 \
    size_t i = 0;                                                                                            \
    _Pragma("clang loop unroll(disable)") for (; i + 16 <= count; i += 16) {                                 \
      v128_t value[4];                                                                                       \
      for (int v = 0; v < 4; v++)                                                                            \
        value[v] = binary_##name(wasm_v128_load(a + (i + 4 * v) * a_step),                                   \
                                 wasm_v128_load(b + (i + 4 * v) * b_step));                                  \
      for (int v = 0; v < 4; v++) wasm_v128_store(y + i + 4 * v, value[v]);                                  \
    }                                                                                                        \
    _Pragma("clang loop unroll(disable)") for (; i < count; i += 4) wasm_v128_store(                         \
        y + i, binary_##name(wasm_v128_load(a + i * a_step), wasm_v128_load(b + i * b_step)));               \
  }

LOOP_OF_FOUR(add)
LOOP(subtract)
LOOP_OF_FOUR(multiply)
LOOP(divide)
LOOP(minimum)
LOOP(maximum)
LOOP(power)
LOOP(prelu)
LOOP(cube)

static const binary_loop BINARY_LOOPS[] = {
    [DK_OP_ADD] = binary_add_loop,           [DK_OP_SUBTRACT] = binary_subtract_loop,
    [DK_OP_MULTIPLY] = binary_multiply_loop, [DK_OP_DIVIDE] = binary_divide_loop,
    [DK_OP_MINIMUM] = binary_minimum_loop,   [DK_OP_MAXIMUM] = binary_maximum_loop,
    [DK_OP_POWER] = binary_power_loop,       [DK_OP_PRELU] = binary_prelu_loop,
};

SMALL void binary_apply(dk_op op, const float *a, size_t a_step, const float *b, size_t b_step, size_t count,
                        float *y) {
  DK_ASSERT(op >= DK_OP_ADD && op <= DK_OP_PRELU && a_step <= 1 && b_step <= 1);
  if (count == 0) return;
  binary_loop loop = BINARY_LOOPS[op];

  /* Squares and cubes are common. */
  if (op == DK_OP_POWER && b_step == 0 && (*b == 2 || *b == 3)) {
    loop = *b == 2 ? binary_multiply_loop : binary_cube_loop;
    b = a, b_step = a_step;
  }

  /* Splats of operands that do not move. */
  float a_splat[4], b_splat[4];
  if (a_step == 0) wasm_v128_store(a_splat, wasm_v128_load32_splat(a)), a = a_splat;
  if (b_step == 0) wasm_v128_store(b_splat, wasm_v128_load32_splat(b)), b = b_splat;
  const size_t whole = count - count % 4, bytes = (count - whole) * sizeof(float);
  loop(a, a_step, b, b_step, whole, y);
  if (bytes == 0) return;

  /* The last one to three numbers are computed beside ones. */
  float a_rest[4] = {1, 1, 1, 1}, b_rest[4] = {1, 1, 1, 1};
  memcpy(a_rest, a + whole * a_step, bytes);
  memcpy(b_rest, b + whole * b_step, bytes);
  loop(a_rest, 1, b_rest, 1, 4, a_rest);
  memcpy(y + whole, a_rest, bytes);
}

/* -------------------------------------------------------------------------------- reference */

static double binary_reference_value(dk_op op, double a, double b) {
  const bool nan = isnan(a) || isnan(b);
  switch (op) {
  case DK_OP_ADD:
    return a + b;
  case DK_OP_SUBTRACT:
    return a - b;
  case DK_OP_MULTIPLY:
    return a * b;
  case DK_OP_DIVIDE:
    return a / b;
  case DK_OP_MINIMUM:
    return nan ? NAN : a < b ? a : b;
  case DK_OP_MAXIMUM:
    return nan ? NAN : a > b ? a : b;
  case DK_OP_POWER:
    return pow(a, b);
  default:
    return a < 0 ? a * b : a;
  }
}

void binary_apply_reference(dk_op op, const float *a, size_t a_step, const float *b, size_t b_step,
                            size_t count, float *y) {
  for (size_t i = 0; i < count; i++)
    y[i] = (float)binary_reference_value(op, (double)a[i * a_step], (double)b[i * b_step]);
}
