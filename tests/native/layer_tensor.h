/* Tensors for the checks of layers. Memory ends with the last element, so that the address sanitizer reports
 * a read or a write past it. */
#ifndef LAYER_TENSOR_H
#define LAYER_TENSOR_H

#include "base/view.h"
#include "dynakernel.h"
#include "pixel_check.h"

typedef struct tensor {
  view v;
  size_t floats; /* with gaps */
  float *memory;
} tensor;

/* Returns a tensor of NaNs. The first `spread` axes may have gaps between their elements. */
tensor tensor_make(check *c, int32_t rank, const int32_t *shape, int32_t spread);

/* Returns another tensor of NaNs that lies in its memory in the same way. */
tensor tensor_like(const tensor *t);

/* Fills a tensor with numbers between -2 and 2, and perhaps a few that are not finite. */
void tensor_fill(check *c, tensor *t, bool special);

void tensor_free(tensor *t);

/* Reports if two tensors of one layout differ, or if a gap was written. */
void expect_tensor(check *c, const tensor *got, const tensor *want, double tolerance, const char *what);

/* Returns count numbers between -1 and 1, in memory of that size. */
float *random_numbers(check *c, size_t count);

/* Returns a context as if of so many threads. The caller computes all parts. */
dk_context *context_of(int32_t threads);

#endif
