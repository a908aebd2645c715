/* Random networks, fused and unfused, and hostile descriptions. */
#ifndef CHECK_NETWORK_H
#define CHECK_NETWORK_H

#include <stdint.h>

int check_network(uint32_t seed, int count);

#endif
