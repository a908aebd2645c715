/* Checks how many threads a job gets for given times (src/base/team.h). */
#ifndef CHECK_TEAM_H
#define CHECK_TEAM_H

#include <stdint.h>

/* Returns the number of failures. */
int check_team(uint32_t seed);

#endif
