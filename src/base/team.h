/* Decides how many threads a job gets. These functions only compute, so that tests can check them;
 * base/parallel.c measures the times.
 *
 * All works and times are in nanoseconds. */
#ifndef DK_TEAM_H
#define DK_TEAM_H

#include <stdbool.h>
#include <stdint.h>

enum {
  LEAST_HANDOVER = 500,                /* what handing a job over takes at least */
  LEAST_TEAMWORK = 4 * LEAST_HANDOVER, /* Less work never gets a second thread. */
};

/* What the times so far say. All zeros at first. */
typedef struct team_policy {
  double handover;  /* how long a job takes to reach a worker and come back at least; 0: not measured */
  int32_t doubts;   /* how many works were a little too small since then */
  double balance;   /* how much time dividing saved lately; below 0: lost */
  double debt;      /* how much it had lost when the last rest began; 0: it saved enough since then */
  double slowness;  /* how much slower than the reference machine this one is, at least 1; 0: not known */
  double rest;      /* how long the last rest is; 0: none lately */
  double rest_end;  /* Until this time no work is divided. */
  double refused;   /* how much work was refused lately because workers slept */
  double last_time; /* of such a refusal */
} team_policy;

/* A job that several threads have computed. */
typedef struct team_job {
  double work;          /* of all tasks */
  int32_t tasks, own;   /* all tasks, and those that the caller has computed */
  double busy, waiting; /* how long the caller computed, and waited for the others */
} team_job;

/* Returns how many of `threads` threads should share this work. With t threads a job takes about
 * work / t + handover * (t - 1), which is least for t = sqrt(work / handover). */
int32_t team_size(const team_policy *policy, int32_t threads, double work);

/* Whether to measure handing over now, before work is divided: at first, and now and then while it makes
 * works too small. Other programs may have disturbed the measurements before. */
bool team_wants_measurement(team_policy *policy, double work);
void team_measured(team_policy *policy, double handover);

/* Whether the work is worth waking workers that sleep. */
bool team_worth_waking(double work);

/* Counts work that was refused because workers slept. Returns true if there was so much of it lately that
 * they should be woken for the work that may follow. */
bool team_refuse(team_policy *policy, double work, double now);

/* Whether no work should be divided now, because workers were late too often. */
bool team_rests(const team_policy *policy, double now);

/* Adds the time that a job has saved, or lost, to the balance. If too much is lost, a rest begins. It is
 * twice as long as the one before unless dividing has made up for all losses since then. */
void team_settle(team_policy *policy, const team_job *job, double now);

#endif
