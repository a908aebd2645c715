/* Builds descriptions of random networks (dynakernel.h, chapter networks). */
#ifndef NETWORK_DESCRIPTION_H
#define NETWORK_DESCRIPTION_H

#include "base/view.h"
#include "dynakernel.h"
#include "support.h"

enum { MOST_VALUES = 640, MOST_NODES = 64, MOST_WORDS = 8192 };

typedef struct described_value {
  int32_t rank, shape[MAX_RANK];
  bool constant, made; /* neither: an input */
  int32_t uses;
} described_value;

typedef struct described_network {
  described_value value[MOST_VALUES];
  int32_t values;
  int32_t word[MOST_WORDS]; /* of nodes */
  int32_t words, nodes;
  int32_t output[MOST_VALUES], outputs;
} described_network;

/* A random network of a few to a few dozen nodes, of every op, with at least one output. */
void describe_random(random_state *random, described_network *made);

/* Writes the words. keep: every inner value is kept, so that nothing is fused. Returns their number. */
int32_t describe_words(const described_network *described, bool keep, int32_t *words);

size_t described_elements(const described_value *of);

#endif
