/* What the two halves of placing share: targets.c says where values are wanted, place.c where they are. */
#ifndef DK_PLACING_H
#define DK_PLACING_H

#include "network/schedule.h"

typedef struct placing {
  dk_schedule *schedule;
  const description *described;
  layer **layer_ending;
  int32_t most_layers, most_places;

  /* For each value: */
  place *target; /* where it is wanted; see has_target */
  bool *has_target;
  int32_t *granted;  /* the node that wants it there, or -1 */
  int32_t *shuffled; /* the groups of the shuffle that a concatenation writes for; 0: none */
  int32_t *copy;     /* the place of a contiguous copy, or -1 */
} placing;

/* Whether the tensor is contiguous planes, at any distance from each other; of a rank below 3, contiguous. */
bool place_is_planar(const layout *of);

/* Whether two places of one shape are the same memory. */
bool place_is_same(const place *a, const place *b);

/* A place for a value: its output's memory, or a storage of its own. */
place place_new(placing *at, const value *of);

/* The target of a value, which gets a new place if it has none. */
place *place_target(placing *at, int32_t index);

/* The part of a concatenation that begins at `start` of its axis. A shuffle by groups moves channel i * (C /
 * groups) + j to j * groups + i. */
place place_part(const placing *at, const node *concat, const place *whole, int32_t start, int32_t length);

/* Gives targets to the outputs of the network, to concatenations and to their parts. */
void place_targets(placing *at);

#endif
