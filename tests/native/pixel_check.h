/* Helpers of the checks of pixels: a check that remembers its configuration, arrays between guard bytes at
 * any alignment, and comparison. */
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

/* Returns NaN of any sign and payload, an infinity, or a finite extreme. */
float any_special(check *c);

/* Returns a size, often around the tiles of 4 and 16 pixels and the groups of 4 and blocks of 16 rows. */
int32_t any_size(check *c);

/* begin() begins a check. Its arguments describe the configuration, as in printf. mismatch() reports a
 * mismatch, with arguments as in printf. A check's first mismatches are printed below its configuration. */
void begin(check *c, const char *format, ...);
void mismatch(check *c, const char *format, ...);

void *allocate(size_t bytes); /* ends the program if there is no memory */

/* An array that may be unaligned. An input ends at the end of its allocation, so that the address sanitizer
 * reports a read past it. An output lies between guard bytes. Guard bytes read as NaN. */
typedef struct array {
  uint8_t *memory, *data;
  size_t bytes;
} array;

array input_make(size_t bytes, size_t offset);
array output_make(size_t bytes, size_t offset);

/* Returns an input of noise or of extreme bytes. */
array random_bytes(check *c, size_t bytes, size_t offset);

void expect_guards(check *c, const array *a, const char *name);
void expect_float(check *c, const char *name, size_t index, float got, float expected, double tolerance);

#endif
