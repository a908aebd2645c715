/* The workspace of a context: one block of memory that grows to the largest need and is then reused. */
#ifndef DK_WORKSPACE_H
#define DK_WORKSPACE_H

#include "dynakernel.h"

enum { WORKSPACE_ALIGNMENT = 64 }; /* a cache line */

/* Returns at least `bytes` bytes of memory, aligned to WORKSPACE_ALIGNMENT. The memory is valid until the
 * next call with this context, and its contents are not kept. Returns NULL if memory is short; the old block
 * is then freed too. Returns NULL if a lost worker may still write into the block. */
void *workspace_reserve(dk_context *context, size_t bytes);

/* Returns why workspace_reserve returned NULL: DK_ERROR_MEMORY or DK_ERROR_THREADS. */
dk_status workspace_refusal(const dk_context *context);

#endif
