/* Winograd's transforms of one axis for kernels of three taps. Each lane of a vector is a transform of its
 * own. m outputs are computed from n inputs d with n multiplications:
 *
 *     y = A' [ (G g) . (B' d) ]      g 3 taps, y m outputs, . element by element
 *
 *     F(4, 3)      m = 4, n = 6
 *     polyphase    m = 4, n = 9: four outputs of stride 2. The even inputs meet the outer taps, a kernel of
 *                  two taps, by F(4, 2) with five multiplications. The odd inputs meet the middle tap
 *                  without a transform, with four
 *
 * F(m, r) is the transpose of Toom-Cook's polynomial product (Lavin & Gray, CVPR 2016; Barabasz et al., ACM
 * TOMS 2020). A' and G evaluate polynomials at points and at infinity; B' interpolates. The points of F(4, 3)
 * are 0,
 * +-3/4, +-3/2. The error of its sums is about 2.5 times smaller than with 0, +-1, +-2. The points of F(4, 2)
 * are 0, +-3/4, -3/2. They have the least error of all sets of a pair +-p and a third point with magnitudes
 * among 1/2, 5/8, .. 2 (64 channels, random numbers).
 *
 * Textbooks put the divisors into G. Here kernels are transformed for every image, so that the divisors of
 * F(4, 3) are in A', where half of them cost nothing. B' then has only four constants, which fit the
 * registers together with its inputs. The divisors of F(4, 2) are in B'.
 *
 * The point 0 contributes to the first output only and infinity to the last only. Edge tiles that drop these
 * outputs skip these products.
 *
 * Callers pass a constant for n, which says which of the two transforms is meant. */
#ifndef DK_WINOGRAD_1D_H
#define DK_WINOGRAD_1D_H

#include "base/attributes.h"
#include "base/simd.h"
#include "base/sizes.h"

/* c * v; c1 * v1 + c2 * v2 */
INLINE v128_t scale(float c, v128_t v) { return wasm_f32x4_mul(steady_f32(c), v); }
INLINE v128_t combine(float c1, v128_t v1, float c2, v128_t v2) {
  return madd(steady_f32(c2), v2, scale(c1, v1));
}

/* The points a and b, and their squares. */
#define POINT_A 0.75f
#define POINT_B 1.5f
#define A2 (POINT_A * POINT_A)
#define B2 (POINT_B * POINT_B)

/* The divisors of F(4, 3): Lagrange's at a and -a, at b and -b, at 0. */
#define SCALE_A (1 / (2 * A2 * (A2 - B2)))
#define SCALE_B (1 / (2 * B2 * (B2 - A2)))
#define SCALE_0 (1 / (A2 * B2))

/* Floats from one of the n*n planes of V, U or M to the next. A cache line more than a plane needs keeps so
 * many streams out of the same cache sets. */
static inline size_t plane_floats(size_t floats) { return (size_t)round_up(floats, 16) + 16; }

/* Values of a tile's kernel along an axis. The last four of the nine of a polyphase tile are the same value.
 */
INLINE int winograd_kernel_values(const int n) { return n == 9 ? 6 : n; }

/* The outputs to which product r of n contributes. */
typedef enum winograd_part { MORE_OUTPUTS, FIRST_OUTPUT, LAST_OUTPUT } winograd_part;

INLINE winograd_part winograd_part_at(const int n, const int r) {
  if (r == 0 || (n == 9 && r == 5)) return FIRST_OUTPUT;
  return r == n - 1 || (n == 9 && r == 4) ? LAST_OUTPUT : MORE_OUTPUTS;
}

/* u [winograd_kernel_values] = G g */
INLINE void winograd_kernel(const int n, const v128_t g[3], v128_t *u) {
  if (n == 9) {
    const v128_t odd_a = scale(POINT_A, g[2]);
    u[0] = g[0];
    u[1] = wasm_f32x4_add(g[0], odd_a);
    u[2] = wasm_f32x4_sub(g[0], odd_a);
    u[3] = madd(steady_f32(-POINT_B), g[2], g[0]);
    u[4] = g[2];
    u[5] = g[1];
  } else {
    const v128_t even_a = madd(steady_f32(A2), g[2], g[0]), odd_a = scale(POINT_A, g[1]);
    const v128_t even_b = madd(steady_f32(B2), g[2], g[0]), odd_b = scale(POINT_B, g[1]);
    u[0] = g[0];
    u[1] = wasm_f32x4_add(even_a, odd_a);
    u[2] = wasm_f32x4_sub(even_a, odd_a);
    u[3] = wasm_f32x4_add(even_b, odd_b);
    u[4] = wasm_f32x4_sub(even_b, odd_b);
    u[5] = g[2];
  }
}

/* v [n] = B' d, d [n] */
INLINE void winograd_input(const int n, const v128_t *d, v128_t *v) {
  if (n == 9) {
    /* Lagrange's basis, of (x^2 - a^2) (x + b) at 0, x (x +- a) (x + b) at +-a, x (x^2 - a^2) at -b. */
    const float a = POINT_A, b = POINT_B;
    const v128_t high = madd(steady_f32(-A2), d[2], d[6]); /* x^3 - a^2 x */
    const v128_t low = madd(steady_f32(-A2), d[0], d[4]);  /* x^2 - a^2 */
    v[0] = combine(-1 / (A2 * b), high, -1 / A2, low);
    const v128_t plus = combine(1 / (2 * A2 * (b + a)), d[6], b / (2 * a * (b + a)), d[2]);
    const v128_t minus = combine(1 / (2 * A2 * (b - a)), d[6], -b / (2 * a * (b - a)), d[2]);
    const v128_t square = scale(1 / (2 * A2), d[4]);
    v[1] = wasm_f32x4_add(plus, square);
    v[2] = wasm_f32x4_add(minus, square);
    v[3] = scale(-1 / (b * (B2 - A2)), high);
    v[4] = madd(steady_f32(b), high, madd(steady_f32(-A2), d[4], d[8]));
    for (int i = 0; i < 4; i++) v[5 + i] = d[2 * i + 1];
  } else {
    /* Lagrange's basis without its divisors: (x^2 - a^2) (x^2 - b^2) at 0, x times that at
     * infinity, x (x +- a) (x^2 - b^2) at +-a, x (x +- b) (x^2 - a^2) at +-b. */
    const v128_t minus_a2 = steady_f32(-A2), minus_b2 = steady_f32(-B2);
    const v128_t even_a = madd(minus_b2, d[2], d[4]), even_b = madd(minus_a2, d[2], d[4]);
    const v128_t x_b = madd(minus_a2, d[1], d[3]);
    const v128_t odd_a = scale(POINT_A, madd(minus_b2, d[1], d[3])), odd_b = scale(POINT_B, x_b);
    v[0] = madd(minus_b2, madd(minus_a2, d[0], d[2]), even_b);
    v[1] = wasm_f32x4_add(even_a, odd_a);
    v[2] = wasm_f32x4_sub(even_a, odd_a);
    v[3] = wasm_f32x4_add(even_b, odd_b);
    v[4] = wasm_f32x4_sub(even_b, odd_b);
    v[5] = madd(minus_b2, x_b, madd(minus_a2, d[3], d[5]));
  }
}

/* y [m] = A' v */
INLINE void winograd_output(const int n, const v128_t *v, v128_t *y) {
  const v128_t even_a = wasm_f32x4_add(v[1], v[2]), odd_a = wasm_f32x4_sub(v[1], v[2]);
  if (n == 9) {
    y[0] = wasm_f32x4_add(wasm_f32x4_add(v[0], v[3]), wasm_f32x4_add(even_a, v[5]));
    y[1] = wasm_f32x4_add(v[6], combine(POINT_A, odd_a, -POINT_B, v[3]));
    y[2] = wasm_f32x4_add(v[7], combine(A2, even_a, B2, v[3]));
    y[3] = wasm_f32x4_add(wasm_f32x4_add(v[4], v[8]), combine(POINT_A * A2, odd_a, -POINT_B * B2, v[3]));
  } else {
    /* b^2 times the divisor at b is -a^2 times that at a, so that these factor out. */
    const v128_t even_b = wasm_f32x4_add(v[3], v[4]), odd_b = wasm_f32x4_sub(v[3], v[4]);
    y[0] = combine(SCALE_0, v[0], SCALE_A, madd(steady_f32(-A2 / B2), even_b, even_a));
    y[1] = scale(POINT_A * SCALE_A, madd(steady_f32(-POINT_A / POINT_B), odd_b, odd_a));
    y[2] = scale(A2 * SCALE_A, wasm_f32x4_sub(even_a, even_b));
    y[3] = madd(steady_f32(POINT_A * A2 * SCALE_A), madd(steady_f32(-POINT_B / POINT_A), odd_b, odd_a), v[5]);
  }
}

#endif
