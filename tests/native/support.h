/* Helpers of the native checks: seeded random numbers, buffers between guard bytes, comparison. */
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

/* Returns one of count values. */
int32_t random_of(random_state *random, const int32_t *values, int32_t count);

/* Returns memory between two runs of guard bytes. Its floats read as NaN. */
void *guarded_alloc(size_t bytes);
/* Whether the guards are unchanged. Prints a message if they are not. */
bool guards_hold(const void *memory, size_t bytes, const char *what);
void guarded_free(void *memory);

/* plant_subnormals fills memory with subnormal numbers. met_no_subnormal returns whether no computation used
 * one since, and prints a message if one did. It returns true on processors that do not record it. Subnormal
 * numbers slow processors down a hundredfold, even if no result depends on them. */
void plant_subnormals(void *memory, size_t bytes);
bool met_no_subnormal(const char *what);

/* Whether |got - want| <= tolerance * (1 + max|want|) everywhere, with NaN and infinities in the same places.
 * Prints the first mismatches. */
bool close_to(const float *got, const float *want, size_t count, double tolerance, const char *what);

#endif
