/* Memory that is freed together: the tables of a schedule or of a network. */
#ifndef DK_NETWORK_MEMORY_H
#define DK_NETWORK_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct memory_block memory_block;

typedef struct memory_list {
  memory_block *blocks;
  size_t bytes; /* of all blocks */
  bool failed;  /* whether a block could not be allocated */
} memory_list;

/* Returns `count` zeroed elements of `size` bytes, aligned to 64. Returns NULL and sets failed if memory is
 * short. */
void *memory_take(memory_list *list, size_t count, size_t size);

void memory_free_all(memory_list *list);

#endif
