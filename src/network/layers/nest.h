/* Nested loops over views of one shape. */
#ifndef DK_NEST_H
#define DK_NEST_H

#include "base/view.h"
#include "dynakernel.h"

enum { MAX_OPERANDS = 3 };

/* Returns the view with only those dimensions whose bits are set. */
view view_axes(const view *v, uint32_t axes);

/* The dimensions of the loops, from the outermost on: rank >= 1. Operand 0 is the output. */
typedef struct nest {
  int32_t operands, rank;
  float *data[MAX_OPERANDS];
  int32_t shape[MAX_RANK + 1];
  int32_t stride[MAX_OPERANDS][MAX_RANK + 1];
} nest;

/* Makes the loops: leaves out dimensions of length 1, sorts the others by the strides of the output, and
 * merges those that are one run in all operands. */
nest nest_make(const view *const *operands, int32_t count);

/* Adds an outermost dimension of length 1. */
void nest_grow(nest *loops);

/* Exchanges two dimensions. */
void nest_swap(nest *loops, int32_t i, int32_t j);

/* Computes elements 0 .. count - 1 of dimension rank - inner, and all elements of the dimensions inside.
 * place[i] is the first element of operand i. */
typedef void (*nest_body)(const nest *loops, float *const *place, int32_t count, const void *argument);

/* Calls the body for all elements. It divides dimension rank - inner into pieces, and the pieces among the
 * threads if it pays. work: the multiply-adds that take as long as one element. */
void nest_run(dk_context *context, const nest *loops, int32_t inner, int32_t piece, double work,
              nest_body body, const void *argument);

/* out [count] = input[0], input[step], ... for any step. */
void nest_gather(const float *input, ptrdiff_t step, int32_t count, float *out);

/* Returns how many threads may work on a layer that takes so many multiply-adds. context may be NULL. */
int32_t nest_threads(const dk_context *context, double work);

/* Returns into how many parts to divide `units` of work: 1 if it does not pay. work: multiply-adds in all. */
int32_t nest_parts(dk_context *context, double work, int64_t units);

#endif
