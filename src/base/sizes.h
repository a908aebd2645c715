/* Arithmetic of sizes. */
#ifndef DK_SIZES_H
#define DK_SIZES_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_ELEMENTS = 1 << 29 }; /* of a tensor: 2 GiB of float32 */

static inline int32_t min_i32(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t max_i32(int32_t a, int32_t b) { return a > b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* Returns value rounded up to a multiple. Sizes of workspaces have 64 bits, since they may not fit a size_t:
 * check them before they are allocated. */
static inline uint64_t round_up(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
static inline int32_t round_up_i32(int32_t value, int32_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

#endif
