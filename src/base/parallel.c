/* The host starts the workers, which call dk_context_work and stay there. In a page they are Web Workers with
 * an instance of the module on the same memory. A worker spins for a while for the next job, then sleeps.
 *
 * Handing work to a spinning worker takes about a microsecond, to a sleeping one 30. It takes milliseconds if
 * the system wakes the worker on the processor that the caller keeps busy, or gives the worker's processor to
 * other programs. So the first is measured once, and each job is timed (base/team.h). */
#include "base/context.h"

#include <limits.h>

#include "base/assert.h"
#include "base/attributes.h"

enum {
  FEW_SPINS = 20000,    /* about 30 microseconds */
  MANY_SPINS = 1300000, /* about 2 milliseconds */
};
/* Nanoseconds of sleep. If a job comes within them, more jobs are near. */
static const int64_t SOON = 2000000;

/* How often handing over is measured at first, and how many jobs are one measurement. */
enum { TRIALS = 12, MEETINGS = 16 };
static const double LONGEST_TRIAL = 5e4; /* nanoseconds */

enum {
  SPINS_PER_LOOK = 1 << 16, /* about 0.1 milliseconds: how often the caller looks at the clock */
  LONGEST_LOOK = 250,       /* milliseconds: if more pass between two looks, the computer slept */
  SLOWEST = 200000,         /* multiply-adds per millisecond: slower than the reference on a phone */
};

/* parallel_sleep_while sleeps while the value at the address is `value`, for at most so many nanoseconds,
 * or without end if they are -1. It returns false if the time was over first. parallel_now returns
 * milliseconds. */
#if defined(__wasm_atomics__)
static bool parallel_sleep_while(atomic_int *address, int value, int64_t nanoseconds) {
  return __builtin_wasm_memory_atomic_wait32((int *)address, value, nanoseconds) != 2;
}
static void parallel_wake_all(atomic_int *address) {
  __builtin_wasm_memory_atomic_notify((int *)address, UINT_MAX);
}
/* The wrapper implements these two on the calling thread. dk_lost throws, and so leaves the stack in place:
 * the worker may still read it. */
__attribute__((import_module("env"), import_name("dk_now"))) double parallel_now(void);
__attribute__((import_module("env"), import_name("dk_lost"))) void parallel_report_lost(void);
#elif defined(__wasm__)
/* A build without threads never calls these. */
static bool parallel_sleep_while(atomic_int *address, int value, int64_t nanoseconds) {
  (void)address;
  (void)value;
  (void)nanoseconds;
  return true;
}
static void parallel_wake_all(atomic_int *address) { (void)address; }
static double parallel_now(void) { return 0; }
static void parallel_report_lost(void) {}
#else
#include <sched.h>
#include <time.h>
static bool parallel_sleep_while(atomic_int *address, int value, int64_t nanoseconds) {
  (void)nanoseconds;
  if (atomic_load(address) == value) sched_yield();
  return true;
}
static void parallel_wake_all(atomic_int *address) { (void)address; }
static double parallel_now(void) {
  struct timespec time;
  timespec_get(&time, TIME_UTC);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}
static void parallel_report_lost(void) {}
#endif

/* Takes one index after the other until none is left. Returns how many it took. */
static int32_t parallel_take_tasks(dk_context *context, int32_t thread) {
  int32_t taken = 0;
  int index;
  while ((index = atomic_fetch_add(&context->next, 1)) < context->count) {
    context->task(context->argument, index, thread);
    atomic_fetch_add(&context->finished, 1);
    taken++;
  }
  return taken;
}

int32_t parallel_threads(const dk_context *context) { return context ? context->threads : 1; }

bool parallel_may_pay(const dk_context *context, double work) {
  DK_ASSERT(work >= 0);
  return parallel_threads(context) > 1 && work >= (double)MULTIPLY_ADDS * LEAST_TEAMWORK;
}

/* Wakes the workers, for work that follows soon. */
static void parallel_wake(dk_context *context) {
  atomic_fetch_add(&context->generation, 1);
  parallel_wake_all(&context->generation);
}

/* Nanoseconds. */
static double parallel_clock(void) { return parallel_now() * 1e6; }

static void parallel_measure(dk_context *context);

SMALL int32_t parallel_team(dk_context *context, double work) {
  if (!parallel_may_pay(context, work)) return 1;
  const double time = work / MULTIPLY_ADDS;
  const bool asleep = atomic_load(&context->sleeping);
  if (!asleep && team_wants_measurement(&context->policy, time)) parallel_measure(context);
  const int32_t size = team_size(&context->policy, context->threads, time);
  if (size == 1 || team_rests(&context->policy, parallel_clock())) return 1;
  if (asleep && !team_worth_waking(time)) {
    if (team_refuse(&context->policy, time, parallel_clock())) parallel_wake(context);
    return 1;
  }
  context->work = (float)work;
  context->team = size;
  return size;
}

SMALL void parallel_wake_for(dk_context *context, double work) {
  if (parallel_threads(context) > 1 && atomic_load(&context->sleeping) &&
      team_worth_waking(work / MULTIPLY_ADDS) && !team_rests(&context->policy, parallel_clock()))
    parallel_wake(context);
}

void parallel_expect(dk_context *context, double work) {
  if (!context) return;
  context->work = (float)work;
  context->team = context->threads;
}

dk_status parallel_status(const dk_context *context) { return context->lost ? DK_ERROR_THREADS : DK_OK; }

/* The caller's wait for workers. */
typedef struct parallel_wait {
  int32_t spins;
  double latest, waited; /* milliseconds: the time of the latest look at the clock, and the sum so far */
} parallel_wait;

/* Returns true once the wait has lasted too long. Call it at each spin. */
SMALL static bool parallel_too_long(const dk_context *context, parallel_wait *wait) {
  if (++wait->spins % SPINS_PER_LOOK) return false;
  const double time = parallel_now(), passed = time - wait->latest;

  /* The first look has no earlier one to count from. Later looks do not count the computer's sleep. */
  if (wait->spins > SPINS_PER_LOOK) wait->waited += passed < LONGEST_LOOK ? passed : LONGEST_LOOK;

  /* Keep the count from overflowing. */
  if (wait->spins == 2 * SPINS_PER_LOOK) wait->spins = SPINS_PER_LOOK;
  wait->latest = time;
  return wait->waited > context->patience + context->work / SLOWEST;
}

/* Stops the workers: from now on the caller computes alone. If tasks are undone, a worker is lost. */
APART SMALL static void parallel_give_up(dk_context *context, bool undone) {
  context->threads = 1;
  dk_context_stop(context);
  if (!undone) return;
  context->lost = 1;
  parallel_report_lost();
}

/* Runs a job on the context's team, and times it. Returns false if tasks are undone. */
SMALL static bool parallel_run(dk_context *context, int32_t count, parallel_task task, const void *argument,
                               team_job *timed) {
  /* All workers have left the job before. Write this one, and open it. */
  DK_ASSERT(!atomic_load(&context->open));
  const double begin = parallel_clock();
  context->task = task;
  context->argument = argument;
  context->count = count;
  atomic_store(&context->next, 0);
  atomic_store(&context->finished, 0);
  atomic_store(&context->open, true);
  atomic_fetch_add(&context->generation, 1);
  if (atomic_load(&context->sleeping)) parallel_wake_all(&context->generation);

  /* The caller works like a worker. Then it spins until the tasks of the others are done: a page's main
   * thread may not sleep. It does not wait without end: a worker may have ended, or a debugger may have
   * paused it. */
  const int32_t own = parallel_take_tasks(context, 0);
  const double end = parallel_clock();
  parallel_wait wait = {0};
  bool lost = false;
  while (!lost && atomic_load(&context->finished) < count) lost = parallel_too_long(context, &wait);
  const bool undone = lost;

  /* Close the job, and wait until no worker reads it: the next job is written in the same place. */
  atomic_store(&context->open, false);
  while (!lost && atomic_load(&context->inside)) lost = parallel_too_long(context, &wait);
  *timed = (team_job){.work = (double)context->work / MULTIPLY_ADDS,
                      .tasks = count,
                      .own = own,
                      .busy = end - begin,
                      .waiting = parallel_clock() - end};
  if (lost) parallel_give_up(context, undone);
  return !undone;
}

/* A task that lasts until each thread has one. If a worker is late, the caller does not wait for it. */
typedef struct meeting {
  atomic_int present;
  int32_t threads;
} meeting;

static void parallel_meet(const void *argument, int32_t index, int32_t thread) {
  (void)index, (void)thread;
  meeting *all = (meeting *)argument;
  atomic_fetch_add(&all->present, 1);
  for (int spin = 0; spin < FEW_SPINS && atomic_load(&all->present) < all->threads; spin++) continue;
}

/* Measures how long handing a job to workers that are awake takes, once all workers have come. */
APART SMALL static void parallel_measure(dk_context *context) {
  if (atomic_load(&context->present) < context->threads - 1) return;
  parallel_expect(context, 0);
  for (int trial = context->policy.handover == 0 ? 0 : TRIALS - 1; trial < TRIALS; trial++) {
    const double begin = parallel_clock();
    double passed = 0;
    int jobs = 0;
    for (; jobs < MEETINGS && passed < LONGEST_TRIAL; jobs++, passed = parallel_clock() - begin) {
      meeting all = {0, context->threads};
      team_job timed;
      if (!parallel_run(context, context->threads, parallel_meet, &all, &timed) || context->threads == 1)
        return;
    }
    team_measured(&context->policy, passed / jobs);
  }
}

SMALL void parallel_for(dk_context *context, int32_t count, parallel_task task, const void *argument) {
  DK_ASSERT(count >= 0 && task);
  if (context && context->lost) return;
  if (!context || context->threads == 1 || count == 1) {
    for (int32_t i = 0; i < count; i++) task(argument, i, 0);
    return;
  }
  team_job timed;
  if (parallel_run(context, count, task, argument, &timed))
    team_settle(&context->policy, &timed, parallel_clock());
}

int32_t dk_context_lost(dk_context *context) {
  /* A lost worker that has left its task is lost no more. */
  if (context->lost && !atomic_load(&context->inside)) context->lost = 0;
  return context->lost;
}

int32_t dk_context_threads(const dk_context *context) { return context->threads; }

void dk_context_set_threads(dk_context *context, int32_t threads) {
  context->team = context->threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
}

void dk_context_ended(dk_context *context) {
  context->threads = 1;
  atomic_store(&context->inside, 0);
}

SMALL void dk_context_work(dk_context *context, int32_t thread) {
  DK_ASSERT(thread >= 1 && thread < MAX_THREADS);
  int seen = atomic_load(&context->generation), spins = FEW_SPINS;
  atomic_fetch_add(&context->present, 1);
  while (!atomic_load(&context->quit)) {
    /* Say that this worker reads the job before looking whether one is open. */
    atomic_fetch_add(&context->inside, 1);
    if (atomic_load(&context->open) && thread < context->team) parallel_take_tasks(context, thread);
    atomic_fetch_sub(&context->inside, 1);

    /* Spin for the next job, then sleep. Spin long if jobs follow each other closely, and briefly if they are
     * far apart, as the frames of an animation are. */
    for (int spin = 0; spin < spins && atomic_load(&context->generation) == seen; spin++) continue;
    if (atomic_load(&context->generation) == seen) {
      atomic_fetch_add(&context->sleeping, 1);
      const bool soon = parallel_sleep_while(&context->generation, seen, SOON);
      spins = soon ? MANY_SPINS : FEW_SPINS;
      if (!soon) parallel_sleep_while(&context->generation, seen, -1);
      atomic_fetch_sub(&context->sleeping, 1);
    }
    seen = atomic_load(&context->generation);
  }
}

SMALL void dk_context_stop(dk_context *context) {
  atomic_store(&context->quit, true);
  atomic_fetch_add(&context->generation, 1);
  parallel_wake_all(&context->generation);
}
