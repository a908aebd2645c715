/* Compares the parts of training with their references: losses, optimizers, the sums of a kernel's gradient,
 * exp and log. */
#ifndef CHECK_TRAINING_H
#define CHECK_TRAINING_H

#include <stdint.h>

/* Each runs count seeded draws, prints the failures and returns how many failed. */
int check_losses(uint32_t seed, int count);
int check_optimizers(uint32_t seed, int count);
int check_correlate(uint32_t seed, int count);
int check_elementary(uint32_t seed, int count);

#endif
