/* Copies of rows, and of planes with their zero padding written out: inner loops then need no edge cases. */
#ifndef DK_PAD_H
#define DK_PAD_H

#include <stdint.h>

/* out [count] = input[0], input[step], input[2 * step], ... */
void copy_row(const float *input, int32_t step, int32_t count, float *out);

/* Writes out [rows, phases, width]: the window of the zero-padded plane of x [H, W] that begins at (top,
 * left), which may be negative. Column j of the window goes to phase j % phases, place j / phases. width >=
 * 4. */
void pad_rows(const float *x, int32_t H, int32_t W, int32_t top, int32_t left, int32_t rows, int32_t phases,
              int32_t width, float *out);

/* A window of a zero-padded plane. */
typedef struct window {
  const float *data;
  int32_t row; /* floats from one row to the next */
} window;

/* Returns the rows x width values of the padded plane of x [H, W] that begin at (top, left), which may be
 * negative. If the window lies within x, the result points into x; otherwise the values are copied to
 * out [rows, width]. width >= 4. */
window pad_window(const float *x, int32_t H, int32_t W, int32_t top, int32_t left, int32_t rows,
                  int32_t width, float *out);

#endif
