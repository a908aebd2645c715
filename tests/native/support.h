/* What the native checks share: seeded random numbers, buffers between guard bytes, comparison. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct random_state {
  uint64_t state;
} random_state;

uint32_t random_u32(random_state *random);
int32_t random_between(random_state *random, int32_t least, int32_t most); /* both included */
float random_float(random_state *random);                                  /* (-1, 1) */
void random_fill(random_state *random, float *x, size_t count);

/* One of count values. */
int32_t random_of(random_state *random, const int32_t *values, int32_t count);

/* bytes of memory, which as floats read as NaN, between two runs of guard bytes. */
void *guarded_alloc(size_t bytes);
/* Whether the guards are whole; says so where not. */
bool guards_hold(const void *memory, size_t bytes, const char *what);
void guarded_free(void *memory);

/* Fills memory with subnormal numbers; whether none of them was computed with since, on processors that
 * take note of it; says so where not. They slow processors down a hundredfold, even where no result
 * depends on them. */
void plant_subnormals(void *memory, size_t bytes);
bool met_no_subnormal(const char *what);

/* Whether |got - want| <= tolerance * (1 + max|want|) everywhere, NaN and infinities in the same
 * places; prints the first mismatches where not. */
bool close_to(const float *got, const float *want, size_t count, double tolerance, const char *what);

#endif
