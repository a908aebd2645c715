/* See check_pointers.h. */
#define _GNU_SOURCE /* for MAP_FIXED_NOREPLACE. NOLINT(bugprone-reserved-identifier) */
#include "check_pointers.h"

#if defined(__wasm__)
int check_pointers(void) { return 0; }
#else
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "convolution/mixing.h"
#include "dynakernel.h"
#include "inner/plane_depthwise.h"
#include "windows.h"

enum { CHANNELS = 4, HEIGHT = 7, LEAST_WIDTH = 3000 };

/* Returns the lowest address that a program may use, or 0 if it cannot be read. */
static long lowest_address(void) {
  long address = 0;
  FILE *file = fopen("/proc/sys/vm/mmap_min_addr", "r");
  if (!file || fscanf(file, "%ld", &address) != 1) address = 0;
  if (file) fclose(file);
  return address;
}

/* Returns memory of zeros at the given address. */
static void *low_memory(long address, size_t bytes) {
  /* The check needs this address. NOLINTNEXTLINE(performance-no-int-to-ptr) */
  void *memory = mmap((void *)address, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if ((long)memory == address) return memory;
  fprintf(stderr, "no memory at the lowest address, %#lx\n", (unsigned long)address);
  abort();
}

/* Runs the passes of one layer. `low` is in turn its input, its output and their gradients. Returns false if
 * the algorithm does not cover the layer. */
static bool run(const dk_aggregation_config *config, int32_t W, float *low, float *other, float *third) {
  static const float one[1] = {1};
  static const dk_mixture mixture = {.kernels = one};
  static float weight[CHANNELS * CHANNELS * 81];
  const dk_aggregation_gradients into = {.weight = weight};
  dk_context *context = dk_context_create();
  dk_aggregation *aggregation;
  if (dk_aggregation_create(config, &aggregation)) abort();
  const dk_status status = dk_aggregation_forward(context, aggregation, low, &mixture, 1, HEIGHT, W, other);
  if (!status &&
      (dk_aggregation_forward(context, aggregation, other, &mixture, 1, HEIGHT, W, low) ||
       dk_aggregation_backward(context, aggregation, low, &mixture, 1, HEIGHT, W, other, third, NULL,
                               &into) ||
       dk_aggregation_backward(context, aggregation, other, &mixture, 1, HEIGHT, W, low, third, NULL,
                               &into) ||
       dk_aggregation_backward(context, aggregation, other, &mixture, 1, HEIGHT, W, third, low, NULL, NULL)))
    abort();
  dk_aggregation_destroy(aggregation), dk_context_destroy(context);
  return !status;
}

int check_pointers(void) {
  const long lowest = lowest_address();
  /* A row, or a row of taps, is longer than the room below the arrays. */
  const int32_t row = (int32_t)(lowest / 4) + 64, W = row < LEAST_WIDTH ? LEAST_WIDTH : row;
  const int32_t R = (int32_t)(lowest / (4 * LANES)) + 8;
  const size_t plane = sizeof(float) * CHANNELS * (HEIGHT + 8) * (W + 8),
               taps = sizeof(float) * R * R * LANES;
  float *low = low_memory(lowest, taps > plane ? taps : plane);
  float *other = calloc(1, plane), *third = calloc(1, plane);
  int layers = 0;
  for (int32_t algorithm = DK_ALGORITHM_AUTO; algorithm <= DK_ALGORITHM_IM2COL; algorithm++)
    for (int32_t kernel = 1; kernel <= 9; kernel += 2)
      for (int32_t stride = 1; stride <= 2; stride++)
        for (int32_t groups = 1; groups <= CHANNELS; groups += CHANNELS - 1) {
          dk_aggregation_config config = {.in_channels = CHANNELS,
                                          .out_channels = CHANNELS,
                                          .groups = groups,
                                          .num_kernels = 1,
                                          .algorithm = algorithm};
          square_window(&config, kernel, stride, kernel / 2, 1);
          layers += run(&config, W, low, other, third);
        }

  /* Puts the kernels of one output channel at the low address. In a pass they lie in the workspace. */
  const size_t input_row = (size_t)R + DEPTHWISE_COLUMNS;
  float *input = calloc(input_row * (R + DEPTHWISE_ROWS), sizeof(float));
  float y[DEPTHWISE_ROWS * DEPTHWISE_COLUMNS];
  plane_depthwise_convolve(&(depthwise_strip){.input = input,
                                              .row = (int32_t)input_row,
                                              .Rh = R,
                                              .Rw = R,
                                              .stride_h = 1,
                                              .stride_w = 1,
                                              .dilation_h = 1,
                                              .dilation_w = 1,
                                              .weight = low,
                                              .y = y,
                                              .rows = DEPTHWISE_ROWS,
                                              .Wo = DEPTHWISE_COLUMNS});
  munmap(low, taps > plane ? taps : plane);
  free(input), free(other), free(third);
  if (layers >= 60) return 0;
  printf("FAILED only %d layers were covered\n", layers);
  return 1;
}
#endif
