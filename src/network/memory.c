#include "network/memory.h"
#include "base/attributes.h"

#include <stdint.h>
#include <string.h>

#include "base/sizes.h"
#include "dynakernel.h"

SMALL_FILE

struct memory_block {
  memory_block *next;
};

enum { BLOCK_HEADER = 64 }; /* keeps what follows aligned */

void *memory_take(memory_list *list, size_t count, size_t size) {
  const uint64_t bytes = (uint64_t)count * size + BLOCK_HEADER;
  memory_block *block = bytes <= INT32_MAX ? dk_alloc((size_t)bytes) : NULL;
  if (!block) {
    list->failed = true;
    return NULL;
  }
  memset(block, 0, (size_t)bytes);
  block->next = list->blocks;
  list->blocks = block;
  list->bytes += (size_t)bytes;
  return (char *)block + BLOCK_HEADER;
}

void memory_free_all(memory_list *list) {
  while (list->blocks) {
    memory_block *next = list->blocks->next;
    dk_free(list->blocks);
    list->blocks = next;
  }
  *list = (memory_list){0};
}

SMALL_FILE_END
