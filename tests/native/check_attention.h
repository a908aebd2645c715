/* The attention branch: the module and the layer of networks against their definition, and what they refuse.
 */
#ifndef CHECK_ATTENTION_H
#define CHECK_ATTENTION_H

#include <stdint.h>

/* Checks `count` random branches, and special cases. Returns how many checks failed. */
int check_attention(uint32_t seed, int count);

#endif
