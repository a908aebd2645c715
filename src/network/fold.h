#ifndef DK_FOLD_H
#define DK_FOLD_H

#include "network/schedule.h"

/* Computes what follows from the constants, if they have changed since the last call. */
void fold_constants(dk_schedule *schedule);

/* Whether a layer's own bias becomes a part of its first step. Only constants do. */
bool fold_takes_bias(const dk_schedule *schedule, const layer *of);

#endif
