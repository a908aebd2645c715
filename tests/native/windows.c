/* See windows.h. */
#include "windows.h"

#include <stdio.h>

/* What one direction has, or one side of it. */
static int32_t draw_stride(random_state *random) {
  return random_between(random, 0, 2) ? 1 : random_between(random, 2, 4);
}
static int32_t draw_dilation(random_state *random, int32_t most) {
  return random_between(random, 0, 3) ? 1 : random_between(random, 2, most);
}
static int32_t draw_padding(random_state *random, int32_t R, int32_t dilation) {
  return random_between(random, 0, 1) ? R / 2 * dilation : random_between(random, 0, R + 1);
}

void square_window(dk_aggregation_config *config, int32_t R, int32_t stride, int32_t padding,
                   int32_t dilation) {
  for (int axis = 0; axis < 2; axis++) {
    config->kernel_size[axis] = R;
    config->stride[axis] = stride;
    config->dilation[axis] = dilation;
    config->padding[axis] = config->padding[2 + axis] = padding;
  }
}

void random_window(random_state *random, dk_aggregation_config *config, const int32_t *kernel_sizes,
                   int32_t count, int32_t most_dilation) {
  const int32_t R = random_of(random, kernel_sizes, count), dilation = draw_dilation(random, most_dilation);
  square_window(config, R, draw_stride(random), draw_padding(random, R, dilation), dilation);
  const int32_t kind = random_between(random, 0, 8);
  if (kind > 2) return;
  if (kind < 2) /* a rectangle; else only the padding differs from side to side */
    for (int axis = 0; axis < 2; axis++) {
      config->kernel_size[axis] = random_between(random, 0, 2) ? random_of(random, kernel_sizes, count) : 1;
      config->stride[axis] = draw_stride(random);
      config->dilation[axis] = draw_dilation(random, most_dilation);
    }
  for (int side = 0; side < 4; side++)
    config->padding[side] = draw_padding(random, config->kernel_size[side % 2], config->dilation[side % 2]);
}

int32_t window_outputs(const dk_aggregation_config *config, int axis, int32_t length) {
  const int32_t padded = length + config->padding[axis] + config->padding[2 + axis];
  const int32_t reach = config->dilation[axis] * (config->kernel_size[axis] - 1) + 1;
  return padded < reach ? 0 : (padded - reach) / config->stride[axis] + 1;
}

size_t window_taps(const dk_aggregation_config *config) {
  return (size_t)config->kernel_size[0] * config->kernel_size[1];
}

void print_window(const dk_aggregation_config *config) {
  printf("kernel=%dx%d stride=%d,%d padding=%d,%d,%d,%d dilation=%d,%d ", config->kernel_size[0],
         config->kernel_size[1], config->stride[0], config->stride[1], config->padding[0], config->padding[1],
         config->padding[2], config->padding[3], config->dilation[0], config->dilation[1]);
}
