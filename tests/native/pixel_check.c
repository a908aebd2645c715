/* See pixel_check.h. */
#include "pixel_check.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int32_t below(check *c, int32_t bound) { return random_between(&c->random, 0, bound - 1); }

float uniform(check *c, double low, double high) {
  return (float)(low + (high - low) * 0.5 * (1.0 + random_float(&c->random)));
}

float any_special(check *c) {
  static const float values[] = {INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 0.0f, -0.0f, 1e-45f};
  if (below(c, 8)) return values[below(c, 7)];
  union {
    uint32_t bits;
    float value;
  } nan = {random_u32(&c->random) | 0x7fc00000};
  return nan.value;
}

int32_t any_size(check *c) {
  static const int32_t edges[] = {1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65};
  return below(c, 3) ? edges[below(c, sizeof edges / sizeof *edges)] : 1 + below(c, 100);
}

void begin(check *c, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->configuration, sizeof c->configuration, format, arguments);
  va_end(arguments);
  c->mismatches = 0;
}

void mismatch(check *c, const char *format, ...) {
  if (c->mismatches++ == 0) {
    c->failures++;
    printf("FAIL %s\n", c->configuration);
  }
  if (c->mismatches > 3) return;
  va_list arguments;
  va_start(arguments, format);
  printf("  ");
  vprintf(format, arguments);
  printf("\n");
  va_end(arguments);
}

void *allocate(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) {
    fprintf(stderr, "check: no memory for %zu bytes\n", bytes);
    exit(2);
  }
  return memory;
}

enum { GUARD = 64, GUARD_BYTE = 0xff };

array input_make(size_t bytes, size_t offset) {
  array a = {allocate(bytes + offset), NULL, bytes};
  a.data = a.memory + offset;
  return a;
}

array output_make(size_t bytes, size_t offset) {
  array a = {allocate(bytes + offset + 2 * GUARD), NULL, bytes};
  memset(a.memory, GUARD_BYTE, bytes + offset + 2 * GUARD);
  a.data = a.memory + GUARD + offset;
  return a;
}

void expect_guards(check *c, const array *a, const char *name) {
  for (const uint8_t *p = a->memory; p < a->data + a->bytes + GUARD; p++)
    if ((p < a->data || p >= a->data + a->bytes) && *p != GUARD_BYTE)
      mismatch(c, "%s: byte %td of %zu was written", name, p - a->data, a->bytes);
}

void expect_float(check *c, const char *name, size_t index, float got, float expected, double tolerance) {
  if (isnan(expected) ? isnan(got) : got == expected || fabs((double)got - expected) <= tolerance) return;
  mismatch(c, "%s[%zu]: got %.9g, expected %.9g, tolerance %.3g", name, index, got, expected, tolerance);
}

array random_bytes(check *c, size_t bytes, size_t offset) {
  array a = input_make(bytes, offset);
  int mode = below(c, 4); /* 0: all 255; 1: 0 or 255; 2 and 3: noise */
  for (size_t i = 0; i < bytes; i++)
    a.data[i] = (uint8_t)(mode == 0 ? 255 : mode == 1 ? 255 * below(c, 2) : below(c, 256));
  return a;
}
