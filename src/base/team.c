#include "base/team.h"

#include "base/assert.h"
#include "base/attributes.h"

SMALL_FILE

enum { DOUBTS = 256 }; /* A measurement takes less than a hundredth of these works. */

/* Nanoseconds. */
static const double USUAL_HANDOVER = 3e3, /* until it is measured */
    WAKING = 1e5,                         /* With less work, waking a worker costs more than it saves. */
    LULL = 2e6,                           /* Refusals that are farther apart are not of one series. */
    CREDIT = 3e5,                         /* a loss that is no reason to rest */
    MOST_BALANCE = 1e6,                   /* Old savings do not make up for more losses than this. */
    MOST_DEBT = 5e6,                      /* nor must new savings make up for more losses than this */
    SHORT_REST = 2e7, LONG_REST = 1e9;

static const double UNCERTAINTY = 4; /* of the work that a caller expects */
static const double GROWTH = 1.05;   /* of the slowness, from job to job */

int32_t team_size(const team_policy *policy, int32_t threads, double work) {
  DK_ASSERT(threads >= 1 && work >= 0);
  const double handover = policy->handover > 0 ? policy->handover : USUAL_HANDOVER;
  int32_t size = 1;
  while (size < threads && work >= handover * (size + 1) * (size + 1)) size++;
  return size;
}

bool team_wants_measurement(team_policy *policy, double work) {
  if (policy->handover == 0) return true;
  return team_size(policy, 2, work) == 1 && ++policy->doubts % DOUBTS == 0;
}

void team_measured(team_policy *policy, double handover) {
  if (policy->handover > 0 && policy->handover < handover) return;
  policy->handover = handover > LEAST_HANDOVER ? handover : LEAST_HANDOVER;
}

bool team_worth_waking(double work) { return work >= WAKING; }

bool team_refuse(team_policy *policy, double work, double now) {
  if (now - policy->last_time > LULL) policy->refused = 0;
  policy->last_time = now;
  policy->refused += work;
  if (!team_worth_waking(policy->refused)) return false;
  policy->refused = 0;
  return true;
}

bool team_rests(const team_policy *policy, double now) { return now < policy->rest_end; }

/* How long a share of the work takes this machine at most, unless the system runs other programs meanwhile. A
 * job that takes less than expected lowers the expectation at once, others raise it slowly. */
static double team_longest(team_policy *policy, double work, double busy) {
  double slowness = busy / work;
  if (slowness > policy->slowness * GROWTH) slowness = policy->slowness * GROWTH;
  policy->slowness = slowness > 1 ? slowness : 1;
  return UNCERTAINTY * policy->slowness * work;
}

void team_settle(team_policy *policy, const team_job *job, double now) {
  DK_ASSERT(job->tasks >= 1 && job->own >= 0 && job->own <= job->tasks);
  double saved = -job->waiting - policy->handover;
  if (job->own && job->work > 0) {
    /* The other tasks would have taken the caller as long as its own. Time beyond that is lost: the system
     * took the caller's processor away. */
    const double longest = team_longest(policy, job->work * job->own / job->tasks, job->busy);
    const double busy = job->busy < longest ? job->busy : longest;
    saved += busy * (job->tasks - job->own) / job->own - (job->busy - busy);
  }
  policy->balance += saved;
  if (policy->balance >= MOST_BALANCE) {
    policy->balance = MOST_BALANCE;
    policy->debt = policy->rest = 0;
  }
  if (policy->balance >= -policy->debt - CREDIT) return;
  if (policy->balance < -MOST_DEBT) policy->balance = -MOST_DEBT;
  policy->debt = -policy->balance;
  policy->rest = policy->rest > 0 ? 2 * policy->rest : SHORT_REST;
  if (policy->rest > LONG_REST) policy->rest = LONG_REST;
  policy->rest_end = now + policy->rest;
}

SMALL_FILE_END
