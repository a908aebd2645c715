/* See base/parallel.h. Workers are threads of the host's making (in a page, Web Workers with an instance
 * of the module on the same memory) that call dk_context_work and stay there.
 *
 * A worker spins for a while for the next job, then sleeps. Handing over costs some 3 microseconds
 * to a spinning worker and 30 to a sleeping one, or milliseconds where the system wakes it on the
 * processor that the caller keeps busy. So a worker spins long while jobs follow each other closely,
 * and hardly where they are far apart, as the frames of an animation are. The caller never sleeps,
 * since a page's main thread may not: it works like the others, and then waits for tasks that are
 * already running, but not forever: a worker may have ended, or be paused by a debugger. Little work is
 * handed over only to workers that spin: to wake them would take as long as they save. */
#include "base/context.h"

#include <limits.h>

#include "base/attributes.h"

enum {
  FEW_SPINS = 20000,    /* some 30 microseconds */
  MANY_SPINS = 1300000, /* some 2 milliseconds */

  LEAST_WORK = 3 << 18, /* multiply-adds: below, handing over costs more than it saves, or what it saves
                           goes to fetching data from the other processor */
  MUCH_WORK = 1 << 21,  /* below, so does waking the workers */
  DECLINE = 4,          /* how often, before they are woken all the same: more such work may follow */
};
static const int64_t SOON = 2000000; /* nanoseconds: of a worker's sleep, before more jobs are expected */

enum {
  SPINS_PER_LOOK = 1 << 16, /* some 0.1 milliseconds: how often the caller looks at the clock */
  LONGEST_LOOK = 250,       /* milliseconds: what more passed between two looks, the computer slept */
  SLOWEST = 200000,         /* multiply-adds a millisecond: slower than the reference on a phone */
};

#if defined(__wasm_atomics__)
/* False where the time, nanoseconds or -1 for ever, was over first. */
static bool sleep_while(atomic_int *address, int value, int64_t time) {
  return __builtin_wasm_memory_atomic_wait32((int *)address, value, time) != 2;
}
static void wake_all(atomic_int *address) { __builtin_wasm_memory_atomic_notify((int *)address, UINT_MAX); }
/* Of the thread that calls the library; the wrapper has them. dk_lost throws, so that the stack stays as
 * it is: the worker may still read what lies there. */
__attribute__((import_module("env"), import_name("dk_now"))) double now(void); /* milliseconds */
__attribute__((import_module("env"), import_name("dk_lost"))) void report_lost(void);
#elif defined(__wasm__)
static bool sleep_while(atomic_int *address, int value, int64_t time) {
  return (void)address, (void)value, (void)time, true;
}
static void wake_all(atomic_int *address) { (void)address; }
static double now(void) { return 0; }
static void report_lost(void) {}
#else
#include <sched.h>
#include <time.h>
static bool sleep_while(atomic_int *address, int value, int64_t time) {
  (void)time;
  if (atomic_load(address) == value) sched_yield();
  return true;
}
static void wake_all(atomic_int *address) { (void)address; }
static double now(void) {
  struct timespec time;
  timespec_get(&time, TIME_UTC);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}
static void report_lost(void) {}
#endif

static void take_tasks(dk_context *context, int32_t thread) {
  int index;
  while ((index = atomic_fetch_add(&context->next, 1)) < context->count) {
    context->task(context->argument, index, thread);
    atomic_fetch_add(&context->finished, 1);
  }
}

int32_t parallel_threads(const dk_context *context) { return context->threads; }

bool parallel_may_pay(const dk_context *context, double work) {
  return context->threads > 1 && work >= LEAST_WORK;
}

SMALL bool parallel_pays(dk_context *context, double work) {
  if (!parallel_may_pay(context, work)) return false;
  parallel_expect(context, work);
  if (work >= MUCH_WORK || !atomic_load(&context->sleeping)) return true;
  if (++context->declined % DECLINE == 0) {
    atomic_fetch_add(&context->generation, 1);
    wake_all(&context->generation);
  }
  return false;
}

void parallel_expect(dk_context *context, double work) { context->work = (float)work; }

dk_status parallel_status(const dk_context *context) { return context->lost ? DK_ERROR_THREADS : DK_OK; }

/* The caller's wait for workers. */
typedef struct wait {
  int32_t spins;
  double latest, waited; /* milliseconds: the latest look at the clock, and the sum so far */
} wait;

/* Whether it has lasted too long; to be asked at each spin. */
SMALL static bool too_long(const dk_context *context, wait *w) {
  if (++w->spins % SPINS_PER_LOOK) return false;
  const double time = now(), passed = time - w->latest;
  if (w->spins > SPINS_PER_LOOK) w->waited += passed < LONGEST_LOOK ? passed : LONGEST_LOOK;
  if (w->spins == 2 * SPINS_PER_LOOK) w->spins = SPINS_PER_LOOK; /* however long it lasts */
  w->latest = time;
  return w->waited > context->patience + context->work / SLOWEST;
}

/* Sends the workers away: the caller computes alone from now on. undone: there are tasks left. */
APART SMALL static void give_up(dk_context *context, bool undone) {
  context->threads = 1;
  dk_context_stop(context);
  if (!undone) return;
  context->lost = 1;
  report_lost();
}

SMALL void parallel_for(dk_context *context, int32_t count, parallel_task task, const void *argument) {
  if (context && context->lost) return;
  if (!context || context->threads == 1 || count == 1) {
    for (int32_t i = 0; i < count; i++) task(argument, i, 0);
    return;
  }
  context->task = task, context->argument = argument, context->count = count;
  atomic_store(&context->next, 0);
  atomic_store(&context->finished, 0);
  atomic_store(&context->open, true);
  atomic_fetch_add(&context->generation, 1);
  if (atomic_load(&context->sleeping)) wake_all(&context->generation);

  take_tasks(context, 0);
  wait w = {0};
  bool lost = false;
  while (!lost && atomic_load(&context->finished) < count) lost = too_long(context, &w);
  const bool undone = lost;
  atomic_store(&context->open, false);
  /* Nobody may be reading this job when the next one is written. */
  while (!lost && atomic_load(&context->inside)) lost = too_long(context, &w);
  if (lost) give_up(context, undone);
}

int32_t dk_context_lost(dk_context *context) {
  if (context->lost && !atomic_load(&context->inside)) context->lost = 0;
  return context->lost;
}

int32_t dk_context_threads(const dk_context *context) { return context->threads; }

void dk_context_set_threads(dk_context *context, int32_t threads) {
  context->threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
}

void dk_context_ended(dk_context *context) {
  context->threads = 1;
  atomic_store(&context->inside, 0);
}

SMALL void dk_context_work(dk_context *context, int32_t thread) {
  int seen = atomic_load(&context->generation), spins = FEW_SPINS;
  while (!atomic_load(&context->quit)) {
    atomic_fetch_add(&context->inside, 1);
    if (atomic_load(&context->open) && thread < context->threads) take_tasks(context, thread);
    atomic_fetch_sub(&context->inside, 1);

    for (int spin = 0; spin < spins && atomic_load(&context->generation) == seen; spin++) continue;
    if (atomic_load(&context->generation) == seen) {
      atomic_fetch_add(&context->sleeping, 1);
      const bool soon = sleep_while(&context->generation, seen, SOON);
      spins = soon ? MANY_SPINS : FEW_SPINS;
      if (!soon) sleep_while(&context->generation, seen, -1);
      atomic_fetch_sub(&context->sleeping, 1);
    }
    seen = atomic_load(&context->generation);
  }
}

SMALL void dk_context_stop(dk_context *context) {
  atomic_store(&context->quit, true);
  atomic_fetch_add(&context->generation, 1);
  wake_all(&context->generation);
}
