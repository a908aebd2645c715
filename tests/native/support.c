/* See support.h. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

enum { GUARD = 64, FILL = 0xFF, GUARD_FILL = 0x5B, SHOWN = 4 };

/* splitmix64 (Steele et al., 2014) */
uint32_t random_u32(random_state *random) {
  uint64_t z = random->state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return (uint32_t)(z >> 32);
}

int32_t random_between(random_state *random, int32_t least, int32_t most) {
  return least + (int32_t)(random_u32(random) % (uint32_t)(most - least + 1));
}

float random_float(random_state *random) { return (float)((random_u32(random) + 0.5) / 2147483648.0 - 1); }

void random_fill(random_state *random, float *x, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = random_float(random);
}

int32_t random_of(random_state *random, const int32_t *values, int32_t count) {
  return values[random_between(random, 0, count - 1)];
}

void *guarded_alloc(size_t bytes) {
  uint8_t *memory = malloc(bytes + 2 * GUARD);
  if (!memory) abort();
  memset(memory, GUARD_FILL, GUARD);
  memset(memory + GUARD, FILL, bytes);
  memset(memory + GUARD + bytes, GUARD_FILL, GUARD);
  return memory + GUARD;
}

bool guards_hold(const void *memory, size_t bytes, const char *what) {
  const uint8_t *before = (const uint8_t *)memory - GUARD, *after = (const uint8_t *)memory + bytes;
  for (int i = 0; i < GUARD; i++)
    if (before[i] != GUARD_FILL || after[i] != GUARD_FILL) {
      printf("  %s: wrote outside its %zu bytes, %s\n", what, bytes,
             before[i] != GUARD_FILL ? "before them" : "after them");
      return false;
    }
  return true;
}

void guarded_free(void *memory) { free((uint8_t *)memory - GUARD); }

#if defined(__SSE__)
static const unsigned MET_SUBNORMAL = 2; /* a flag that stays until it is cleared */
#endif

void plant_subnormals(void *memory, size_t bytes) {
  for (size_t i = 0; i < bytes / sizeof(float); i++) ((float *)memory)[i] = 1e-40f;
#if defined(__SSE__)
  _mm_setcsr(_mm_getcsr() & ~MET_SUBNORMAL);
#endif
}

bool met_no_subnormal(const char *what) {
#if defined(__SSE__)
  if (_mm_getcsr() & MET_SUBNORMAL) {
    printf("  %s: computed with subnormal numbers that were left in its workspace\n", what);
    return false;
  }
#endif
  (void)what;
  return true;
}

static bool same(float got, float want, double allowed) {
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
  if (isinf(want) || isinf(got)) return got == want;
  return fabs((double)got - (double)want) <= allowed;
}

bool close_to(const float *got, const float *want, size_t count, double tolerance, const char *what) {
  double largest = 0;
  for (size_t i = 0; i < count; i++)
    if (isfinite(want[i])) largest = fmax(largest, fabs((double)want[i]));
  const double allowed = tolerance * (1 + largest);
  size_t mismatches = 0;
  for (size_t i = 0; i < count; i++)
    if (!same(got[i], want[i], allowed) && mismatches++ < SHOWN)
      printf("  %s[%zu]: got %.9g, expected %.9g, allowed difference %.3g\n", what, i, (double)got[i],
             (double)want[i], allowed);
  if (mismatches) printf("  %s: %zu of %zu values differ\n", what, mismatches, count);
  return mismatches == 0;
}
