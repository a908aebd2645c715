/* What the checks of pixels share: a check that remembers its configuration, arrays between guard bytes
 * at any alignment, and comparison. */
#ifndef PIXEL_CHECK_H
#define PIXEL_CHECK_H

#include "support.h"

typedef struct check {
  random_state random;
  int failures, mismatches;
  char configuration[256];
} check;

int32_t below(check *c, int32_t bound);
float uniform(check *c, double low, double high);

/* NaN of any sign and payload, the infinities, and the extremes of what is finite. */
float any_special(check *c);

/* Around the tiles of 4 and 16 pixels and the groups of 4 and blocks of 16 rows. */
int32_t any_size(check *c);

/* begin() begins a check of a configuration, given as to printf. mismatch() says what does not match,
 * likewise: a check's first mismatches are printed below its configuration. */
void begin(check *c, const char *format, ...);
void mismatch(check *c, const char *format, ...);

void *allocate(size_t bytes); /* or ends the program */

/* An array that may be unaligned. It ends where its allocation does, so that the address sanitizer
 * sees a read past it; outputs are surrounded by guard bytes, which read as NaN. */
typedef struct array {
  uint8_t *memory, *data;
  size_t bytes;
} array;

array input_make(size_t bytes, size_t offset);
array output_make(size_t bytes, size_t offset);

/* Bytes for an input: noise, or extremes. */
array random_bytes(check *c, size_t bytes, size_t offset);

void expect_guards(check *c, const array *a, const char *name);
void expect_float(check *c, const char *name, size_t index, float got, float expected, double tolerance);

#endif
