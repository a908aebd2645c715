/* Copies of rows, and of planes with their zero padding written out, so that no inner loop knows of
 * edges. */
#ifndef DK_PAD_H
#define DK_PAD_H

#include <stdint.h>

/* out [count]: every step-th value of input. */
void copy_row(const float *input, int32_t step, int32_t count, float *out);

/* Rows first .. first + rows - 1 of the padded plane (row 0 is the top row of padding), from
 * x [H, W] into out [rows, phases, width], width >= 4: column j goes to phase j % phases, place
 * j / phases. Columns beyond the padded input are zero. A padding below 0 leaves out as many rows and
 * columns. */
void pad_rows(const float *x, int32_t H, int32_t W, int32_t padding, int32_t first, int32_t rows,
              int32_t phases, int32_t width, float *out);

/* A window of the zero-padded plane: rows x width values of x [H, W] from (top, left) on, either of
 * which may be negative. Where it lies within x it is x itself, elsewhere a copy in out
 * [rows, width], width >= 4. */
typedef struct window {
  const float *data;
  int32_t row; /* floats from a row to the next */
} window;

window pad_window(const float *x, int32_t H, int32_t W, int32_t top, int32_t left, int32_t rows,
                  int32_t width, float *out);

#endif
