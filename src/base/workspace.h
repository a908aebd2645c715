/* The context's workspace: one block of memory that grows to the largest need and is then reused. */
#ifndef DK_WORKSPACE_H
#define DK_WORKSPACE_H

#include "dynakernel.h"

/* At least bytes of memory aligned to 64 bytes, valid until the next call with this context; its
 * contents are not kept. NULL if memory is short, and the former block is then gone too; or if a worker
 * that was lost may still write into the block. */
void *workspace_reserve(dk_context *context, size_t bytes);

/* Why workspace_reserve returned NULL: DK_ERROR_MEMORY or DK_ERROR_THREADS. */
dk_status workspace_refusal(const dk_context *context);

#endif
