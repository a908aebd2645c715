/* See inner/toomcook_1d.h. */
#include "inner/toomcook_1d.h"

#include <string.h>

#include "base/attributes.h"
#include "base/sizes.h"

/* What the compiler would leave as loops over arrays in memory, at the size that it aims for. */
#define UNROLL _Pragma("clang loop unroll(full)")

/* Pairs of points, chosen for the least error on random inputs: denominators of few bits, and
 * magnitudes on both sides of 1 so that neither high nor low powers prevail. */
static const double points[4][MOST_PAIRS] = {
    {3. / 4, 3. / 2},                      /* R = 2 and 3 */
    {1. / 2, 1., 2.},                      /* R = 4 and 5 */
    {3. / 8, 4. / 5, 5. / 4, 5. / 2},      /* R = 7 */
    {5. / 16, 3. / 4, 1., 5. / 4, 5. / 2}, /* R = 9 */
};

SMALL toomcook toomcook_for(int32_t R) {
  toomcook t = {.R = R, .pairs = R / 2 + 1, .n = R + 3, .infinity = (float)(R % 2)};
  const int P = t.pairs;
  const double *p = points[P - 2];

  for (int j = 0; j < P; j++) {
    t.point[j] = (float)p[j];
    t.square[j] = (float)(-p[j] * p[j]);
  }

  const int first = P / 2;
  for (int half = 0; half < 2; half++) {
    double product[4] = {1};
    const int begin = half ? first : 0, end = half ? P : first;
    for (int j = begin; j < end; j++)
      for (int i = j - begin + 1; i >= 0; i--)
        product[i] = (i ? product[i - 1] : 0) - p[j] * p[j] * product[i];
    for (int i = 0; i < 3; i++) (half ? t.high : t.low)[i] = (float)product[i];
  }

  /* Lagrange's divisors: 2 p^2 times the product of p^2 - r^2 over the other pairs r. */
  double zero = 1;
  for (int j = 0; j < P; j++) {
    double divisor = 2 * p[j] * p[j];
    for (int i = 0; i < P; i++)
      if (i != j) divisor *= p[j] * p[j] - p[i] * p[i];
    t.scale[j] = (float)(1 / divisor);
    zero *= -p[j] * p[j];
  }
  t.scale[P] = (float)(1 / zero);
  return t;
}

/* Monic polynomial times s: s[degree] + sum of c[i] * s[i], i < degree. */
INLINE v128_t monic(const int degree, const v128_t *c, const v128_t *s) {
  v128_t sum = s[degree];
  UNROLL for (int i = degree - 1; i >= 0; i--) sum = madd(c[i], s[i], sum);
  return sum;
}

typedef struct constants {
  v128_t point[MOST_PAIRS], square[MOST_PAIRS], low[2], high[3];
} constants;

/* The product over count pairs but number j, times s [count]. */
INLINE v128_t without(const int count, const v128_t *square, const int j, const v128_t *s) {
  v128_t t[3];
  for (int i = 0; i < count; i++) t[i] = s[i];
  UNROLL for (int i = 0, left = count; i < count; i++) if (i != j) {
    left--;
    UNROLL for (int x = 0; x < left; x++) t[x] = madd(square[i], t[x], t[x + 1]);
  }
  return t[0];
}

/* Every second input, s [P + 1], -> all: the product over all pairs; each [P]: the products over
 * all pairs but one, of s from `from` on. What two halves of the pairs have in common is computed
 * once. */
INLINE void divide(const int P, const constants *k, const v128_t *s, const int from, v128_t *all,
                   v128_t *each) {
  const int h = P / 2, g = P - h;
  v128_t high[3], low[3];
  UNROLL for (int i = 0; i <= h; i++) high[i] = monic(g, k->high, s + i);
  UNROLL for (int i = 0; i < g; i++) low[i] = monic(h, k->low, s + from + i);
  *all = monic(h, k->low, high);
  UNROLL for (int j = 0; j < h; j++) each[j] = without(h, k->square, j, high + from);
  UNROLL for (int j = 0; j < g; j++) each[h + j] = without(g, k->square + h, j, low);
}

/* What the two transforms of columns read and write; the fields are the arguments of inner/toomcook_1d.h. */
typedef struct input_columns {
  const toomcook *t;
  const float *input;
  ptrdiff_t row;
  int32_t columns;
  float *v;
  size_t v_row;
} input_columns;

typedef struct output_columns {
  const toomcook *t;
  const float *products, *addend;
  size_t m_row;
  float bias;
  int32_t columns;
  float *y;
  size_t y_row;
} output_columns;

/* P = pairs is a constant wherever these are inlined. */
INLINE v128_t inputs(const int P, const input_columns *b) {
  const toomcook *t = b->t;
  constants k; /* copies, here and below, since the compiler must assume that a store changes *b */
  for (int j = 0; j < P; j++) {
    k.point[j] = wasm_v128_load32_splat(&t->point[j]);
    k.square[j] = wasm_v128_load32_splat(&t->square[j]);
  }
  for (int i = 0; i < P / 2; i++) k.low[i] = wasm_v128_load32_splat(&t->low[i]);
  for (int i = 0; i < P - P / 2; i++) k.high[i] = wasm_v128_load32_splat(&t->high[i]);
  const int32_t end = t->n - 1; /* infinity's row; where R is even, it is written over below */
  const float *input = b->input;
  const ptrdiff_t row = b->row;
  float *v = b->v;
  const size_t v_row = b->v_row;
  v128_t watch = wasm_f32x4_splat(0);
  int32_t left = b->columns;
#pragma clang loop unroll(disable)
  for (int32_t step = 0; left > 0; left -= 4) {
    input += step, v += step;
    v128_t s[MOST_PAIRS + 1], first, last, even[MOST_PAIRS], odd[MOST_PAIRS];
    const float *from = input;
    for (int i = 0; i <= P; i++, from += 2 * row) s[i] = wasm_v128_load(from);
    divide(P, &k, s, 1, &first, even);
    from = input + row;
    for (int i = 0; i < P; i++, from += 2 * row) s[i] = wasm_v128_load(from);
    s[P] = wasm_v128_load(input + end * row);
    divide(P, &k, s, 0, &last, odd);
    watch = wasm_f32x4_add(watch, wasm_f32x4_add(first, last)); /* even inputs, odd inputs */
    float *to = v;
    wasm_v128_store(to, first);
    wasm_v128_store(to + end * v_row, last);
    for (int i = 0; i < P; i++) {
      const v128_t o = wasm_f32x4_mul(k.point[i], odd[i]);
      wasm_v128_store(to += v_row, wasm_f32x4_add(even[i], o));
      wasm_v128_store(to += v_row, wasm_f32x4_sub(even[i], o));
    }
    step = min_i32(left - 4, 4); /* the last vector ends with the row */
  }
  return watch;
}

/* Four whole rows of four columns or more; add: the addend. */
INLINE void outputs(const int P, const bool add, const output_columns *b) {
  const toomcook *t = b->t;
  const v128_t bias = wasm_f32x4_splat(b->bias);
  const v128_t infinity = wasm_f32x4_splat(t->infinity); /* 0: the row at end is not infinity's */
  v128_t point[MOST_PAIRS], square[MOST_PAIRS];
  for (int j = 0; j < P; j++) {
    point[j] = wasm_v128_load32_splat(&t->point[j]);
    square[j] = wasm_f32x4_mul(point[j], point[j]);
  }
  const int32_t end = t->n - 1;
  const float *products = b->products, *addend = b->addend;
  float *y = b->y;
  const size_t m_row = b->m_row, y_row = b->y_row;
  int32_t left = b->columns;
#pragma clang loop unroll(disable)
  for (int32_t step = 0; left > 0; left -= 4) {
    products += step, y += step;
    const float *m = products;
    v128_t out[TOOM_TILE];
    if (add) addend += step;
    for (int i = 0; i < TOOM_TILE; i++)
      out[i] = add ? wasm_f32x4_add(bias, wasm_v128_load(addend + i * m_row)) : bias;
    out[0] = wasm_f32x4_add(out[0], wasm_v128_load(m));
    out[3] = madd(infinity, wasm_v128_load(m + end * m_row), out[3]);
    for (int j = 0; j < P; j++) {
      const v128_t plus = wasm_v128_load(m += m_row), minus = wasm_v128_load(m += m_row);
      const v128_t even = wasm_f32x4_add(plus, minus);
      const v128_t odd = wasm_f32x4_mul(point[j], wasm_f32x4_sub(plus, minus));
      out[0] = wasm_f32x4_add(out[0], even);
      out[1] = wasm_f32x4_add(out[1], odd);
      out[2] = madd(square[j], even, out[2]);
      out[3] = madd(square[j], odd, out[3]);
    }
    float *to = y;
    for (int i = 0; i < TOOM_TILE; i++, to += y_row) wasm_v128_store(to, out[i]);
    step = min_i32(left - 4, 4); /* the last vector ends with the row */
  }
}

static v128_t inputs_2(const input_columns *b) { return inputs(2, b); }
static v128_t inputs_3(const input_columns *b) { return inputs(3, b); }
static v128_t inputs_4(const input_columns *b) { return inputs(4, b); }
static v128_t inputs_5(const input_columns *b) { return inputs(5, b); }
static void outputs_2(const output_columns *b) { outputs(2, false, b); }
static void outputs_3(const output_columns *b) { outputs(3, false, b); }
static void outputs_4(const output_columns *b) { outputs(4, false, b); }
static void outputs_5(const output_columns *b) { outputs(5, false, b); }
static void add_outputs_2(const output_columns *b) { outputs(2, true, b); }
static void add_outputs_3(const output_columns *b) { outputs(3, true, b); }

v128_t toomcook_inputs(const toomcook *t, const float *input, int32_t row_floats, int32_t columns, float *v,
                       size_t v_row) {
  static v128_t (*const of_pairs[])(const input_columns *) = {
      [2] = inputs_2, [3] = inputs_3, [4] = inputs_4, [5] = inputs_5};
  return of_pairs[t->pairs](&(input_columns){t, input, row_floats, columns, v, v_row});
}

void toomcook_outputs(const toomcook *t, const float *products, size_t m_row, const float *addend, float bias,
                      int32_t columns, int32_t rows, float *y, size_t y_row) {
  static void (*const of_pairs[2][MOST_PAIRS + 1])(const output_columns *) = {
      {[2] = outputs_2, [3] = outputs_3, [4] = outputs_4, [5] = outputs_5},
      {[2] = add_outputs_2, [3] = add_outputs_3},
  };
  void (*const transform)(const output_columns *) = of_pairs[addend != NULL][t->pairs];
  const bool whole = rows == TOOM_TILE && columns >= 4;
  output_columns b = {t, products, addend, m_row, bias, columns, y, y_row};
  if (whole) transform(&b);
  for (int32_t x = whole ? columns : 0; x < columns; x += 4) {
    float tile[TOOM_TILE][4];
    b.products = products + x;
    if (addend) b.addend = addend + x;
    b.columns = 4, b.y = tile[0], b.y_row = 4;
    transform(&b);
    for (int i = 0; i < rows; i++)
      memcpy(y + i * y_row + x, tile[i], sizeof(float) * (size_t)min_i32(4, columns - x));
  }
}

void toomcook_kernels(const toomcook *t, const float *weight, size_t tap_floats, float *u, size_t u_row) {
  const int32_t last_even = (t->R - 1) / 2 * 2, last_odd = t->R / 2 * 2 - 1;
  for (int half = 0; half < 8; half += 4, weight += 4, u += 4) {
    const v128_t zero = wasm_f32x4_splat(t->scale[t->pairs]);
    wasm_v128_store(u, wasm_f32x4_mul(zero, wasm_v128_load(weight)));
    wasm_v128_store(u + (t->n - 1) * u_row, wasm_v128_load(weight + (t->R - 1) * tap_floats));
    for (int j = 0; j < t->pairs; j++) {
      const v128_t p = wasm_f32x4_splat(t->point[j]), square = wasm_f32x4_mul(p, p);
      v128_t even = wasm_f32x4_splat(0), odd = even; /* Horner's rule in p^2, from the last tap */
      for (int32_t r = last_even; r >= 0; r -= 2)
        even = madd(square, even, wasm_v128_load(weight + r * tap_floats));
      for (int32_t r = last_odd; r >= 1; r -= 2)
        odd = madd(square, odd, wasm_v128_load(weight + r * tap_floats));
      const v128_t scale = wasm_f32x4_splat(t->scale[j]);
      even = wasm_f32x4_mul(scale, even);
      odd = wasm_f32x4_mul(wasm_f32x4_mul(scale, p), odd);
      wasm_v128_store(u + (2 * j + 1) * u_row, wasm_f32x4_add(even, odd));
      wasm_v128_store(u + (2 * j + 2) * u_row, wasm_f32x4_sub(even, odd));
    }
  }
}
