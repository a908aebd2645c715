/* See check_team.h. Times are in nanoseconds. */
#include "check_team.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/team.h"
#include "support.h"

static int expect(bool holds, const char *what) {
  if (!holds) printf("FAILED team: %s\n", what);
  return !holds;
}

/* How long a job takes on so many threads, as team.h says. */
static double expected_time(double handover, double work, int32_t threads) {
  return work / threads + handover * (threads - 1);
}

/* Compares the size with all smaller and larger ones, for works and times of many magnitudes. */
static int check_sizes(uint32_t seed) {
  int failures = 0;
  random_state random = {seed};
  for (int i = 0; i < 2000; i++) {
    const team_policy policy = {.handover = random_between(&random, LEAST_HANDOVER, 20000)};
    const double work = random_between(&random, 0, 1 << random_between(&random, 8, 24));
    const int32_t threads = random_between(&random, 1, 16), size = team_size(&policy, threads, work);
    bool best = size >= 1 && size <= threads;
    /* More threads would not be faster. Each that takes part makes the job faster. */
    for (int32_t more = size + 1; more <= threads; more++)
      if (expected_time(policy.handover, work, more) < expected_time(policy.handover, work, size) &&
          work >= policy.handover * more * more)
        best = false;
    for (int32_t fewer = 1; fewer < size; fewer++)
      if (expected_time(policy.handover, work, fewer) < expected_time(policy.handover, work, size))
        best = false;
    if (!best) {
      printf("FAILED team: %d of %d threads for work of %g, handover %g (seed %u)\n", size, threads, work,
             policy.handover, seed);
      failures++;
    }
  }

  const team_policy second = {.handover = 1000};
  failures += expect(team_size(&second, 4, 3999) == 1, "a small layer runs on one thread");
  failures += expect(team_size(&second, 4, 4000) == 2, "two threads from four times the handover");
  failures += expect(team_size(&second, 4, 9000) == 3 && team_size(&second, 4, 16000) == 4, "three, four");
  failures += expect(team_size(&second, 4, 1e9) == 4, "no more than there are");
  const team_policy unknown = {0}, slow = {.handover = 10000};
  failures += expect(team_size(&unknown, 2, 10000) == 1 && team_size(&unknown, 2, 20000) == 2,
                     "the usual handover until it is measured");
  failures += expect(team_size(&slow, 2, 30000) == 1, "a slow handover makes more layers small");
  failures += expect(team_size(&(team_policy){.handover = LEAST_HANDOVER}, 2, LEAST_TEAMWORK - 1) == 1,
                     "less than the least work is never divided");
  return failures;
}

static int check_measurements(void) {
  team_policy policy = {0};
  int failures = expect(team_wants_measurement(&policy, 1e9), "handing over is measured at first");
  team_measured(&policy, 9000);
  failures += expect(policy.handover == 9000, "the first measurement counts");
  int measured = 0;
  for (int i = 0; i < 1024; i++) measured += team_wants_measurement(&policy, 20000);
  failures += expect(measured == 4, "a work that is a little too small is a reason to measure now and then");
  failures += expect(!team_wants_measurement(&policy, 1e6), "a work that is large enough is none");
  team_measured(&policy, 12000);
  failures += expect(policy.handover == 9000, "a longer measurement was disturbed");
  team_measured(&policy, 1);
  failures += expect(policy.handover == LEAST_HANDOVER, "a coarse clock may show nothing");
  return failures;
}

static int check_waking(void) {
  team_policy policy = {0};
  int failures = expect(!team_worth_waking(3e4) && team_worth_waking(1e6), "large works wake workers");
  int woken = 0;
  for (int i = 0; i < 100; i++) woken += team_refuse(&policy, 3e4, 1e7 + i * 4e4);
  failures += expect(woken == 25, "so do many that follow each other at once");
  for (int i = 0; i < 100; i++) woken += team_refuse(&policy, 3e4, 1e9 + i * 16e6);
  failures += expect(woken == 25, "but not those of an animation, which are far apart");
  return failures;
}

/* Settles jobs of 100 microseconds on two threads that each took the same time, and returns how many were
 * settled before a rest began. */
static int jobs_until_rest(team_policy *policy, double busy, double waiting, double now, int most) {
  const team_job job = {.work = 1e5, .tasks = 2, .own = 1, .busy = busy, .waiting = waiting};
  for (int i = 0; i < most; i++) {
    team_settle(policy, &job, now);
    if (team_rests(policy, now)) return i + 1;
  }
  return most;
}

static int check_rests(void) {
  team_policy policy = {.handover = 1000};
  double now = 1e9;
  int failures = expect(!team_rests(&policy, now), "no rest at first");
  failures += expect(jobs_until_rest(&policy, 5e4, 2e3, now, 1000) == 1000, "no rest while dividing pays");

  /* The system gives the worker's processor to another program, each time after a few jobs. */
  double length = 0;
  for (int i = 0; i < 4; i++) {
    failures += expect(jobs_until_rest(&policy, 5e4, 4e6, now, 10) == 1, "one long wait begins a rest");
    const double rest = policy.rest_end - now;
    failures += expect(rest > 0 && (i == 0 || rest == 2 * length), "a rest is twice as long as the last");
    failures += expect(!team_rests(&policy, policy.rest_end), "it ends");
    length = rest;
    now = policy.rest_end;
    failures += expect(jobs_until_rest(&policy, 5e4, 2e3, now, 8) == 8, "a few jobs do not make up for it");
  }
  for (int i = 0; i < 20; i++) jobs_until_rest(&policy, 5e4, 4e6, now = policy.rest_end, 10);
  failures += expect(policy.rest_end - now <= 1e9, "no rest is longer than a second");
  now = policy.rest_end;
  failures += expect(jobs_until_rest(&policy, 5e4, 2e3, now, 1000) == 1000, "the program is gone");
  jobs_until_rest(&policy, 5e4, 4e6, now, 10);
  failures += expect(policy.rest_end - now < 1e8, "rests are short again once that has paid");

  /* The caller computes for longer than its share can take: the system has taken its processor. */
  policy = (team_policy){.handover = 1000};
  failures += expect(jobs_until_rest(&policy, 5e4, 2e3, now, 10) == 10, "no rest");
  failures += expect(jobs_until_rest(&policy, 4e6, 2e3, now, 10) == 1, "a lost processor begins a rest");

  /* A machine ten times as slow as the reference rests at most once, and then divides. */
  policy = (team_policy){.handover = 1000};
  for (int i = 0; i < 100; i++) jobs_until_rest(&policy, 5e5, 2e4, now, 1);
  now = policy.rest_end;
  failures += expect(jobs_until_rest(&policy, 5e5, 2e4, now, 1000) == 1000, "a slow machine divides");

  /* A worker that never comes takes no tasks: the caller loses only what handing over costs. */
  policy = (team_policy){.handover = 1000};
  const team_job alone = {.work = 1e5, .tasks = 2, .own = 2, .busy = 1e5};
  int jobs = 0;
  for (; jobs < 10000 && !team_rests(&policy, now); jobs++) team_settle(&policy, &alone, now);
  failures += expect(jobs >= 100 && jobs < 1000, "a worker that takes nothing is not asked for ever");
  return failures;
}

int check_team(uint32_t seed) {
  return check_sizes(seed) + check_measurements() + check_waking() + check_rests();
}
