/* Random networks, fused and unfused, and hostile descriptions. */
#ifndef CHECK_NETWORK_H
#define CHECK_NETWORK_H

#include <stdint.h>

#include "dynakernel.h"

int check_network(uint32_t seed, int count);

/* Whether random networks compute the same, to the last bit, on several threads as on one. */
int check_network_threads(dk_context *alone, dk_context *shared, uint32_t seed, int count);

#endif
