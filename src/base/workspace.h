/* The context's workspace: one block of memory that grows to the largest need and is then reused. */
#ifndef DK_WORKSPACE_H
#define DK_WORKSPACE_H

#include "dynakernel.h"

/* At least bytes of memory aligned to 64 bytes, valid until the next call with this context; its
 * contents are not kept. NULL where memory is short, and the former block is then gone too. */
void *workspace_reserve(dk_context *context, size_t bytes);

#endif
