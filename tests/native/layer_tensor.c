/* See layer_tensor.h. */
#include "layer_tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fill_nan(tensor *t) {
  for (size_t i = 0; i < t->floats; i++) t->memory[i] = NAN;
}

tensor tensor_make(check *c, int32_t rank, const int32_t *shape, int32_t spread) {
  tensor t = {.v.rank = rank, .floats = 1};
  int32_t stride = 1;
  for (int32_t i = rank - 1; i >= 0; i--) {
    if (i < spread && below(c, 2)) stride += below(c, 9);
    t.v.shape[i] = shape[i];
    t.v.stride[i] = stride;
    t.floats += (size_t)(shape[i] - 1) * (size_t)stride;
    stride *= shape[i];
  }
  t.v.data = t.memory = allocate(t.floats * sizeof(float));
  fill_nan(&t);
  return t;
}

tensor tensor_like(const tensor *t) {
  tensor made = *t;
  made.v.data = made.memory = allocate(t->floats * sizeof(float));
  fill_nan(&made);
  return made;
}

void tensor_fill(check *c, tensor *t, bool special) {
  static const float not_finite[] = {NAN, INFINITY, -INFINITY};
  const size_t elements = view_elements(&t->v);
  for (size_t i = 0; i < elements; i++) {
    size_t rest = i;
    float *element = t->v.data;
    for (int32_t axis = t->v.rank - 1; axis >= 0; axis--) {
      element += (ptrdiff_t)(rest % (size_t)t->v.shape[axis]) * t->v.stride[axis];
      rest /= (size_t)t->v.shape[axis];
    }
    *element = special && below(c, 40) == 0 ? not_finite[below(c, 3)] : uniform(c, -2, 2);
  }
}

void tensor_free(tensor *t) { free(t->memory); }

void expect_tensor(check *c, const tensor *got, const tensor *want, double tolerance, const char *what) {
  if (!close_to(got->memory, want->memory, want->floats, tolerance, what)) mismatch(c, "%s differs", what);
}

float *random_numbers(check *c, size_t count) {
  float *numbers = allocate(count * sizeof(float));
  random_fill(&c->random, numbers, count);
  return numbers;
}

dk_context *context_of(int32_t threads) {
  dk_context *context = dk_context_create();
  if (!context) abort();
  dk_context_set_threads(context, threads);
  return context;
}
