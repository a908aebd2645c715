/* See base/elementary.h. */
#include "base/elementary.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/attributes.h"

/* ln 2 in two parts: the first has 20 trailing zero bits, so that its product with an exponent is
 * exact. */
static const double LN2_HIGH = 0x1.62e42fee00000p-1, LN2_LOW = 0x1.a39ef35793c76p-33;

/* 2^n, -1022 <= n <= 1023 */
static double power_of_two(int64_t n) {
  const uint64_t bits = (uint64_t)(n + 1023) << 52;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* x = n ln 2 + r, |r| <= ln 2 / 2; e^r by its series, of which the term after the last is below
 * 2^-57. */
SMALL double exponential(double x) {
  if (!(x < 709.4)) return x != x ? x : INFINITY; /* n is 1023 at most */
  if (x < -708) return 0;
  const double n = floor(x / (LN2_HIGH + LN2_LOW) + 0.5);
  const double r = (x - n * LN2_HIGH) - n * LN2_LOW;
  double sum = 1;
  for (int i = 14; i > 0; i--) sum = 1 + sum * r / i;
  return sum * power_of_two((int64_t)n);
}

/* x = 2^n m, m within sqrt(2) of 1; ln m = 2 artanh(s), s = (m - 1) / (m + 1), by its series in
 * s^2 <= 0.03. */
SMALL double logarithm(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int64_t n = (int64_t)(bits >> 52) - 1023;
  double m = x * power_of_two(-n);
  if (m > 1.4142135623730951) m /= 2, n++;
  const double s = (m - 1) / (m + 1);
  double sum = 0;
  for (int i = 23; i > 1; i -= 2) sum = (sum + 1.0 / i) * s * s;
  return (double)n * LN2_HIGH + ((double)n * LN2_LOW + 2 * s * (1 + sum));
}
