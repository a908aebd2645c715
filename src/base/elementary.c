/* exp and log by range reduction and a series. */
#include "base/elementary.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"

/* ln 2 in two parts. The first has 20 trailing zero bits, so its product with an exponent is exact. */
static const double LN2_HIGH = 0x1.62e42fee00000p-1, LN2_LOW = 0x1.a39ef35793c76p-33;

/* Returns 2^n, for -1022 <= n <= 1023. */
static double elementary_power_of_two(int64_t n) {
  DK_ASSERT(n >= -1022 && n <= 1023);
  const uint64_t bits = (uint64_t)(n + 1023) << 52;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

SMALL double exponential(double x) {
  if (!(x < 709.4)) return x != x ? x : INFINITY; /* keeps n at most 1023 */
  if (x < -708) return 0;

  /* x = n ln 2 + r with |r| <= ln 2 / 2 */
  const double n = floor(x / (LN2_HIGH + LN2_LOW) + 0.5);
  const double r = (x - n * LN2_HIGH) - n * LN2_LOW;

  /* e^r by its series up to r^14. The next term is below 2^-57. */
  double sum = 1;
  for (int i = 14; i > 0; i--) sum = 1 + sum * r / i;
  return sum * elementary_power_of_two((int64_t)n);
}

SMALL double logarithm(double x) {
  DK_ASSERT(x >= 0x1p-1022 && x <= 0x1p1022);

  /* x = 2^n m with m between 1 / sqrt(2) and sqrt(2) */
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int64_t n = (int64_t)(bits >> 52) - 1023;
  double m = x * elementary_power_of_two(-n);
  if (m > 1.4142135623730951) {
    m /= 2;
    n++;
  }

  /* ln m = 2 artanh(s) with s = (m - 1) / (m + 1), by its series in s^2 <= 0.03 */
  const double s = (m - 1) / (m + 1);
  double sum = 0;
  for (int i = 23; i > 1; i -= 2) sum = (sum + 1.0 / i) * s * s;
  return (double)n * LN2_HIGH + ((double)n * LN2_LOW + 2 * s * (1 + sum));
}
