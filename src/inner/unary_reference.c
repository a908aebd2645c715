/* The reference of inner/unary.h: one number at a time, in double precision. */
#include <math.h>

#include "inner/unary.h"

static double unary_reference_clamp(double x, double low, double high) {
  const double raised = x < low ? low : x;
  return raised > high ? high : raised;
}

static double unary_reference_value(dk_op op, const float *p, double x) {
  switch (op) {
  case DK_OP_RELU:
    return x < 0 ? 0 : x;
  case DK_OP_CLIP:
    return unary_reference_clamp(x, p[0], p[1]);
  case DK_OP_LEAKY_RELU:
    return x < 0 ? p[0] * x : x;
  case DK_OP_ELU:
    return x > 0 ? x : p[0] * expm1(x);
  case DK_OP_HARD_SIGMOID:
    return unary_reference_clamp(p[0] * x + p[1], 0, 1);
  case DK_OP_HARD_SWISH:
    return x * unary_reference_clamp(x / 6 + 0.5, 0, 1);
  case DK_OP_SIGMOID:
    return 1 / (1 + exp(-x));
  case DK_OP_TANH:
    return tanh(x);
  case DK_OP_SILU:
    return x / (1 + exp(-x));
  case DK_OP_GELU:
    return 0.5 * x * (1 + erf(x * sqrt(0.5)));
  case DK_OP_GELU_TANH:
    return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
  case DK_OP_EXP:
    return exp(x);
  case DK_OP_LOG:
    return log(x);
  case DK_OP_SQRT:
    return sqrt(x);
  case DK_OP_NEGATE:
    return -x;
  case DK_OP_RECIPROCAL:
    return 1 / x;
  case DK_OP_ABS:
    return fabs(x);
  default:
    return erf(x);
  }
}

void unary_apply_reference(dk_op op, const float *p, const float *x, size_t count, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = (float)unary_reference_value(op, p, (double)x[i]);
}
