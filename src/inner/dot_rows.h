/* The product of a matrix with one column: a dot product for each row. */
#ifndef DK_DOT_ROWS_H
#define DK_DOT_ROWS_H

#include <stddef.h>
#include <stdint.h>

/* y[i * y_row] = sum over k of a[i * a_row + k] * b[k], for i < rows and k < depth. */
void dot_rows(const float *a, ptrdiff_t a_row, const float *b, int32_t rows, int32_t depth, float *y,
              ptrdiff_t y_row);

#endif
