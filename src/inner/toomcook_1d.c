/* See inner/toomcook_1d.h. */
#include "inner/toomcook_1d.h"

#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/sizes.h"

/* Unrolls a loop fully. Otherwise the compiler, which aims for size, keeps its arrays in memory. */
#define UNROLL _Pragma("clang loop unroll(full)")

/* The pairs of points with the least error on random inputs. Their denominators have few bits, and their
 * magnitudes lie on both sides of 1, so that neither high nor low powers dominate. */
static const double toomcook_points[4][MOST_PAIRS] = {
    {3. / 4, 3. / 2},                      /* R = 2 and 3 */
    {1. / 2, 1., 2.},                      /* R = 4 and 5 */
    {3. / 8, 4. / 5, 5. / 4, 5. / 2},      /* R = 7 */
    {5. / 16, 3. / 4, 1., 5. / 4, 5. / 2}, /* R = 9 */
};

SMALL toomcook toomcook_for(int32_t R) {
  toomcook t = {.R = R, .pairs = R / 2 + 1, .n = R + 3, .infinity = (float)(R % 2)};
  const int P = t.pairs;
  const double *p = toomcook_points[P - 2];
  DK_ASSERT(P >= 2 && P <= MOST_PAIRS);

  for (int j = 0; j < P; j++) {
    t.point[j] = (float)p[j];
    t.square[j] = (float)(-p[j] * p[j]);
  }

  /* The two halves' polynomials, multiplied out one factor X - p^2 at a time. */
  const int first = P / 2;
  for (int half = 0; half < 2; half++) {
    double product[4] = {1};
    const int begin = half ? first : 0, end = half ? P : first;
    for (int j = begin; j < end; j++)
      for (int i = j - begin + 1; i >= 0; i--)
        product[i] = (i ? product[i - 1] : 0) - p[j] * p[j] * product[i];
    for (int i = 0; i < 3; i++) (half ? t.high : t.low)[i] = (float)product[i];
  }

  /* Lagrange's divisors: 2 p^2 times the product of p^2 - r^2 over the other pairs +-r. */
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

/* A monic polynomial applied to s: s[degree] + sum of c[i] * s[i] over i < degree. */
INLINE v128_t toomcook_monic(const int degree, const v128_t *c, const v128_t *s) {
  v128_t sum = s[degree];
  UNROLL for (int i = degree - 1; i >= 0; i--) sum = madd(c[i], s[i], sum);
  return sum;
}

typedef struct toomcook_constants {
  v128_t point[MOST_PAIRS], square[MOST_PAIRS], low[2], high[3];
} toomcook_constants;

/* The product of X - p^2 over all of `count` pairs except pair j, applied to s [count]. */
INLINE v128_t toomcook_without(const int count, const v128_t *square, const int j, const v128_t *s) {
  v128_t t[3];
  for (int i = 0; i < count; i++) t[i] = s[i];
  UNROLL for (int i = 0, left = count; i < count; i++) if (i != j) {
    left--;
    UNROLL for (int x = 0; x < left; x++) t[x] = madd(square[i], t[x], t[x + 1]);
  }
  return t[0];
}

/* From every second input, s [P + 1]: *all is the product over all pairs applied to s; each [P] are the
 * products over all pairs but one, applied to s + from. The pairs come in two halves, and each half's common
 * product is computed once. */
INLINE void toomcook_divide(const int P, const toomcook_constants *k, const v128_t *s, const int from,
                            v128_t *all, v128_t *each) {
  const int h = P / 2, g = P - h;
  v128_t high[3], low[3];
  UNROLL for (int i = 0; i <= h; i++) high[i] = toomcook_monic(g, k->high, s + i);
  UNROLL for (int i = 0; i < g; i++) low[i] = toomcook_monic(h, k->low, s + from + i);
  *all = toomcook_monic(h, k->low, high);
  UNROLL for (int j = 0; j < h; j++) each[j] = toomcook_without(h, k->square, j, high + from);
  UNROLL for (int j = 0; j < g; j++) each[h + j] = toomcook_without(g, k->square + h, j, low);
}

/* The arguments of toomcook_inputs and toomcook_outputs. */
typedef struct toomcook_input_columns {
  const toomcook *t;
  const float *input;
  ptrdiff_t row;
  int32_t columns;
  float *v;
  size_t v_row;
} toomcook_input_columns;

typedef struct toomcook_output_columns {
  const toomcook *t;
  const float *products, *addend;
  size_t m_row;
  float bias;
  const clamp *bounds; /* or NULL */
  int32_t columns;
  float *y;
  size_t y_row;
} toomcook_output_columns;

/* Callers pass a constant for P, the number of pairs. Everything is copied from *work first, here and below:
 * the compiler must assume that a store changes *work. */
INLINE v128_t toomcook_transform_inputs(const int P, const toomcook_input_columns *work) {
  const toomcook *t = work->t;
  toomcook_constants k;
  for (int j = 0; j < P; j++) {
    k.point[j] = wasm_v128_load32_splat(&t->point[j]);
    k.square[j] = wasm_v128_load32_splat(&t->square[j]);
  }
  for (int i = 0; i < P / 2; i++) k.low[i] = wasm_v128_load32_splat(&t->low[i]);
  for (int i = 0; i < P - P / 2; i++) k.high[i] = wasm_v128_load32_splat(&t->high[i]);
  /* The row of infinity. If R is even, the last pair's row overwrites it below. */
  const int32_t end = t->n - 1;
  const float *input = work->input;
  const ptrdiff_t row = work->row;
  float *v = work->v;
  const size_t v_row = work->v_row;
  v128_t watch = wasm_f32x4_splat(0);
  int32_t left = work->columns;
#pragma clang loop unroll(disable)
  for (int32_t step = 0; left > 0; left -= 4) {
    input += step;
    v += step;
    v128_t s[MOST_PAIRS + 1], first, last, even[MOST_PAIRS], odd[MOST_PAIRS];
    /* Even inputs. */
    const float *in = input;
    for (int i = 0; i <= P; i++, in += 2 * row) s[i] = wasm_v128_load(in);
    toomcook_divide(P, &k, s, 1, &first, even);
    /* Odd inputs. */
    in = input + row;
    for (int i = 0; i < P; i++, in += 2 * row) s[i] = wasm_v128_load(in);
    s[P] = wasm_v128_load(input + end * row);
    toomcook_divide(P, &k, s, 0, &last, odd);
    watch = wasm_f32x4_add(watch, wasm_f32x4_add(first, last));
    /* At p and -p the odd part changes its sign. */
    float *out = v;
    wasm_v128_store(out, first);
    wasm_v128_store(out + end * v_row, last);
    for (int i = 0; i < P; i++) {
      const v128_t o = wasm_f32x4_mul(k.point[i], odd[i]);
      wasm_v128_store(out += v_row, wasm_f32x4_add(even[i], o));
      wasm_v128_store(out += v_row, wasm_f32x4_sub(even[i], o));
    }
    step = min_i32(left - 4, 4); /* the last vector ends with the row */
  }
  return watch;
}

/* Four whole rows of four columns or more. add: whether there is an addend. */
INLINE void toomcook_transform_outputs(const int P, const bool add, const toomcook_output_columns *work) {
  const toomcook *t = work->t;
  const v128_t bias = wasm_f32x4_splat(work->bias);
  const bool clamps = work->bounds && work->bounds->used;
  const v128_t low = wasm_f32x4_splat(clamps ? work->bounds->low : 0);
  const v128_t high = wasm_f32x4_splat(clamps ? work->bounds->high : 0);
  /* 0 if the last row is not infinity's. */
  const v128_t infinity = wasm_f32x4_splat(t->infinity);
  v128_t point[MOST_PAIRS], square[MOST_PAIRS];
  for (int j = 0; j < P; j++) {
    point[j] = wasm_v128_load32_splat(&t->point[j]);
    square[j] = wasm_f32x4_mul(point[j], point[j]);
  }
  const int32_t end = t->n - 1;
  const float *products = work->products, *addend = work->addend;
  float *y = work->y;
  const size_t m_row = work->m_row, y_row = work->y_row;
  int32_t left = work->columns;
#pragma clang loop unroll(disable)
  for (int32_t step = 0; left > 0; left -= 4) {
    products += step;
    y += step;
    const float *m = products;
    /* Each output starts from the bias and the addend. */
    v128_t out[TOOM_TILE];
    if (add) addend += step;
    for (int i = 0; i < TOOM_TILE; i++)
      out[i] = add ? wasm_f32x4_add(bias, wasm_v128_load(addend + i * m_row)) : bias;
    /* The point 0 contributes to the first output only, infinity to the last only. */
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
    if (clamps)
      for (int i = 0; i < TOOM_TILE; i++) out[i] = clamp_vector(out[i], low, high);
    float *row = y;
    for (int i = 0; i < TOOM_TILE; i++, row += y_row) wasm_v128_store(row, out[i]);
    step = min_i32(left - 4, 4); /* the last vector ends with the row */
  }
}

static v128_t toomcook_inputs_2(const toomcook_input_columns *work) {
  return toomcook_transform_inputs(2, work);
}
static v128_t toomcook_inputs_3(const toomcook_input_columns *work) {
  return toomcook_transform_inputs(3, work);
}
static v128_t toomcook_inputs_4(const toomcook_input_columns *work) {
  return toomcook_transform_inputs(4, work);
}
static v128_t toomcook_inputs_5(const toomcook_input_columns *work) {
  return toomcook_transform_inputs(5, work);
}
static void toomcook_outputs_2(const toomcook_output_columns *work) {
  toomcook_transform_outputs(2, false, work);
}
static void toomcook_outputs_3(const toomcook_output_columns *work) {
  toomcook_transform_outputs(3, false, work);
}
static void toomcook_outputs_4(const toomcook_output_columns *work) {
  toomcook_transform_outputs(4, false, work);
}
static void toomcook_outputs_5(const toomcook_output_columns *work) {
  toomcook_transform_outputs(5, false, work);
}
static void toomcook_add_outputs_2(const toomcook_output_columns *work) {
  toomcook_transform_outputs(2, true, work);
}
static void toomcook_add_outputs_3(const toomcook_output_columns *work) {
  toomcook_transform_outputs(3, true, work);
}

v128_t toomcook_inputs(const toomcook *t, const float *input, int32_t row_floats, int32_t columns, float *v,
                       size_t v_row) {
  DK_ASSERT(columns >= 4);
  static v128_t (*const by_pairs[])(const toomcook_input_columns *) = {
      [2] = toomcook_inputs_2, [3] = toomcook_inputs_3, [4] = toomcook_inputs_4, [5] = toomcook_inputs_5};
  return by_pairs[t->pairs](&(toomcook_input_columns){t, input, row_floats, columns, v, v_row});
}

void toomcook_outputs(const toomcook *t, const float *products, size_t m_row, const float *addend, float bias,
                      const clamp *bounds, int32_t columns, int32_t rows, float *y, size_t y_row) {
  static void (*const by_pairs[2][MOST_PAIRS + 1])(const toomcook_output_columns *) = {
      {[2] = toomcook_outputs_2,
       [3] = toomcook_outputs_3,
       [4] = toomcook_outputs_4,
       [5] = toomcook_outputs_5},
      {[2] = toomcook_add_outputs_2, [3] = toomcook_add_outputs_3},
  };
  void (*const transform)(const toomcook_output_columns *) = by_pairs[addend != NULL][t->pairs];
  DK_ASSERT(rows >= 1 && rows <= TOOM_TILE && columns >= 1);
  DK_ASSERT(transform != NULL);
  const bool whole = rows == TOOM_TILE && columns >= 4;
  toomcook_output_columns work = {t, products, addend, m_row, bias, bounds, columns, y, y_row};
  if (whole) transform(&work);
  /* Narrow or low tiles are computed whole, four columns at a time, and stored in part. */
  for (int32_t x = whole ? columns : 0; x < columns; x += 4) {
    float tile[TOOM_TILE][4];
    work.products = products + x;
    if (addend) work.addend = addend + x;
    work.columns = 4;
    work.y = tile[0];
    work.y_row = 4;
    transform(&work);
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
      /* Horner's rule in p^2, from the last tap. */
      v128_t even = wasm_f32x4_splat(0), odd = even;
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
