/* Steps on elements that follow a layer: batch norm, activation, residual, gate. A layer applies them to each
 * part of its output while the part is in a cache. A chain of such steps alone is a layer too. */
#ifndef DK_EPILOGUE_H
#define DK_EPILOGUE_H

#include <stdbool.h>

#include "dynakernel.h"

enum { MAX_STEPS = 8 };

/* One step on the elements of plane (n, c) of a tensor [N, C, pixels]:
 *
 *   op BATCH_NORM       y = x * scale[c] + shift[c]; scale or shift may be NULL (1, 0)
 *   op RELU .. ERF      the activation, with parameters p[0], p[1] in the order of dk_op's attributes
 *   op ADD .. PRELU     y = op(x, operand), or op(operand, x) if reversed, for the operand's element
 *                       operand[n * stride[0] + c * stride[1] + pixel * stride[2]]; stride[2] is 0 or 1.
 *                       If repeat[1] > 0, rows and columns of the operand's planes are repeated so many times
 *                       (inner/repeat.h): pixels are those of rows of `width` */
typedef struct epilogue_step {
  dk_op op;
  float p[2];
  const float *scale, *shift;
  const float *operand;
  int32_t stride[3];
  int32_t repeat[2], width;
  bool reversed;
} epilogue_step;

typedef struct epilogue {
  int32_t count; /* 0 .. MAX_STEPS */
  epilogue_step step[MAX_STEPS];
} epilogue;

/* Applies all steps to pixels first .. first + count - 1 of plane (n, c). x and y point to pixel `first`; y
 * may be x. */
void epilogue_apply(const epilogue *steps, int32_t n, int32_t c, size_t first, size_t count, const float *x,
                    float *y);
void epilogue_apply_reference(const epilogue *steps, int32_t n, int32_t c, size_t first, size_t count,
                              const float *x, float *y);

#endif
