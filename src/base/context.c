/* Aligned memory, and the workspace of a context. base/parallel.c has its threads. */
#include "base/context.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/workspace.h"

void *dk_alloc(size_t bytes) {
  /* aligned_alloc takes multiples of the alignment only. 0 bytes get an address of their own. */
  if (bytes > SIZE_MAX - WORKSPACE_ALIGNMENT) return NULL;
  size_t rounded = (bytes + WORKSPACE_ALIGNMENT - 1) / WORKSPACE_ALIGNMENT * WORKSPACE_ALIGNMENT;
  return aligned_alloc(WORKSPACE_ALIGNMENT, rounded ? rounded : WORKSPACE_ALIGNMENT);
}

void dk_free(void *memory) { free(memory); }

int32_t dk_abi(void) { return DK_ABI_VERSION; }

dk_context *dk_context_create(void) {
  dk_context *context = calloc(1, sizeof(dk_context));
  if (context) {
    context->threads = 1;
    context->patience = PATIENCE;
  }
  return context;
}

void dk_context_destroy(dk_context *context) {
  if (!context) return;
  dk_free(context->workspace);
  free(context);
}

size_t dk_context_workspace(const dk_context *context) {
  DK_ASSERT(context);
  return context->workspace_bytes;
}

SMALL size_t dk_context_trim(dk_context *context) {
  const size_t freed = context->workspace_bytes;
  /* A lost worker may still write into the workspace. */
  if (dk_context_lost(context)) return 0;
  dk_free(context->workspace);
  context->workspace = NULL;
  context->workspace_bytes = 0;
  return freed;
}

SMALL void *workspace_reserve(dk_context *context, size_t bytes) {
  DK_ASSERT(context);
  if (dk_context_lost(context)) return NULL;
  if (bytes > context->workspace_bytes) {
    /* Free the old block first: the heap then need not hold both. */
    dk_context_trim(context);
    context->workspace = dk_alloc(bytes);
    context->workspace_bytes = context->workspace ? bytes : 0;
  }
  DK_ASSERT((uintptr_t)context->workspace % WORKSPACE_ALIGNMENT == 0);
  return context->workspace;
}

dk_status workspace_refusal(const dk_context *context) {
  return context->lost ? DK_ERROR_THREADS : DK_ERROR_MEMORY;
}
