/* One step of an optimizer on a flat array, in place. */
#include "training/optimizer.h"

#include <math.h>
#include <string.h>

#include "base/attributes.h"
#include "base/simd.h"

/* base^exponent, exponent >= 0. The tables of pow() would make the module a tenth larger. */
static double optimizer_power(double base, int32_t exponent) {
  double product = 1;
  for (; exponent; exponent >>= 1, base *= base)
    if (exponent & 1) product *= base;
  return product;
}

/* ------------------------------------------------------------------------------ references */

SMALL void sgd_step_reference(float *parameter, const float *gradient, float *velocity, size_t count,
                              double lr, double momentum, double weight_decay, int32_t step) {
  for (size_t i = 0; i < count; i++) {
    double g = gradient[i] + weight_decay * parameter[i];
    if (momentum != 0) {
      /* The analyser believes that momentum is 0 in the caller and not 0 here. */
      g = step == 1 ? g : momentum * velocity[i] + g; /* NOLINT(clang-analyzer-core.NullDereference) */
      velocity[i] = (float)g;                         /* NOLINT(clang-analyzer-core.NullDereference) */
    }
    parameter[i] = (float)(parameter[i] - lr * g);
  }
}

APART SMALL void adam_step_reference(float *parameter, const float *gradient, float *m, float *v,
                                     size_t count, double lr, double beta1, double beta2, double eps,
                                     double weight_decay, int32_t step) {
  const double bias1 = 1 - optimizer_power(beta1, step), bias2 = 1 - optimizer_power(beta2, step);
  for (size_t i = 0; i < count; i++) {
    const double g = gradient[i] + weight_decay * parameter[i];
    const double mi = beta1 * m[i] + (1 - beta1) * g, vi = beta2 * v[i] + (1 - beta2) * g * g;
    m[i] = (float)mi;
    v[i] = (float)vi;
    parameter[i] = (float)(parameter[i] - lr / bias1 * mi / (sqrt(vi / bias2) + eps));
  }
}

/* ------------------------------------------------------------------------------------ SIMD */

INLINE v128_t optimizer_splat(double value) { return wasm_f32x4_splat((float)value); }

/* Four values. velocity is NULL if there is no momentum. */
INLINE void sgd_vector(float *parameter, const float *gradient, float *velocity, v128_t lr, v128_t momentum,
                       v128_t weight_decay) {
  const v128_t p = wasm_v128_load(parameter);
  v128_t g = madd(weight_decay, p, wasm_v128_load(gradient));
  if (velocity) {
    g = madd(momentum, wasm_v128_load(velocity), g);
    wasm_v128_store(velocity, g);
  }
  wasm_v128_store(parameter, wasm_f32x4_sub(p, wasm_f32x4_mul(lr, g)));
}

SMALL void dk_sgd_step(float *parameter, const float *gradient, float *velocity, size_t count, double lr,
                       double momentum, double weight_decay, int32_t step) {
  const v128_t rate = optimizer_splat(lr), beta = optimizer_splat(momentum),
               decay = optimizer_splat(weight_decay);
  size_t i = 0;
  if (momentum == 0) {
    for (; i + 4 <= count; i += 4) sgd_vector(parameter + i, gradient + i, NULL, rate, beta, decay);
  } else {
    if (step == 1) memset(velocity, 0, sizeof(float) * count);
    for (; i + 4 <= count; i += 4) sgd_vector(parameter + i, gradient + i, velocity + i, rate, beta, decay);
  }
  sgd_step_reference(parameter + i, gradient + i, momentum == 0 ? NULL : velocity + i, count - i, lr,
                     momentum, weight_decay, step);
}

void dk_adam_step(float *parameter, const float *gradient, float *m, float *v, size_t count, double lr,
                  double beta1, double beta2, double eps, double weight_decay, int32_t step) {
  /* m / bias1 / (sqrt(v / bias2) + eps) = m * sqrt(bias2) / bias1 / (sqrt(v) + eps * sqrt(bias2)), which
   * takes one square root and one division a value. */
  const double root = sqrt(1 - optimizer_power(beta2, step));
  const v128_t rate = optimizer_splat(lr / (1 - optimizer_power(beta1, step)) * root),
               small = optimizer_splat(eps * root);
  const v128_t decay = optimizer_splat(weight_decay);
  const v128_t keep1 = optimizer_splat(beta1), take1 = optimizer_splat(1 - beta1);
  const v128_t keep2 = optimizer_splat(beta2), take2 = optimizer_splat(1 - beta2);
  size_t i = 0;
#pragma clang loop unroll(disable)
  for (; i + 4 <= count; i += 4) {
    const v128_t p = wasm_v128_load(parameter + i);
    const v128_t g = madd(decay, p, wasm_v128_load(gradient + i));
    const v128_t mi = madd(keep1, wasm_v128_load(m + i), wasm_f32x4_mul(take1, g));
    const v128_t vi = madd(keep2, wasm_v128_load(v + i), wasm_f32x4_mul(take2, wasm_f32x4_mul(g, g)));
    wasm_v128_store(m + i, mi);
    wasm_v128_store(v + i, vi);
    const v128_t change = wasm_f32x4_div(mi, wasm_f32x4_add(wasm_f32x4_sqrt(vi), small));
    wasm_v128_store(parameter + i, wasm_f32x4_sub(p, wasm_f32x4_mul(rate, change)));
  }
  adam_step_reference(parameter + i, gradient + i, m + i, v + i, count - i, lr, beta1, beta2, eps,
                      weight_decay, step);
}
