/* Compares every fast path with its portable reference.
 *
 * usage: check [SEED [COUNT]]    COUNT random configurations, by default 2,000 */
#include <stdio.h>
#include <stdlib.h>

#include "check_attention.h"
#include "check_call.h"
#include "check_convolution.h"
#include "check_gradients.h"
#include "check_layers_elementwise.h"
#include "check_layers_products.h"
#include "check_layers_sums.h"
#include "check_mixture.h"
#include "check_network.h"
#include "check_pixels.h"
#include "check_pointers.h"
#include "check_team.h"
#include "check_training.h"

int main(int argc, char **argv) {
  const uint32_t seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
  const int count = argc > 2 ? atoi(argv[2]) : 2000;
  int failures = check_convolution(seed, count) + check_depthwise_3x3(seed);
  failures += check_calls(seed, count / 3) + check_matmul_lanes(seed);
  failures += check_pool(seed, count) + check_pixels(seed, count);
  failures += check_mixtures(seed, count / 4) + check_runtime_convolutions(seed, count / 8);
  failures += check_gradients(seed, count / 2) + check_differences(seed, count / 4);
  failures += check_attention(seed, count / 4);
  failures += check_losses(seed, count) + check_optimizers(seed, count);
  failures += check_correlate(seed, count) + check_elementary(seed, count);
  failures += check_pointers() + check_team(seed) + check_network(seed, count);
  failures += check_layers_elementwise(seed, count);
  failures += check_layers_sums(seed, count / 4) + check_layers_products(seed, count / 4);
  printf("%d failures, seed %u, %d configurations\n", failures, seed, count);
  return failures ? 1 : 0;
}
