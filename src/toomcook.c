/* See toomcook.h. */
#include "toomcook.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Pairs of points, chosen for the least error on random inputs: denominators of few bits, and
 * magnitudes on both sides of 1 so that neither high nor low powers prevail. */
static const double points[3][TOOM_PAIRS] = {
    {3. / 4, 3. / 2},               /* R = 3 */
    {1. / 2, 1., 2.},               /* R = 5 */
    {3. / 8, 4. / 5, 5. / 4, 5. / 2}, /* R = 7 */
};

toomcook toomcook_for(int32_t R) {
  toomcook t = {.R = R, .pairs = (R + 1) / 2, .n = R + 3};
  const double *p = points[(R - 3) / 2];
  const int P = t.pairs;

  /* M(x) = x * product of (x^2 - p^2): its coefficients in x^2 are those of the product. */
  double product[TOOM_PAIRS + 1] = {1};
  for (int j = 0; j < P; j++)
    for (int i = j + 1; i >= 0; i--)
      product[i] = (i ? product[i - 1] : 0) - p[j] * p[j] * product[i];
  for (int i = 0; i <= P; i++) {
    t.inf[i] = (float)product[i];
    t.zero[i] = (float)(product[i] / product[0]);
  }

  /* Lagrange's basis at +-p: x (x +- p) Q(x^2) / (2 p^2 Q(p^2)), Q the product without this pair. */
  for (int j = 0; j < P; j++) {
    double q[TOOM_PAIRS] = {0}, carry = 0, at_p = 0;
    for (int i = P; i >= 1; i--) q[i - 1] = carry = product[i] + p[j] * p[j] * carry;
    for (int i = P - 1; i >= 0; i--) at_p = at_p * p[j] * p[j] + q[i];
    const double divisor = 2 * p[j] * p[j] * at_p;
    t.point[j] = (float)p[j];
    for (int i = 0; i < P; i++) {
      t.even[j][i] = (float)(q[i] / divisor);
      t.odd[j][i] = (float)(p[j] * q[i] / divisor);
    }
  }
  return t;
}

/* Sum of c[i] * d[2i], i < count. */
INLINE v128_t dot(const int count, const float *c, const v128_t *d) {
  v128_t sum = wasm_f32x4_mul(wasm_v128_load32_splat(c), d[0]);
  for (int i = 1; i < count; i++) sum = madd(wasm_v128_load32_splat(c + i), d[2 * i], sum);
  return sum;
}

/* P = pairs is a constant wherever these are inlined. */
INLINE v128_t inputs(const int P, const toomcook *t, const float *input, int32_t row_floats,
                     int32_t columns, float *v, size_t v_row) {
  const int n = 2 * P + 2;
  const v128_t nothing = wasm_f32x4_splat(0);
  v128_t watch = nothing;
#pragma clang loop unroll(disable)
  for (int32_t x = 0; x < columns; x += 4, v += 4) {
    v128_t d[TOOM_POINTS];
    for (int i = 0; i < n; i++) d[i] = wasm_v128_load(input + (ptrdiff_t)i * row_floats + x);
    /* d[1], d[3], ... enter infinity's row, the others the row of 0 */
    const v128_t first = dot(P + 1, t->zero, d), last = dot(P + 1, t->inf, d + 1);
    watch = madd(nothing, first, madd(nothing, last, watch));
    wasm_v128_store(v, first);
    wasm_v128_store(v + (n - 1) * v_row, last);
    for (int j = 0; j < P; j++) {
      const v128_t even = dot(P, t->even[j], d + 2), odd = dot(P, t->odd[j], d + 1);
      wasm_v128_store(v + (2 * j + 1) * v_row, wasm_f32x4_add(even, odd));
      wasm_v128_store(v + (2 * j + 2) * v_row, wasm_f32x4_sub(even, odd));
    }
  }
  return watch;
}

/* Whole chunks of four rows and columns, which is nearly all, are stored without a question. */
INLINE void outputs(const int P, const toomcook *t, const float *products, size_t m_row, float bias,
                    int32_t columns, int32_t rows, float *y, size_t y_row) {
  const v128_t b = wasm_f32x4_splat(bias);
  v128_t p[TOOM_PAIRS]; /* copies, since the compiler must assume that a store changes *t */
  for (int j = 0; j < P; j++) p[j] = wasm_v128_load32_splat(&t->point[j]);
#pragma clang loop unroll(disable)
  for (int32_t x = 0; x < columns; x += 4, products += 4, y += 4) {
    v128_t out[TOOM_TILE] = {wasm_f32x4_add(b, wasm_v128_load(products)), b, b,
                             wasm_f32x4_add(b, wasm_v128_load(products + (2 * P + 1) * m_row))};
    for (int j = 0; j < P; j++) {
      const v128_t plus = wasm_v128_load(products + (2 * j + 1) * m_row);
      const v128_t minus = wasm_v128_load(products + (2 * j + 2) * m_row);
      v128_t even = wasm_f32x4_add(plus, minus);
      v128_t odd = wasm_f32x4_mul(p[j], wasm_f32x4_sub(plus, minus));
      out[0] = wasm_f32x4_add(out[0], even);
      out[1] = wasm_f32x4_add(out[1], odd);
      even = wasm_f32x4_mul(p[j], even), odd = wasm_f32x4_mul(p[j], odd);
      out[2] = madd(p[j], even, out[2]);
      out[3] = madd(p[j], odd, out[3]);
    }
    if (rows == TOOM_TILE && x + 4 <= columns) {
      for (int i = 0; i < TOOM_TILE; i++) wasm_v128_store(y + i * y_row, out[i]);
    } else {
      for (int i = 0; i < rows; i++) {
        float narrow[4];
        wasm_v128_store(narrow, out[i]);
        memcpy(y + i * y_row, narrow, sizeof(float) * (size_t)(x + 4 <= columns ? 4 : columns - x));
      }
    }
  }
}

v128_t toomcook_inputs(const toomcook *t, const float *input, int32_t row_floats, int32_t columns,
                       float *v, size_t v_row) {
  if (t->pairs == 2) return inputs(2, t, input, row_floats, columns, v, v_row);
  if (t->pairs == 3) return inputs(3, t, input, row_floats, columns, v, v_row);
  return inputs(4, t, input, row_floats, columns, v, v_row);
}

void toomcook_outputs(const toomcook *t, const float *products, size_t m_row, float bias,
                      int32_t columns, int32_t rows, float *y, size_t y_row) {
  if (t->pairs == 2)
    outputs(2, t, products, m_row, bias, columns, rows, y, y_row);
  else if (t->pairs == 3)
    outputs(3, t, products, m_row, bias, columns, rows, y, y_row);
  else
    outputs(4, t, products, m_row, bias, columns, rows, y, y_row);
}

void toomcook_kernels(const toomcook *t, const float *weight, size_t tap_floats, float *u,
                      size_t u_row) {
  for (int half = 0; half < 8; half += 4, weight += 4, u += 4) {
    wasm_v128_store(u, wasm_v128_load(weight));
    wasm_v128_store(u + (t->n - 1) * u_row, wasm_v128_load(weight + (t->R - 1) * tap_floats));
    for (int j = 0; j < t->pairs; j++) {
      const v128_t p = wasm_f32x4_splat(t->point[j]), square = wasm_f32x4_mul(p, p);
      v128_t even = wasm_f32x4_splat(0), odd = even; /* Horner's rule in p^2, from the last tap */
      for (int32_t r = t->R - 1; r >= 0; r -= 2)
        even = madd(square, even, wasm_v128_load(weight + r * tap_floats));
      for (int32_t r = t->R - 2; r >= 1; r -= 2)
        odd = madd(square, odd, wasm_v128_load(weight + r * tap_floats));
      odd = wasm_f32x4_mul(p, odd);
      wasm_v128_store(u + (2 * j + 1) * u_row, wasm_f32x4_add(even, odd));
      wasm_v128_store(u + (2 * j + 2) * u_row, wasm_f32x4_sub(even, odd));
    }
  }
}
