/* Memory: aligned allocation and the workspace. See dynakernel.h and base/workspace.h. */
#include "base/workspace.h"

#include <stdlib.h>

#include "base/attributes.h"
#include "base/context.h"

enum { ALIGNMENT = 64 }; /* a cache line */

void *dk_alloc(size_t bytes) {
  if (bytes > SIZE_MAX - ALIGNMENT) return NULL;
  size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return aligned_alloc(ALIGNMENT, rounded ? rounded : ALIGNMENT);
}

void dk_free(void *memory) { free(memory); }

int32_t dk_abi(void) { return DK_ABI_VERSION; }

dk_context *dk_context_create(void) {
  dk_context *context = calloc(1, sizeof(dk_context));
  if (context) context->threads = 1, context->patience = PATIENCE;
  return context;
}

void dk_context_destroy(dk_context *context) {
  if (!context) return;
  dk_free(context->workspace);
  free(context);
}

size_t dk_context_workspace(const dk_context *context) { return context->bytes; }

SMALL size_t dk_context_trim(dk_context *context) {
  const size_t bytes = context->bytes;
  if (dk_context_lost(context)) return 0;
  dk_free(context->workspace);
  context->workspace = NULL, context->bytes = 0;
  return bytes;
}

SMALL void *workspace_reserve(dk_context *context, size_t bytes) {
  if (dk_context_lost(context)) return NULL;
  if (bytes > context->bytes) {
    dk_context_trim(context); /* first, so that the heap need not hold both */
    context->workspace = dk_alloc(bytes);
    context->bytes = context->workspace ? bytes : 0;
  }
  return context->workspace;
}

dk_status workspace_refusal(const dk_context *context) {
  return context->lost ? DK_ERROR_THREADS : DK_ERROR_MEMORY;
}
