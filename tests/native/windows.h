/* Random kernels with their strides, dilations and paddings: squares and rectangles. */
#ifndef WINDOWS_H
#define WINDOWS_H

#include "dynakernel.h"
#include "support.h"

/* Draws kernel_size, stride, padding and dilation of a configuration. Two in three are the same in both
 * directions; the others are drawn apart for each direction, and padding for each side. kernel_sizes [count]
 * are the sizes to choose from. */
void random_window(random_state *random, dk_aggregation_config *config, const int32_t *kernel_sizes,
                   int32_t count, int32_t most_dilation);

/* Sets the same kernel, stride, padding and dilation in both directions. */
void square_window(dk_aggregation_config *config, int32_t R, int32_t stride, int32_t padding,
                   int32_t dilation);

/* Returns the output length along an axis (0: vertical, 1: horizontal), 0 or less if the kernel is larger
 * than the padded input. */
int32_t window_outputs(const dk_aggregation_config *config, int axis, int32_t length);

/* Returns kernel_size[0] * kernel_size[1]. */
size_t window_taps(const dk_aggregation_config *config);

/* Prints the fields that random_window sets. */
void print_window(const dk_aggregation_config *config);

#endif
