/* Dividing work among the threads of a context. */
#ifndef DK_PARALLEL_H
#define DK_PARALLEL_H

#include <stdbool.h>

#include "dynakernel.h"

enum { MAX_THREADS = 16 };
enum { PATIENCE = 5000 }; /* milliseconds that the caller waits for workers at least */

typedef void (*parallel_task)(const void *argument, int32_t index, int32_t thread);

/* Threads that may run tasks at once, the caller among them. */
int32_t parallel_threads(const dk_context *context);

/* Whether it pays to divide so much work, counted in multiply-adds: much work always does, less only while
 * all workers are awake. That it is asked for is counted, and wakes them now and then. */
bool parallel_pays(dk_context *context, double work);

/* Whether parallel_pays() can ever return true for so much work: else no worker needs room for it. */
bool parallel_may_pay(const dk_context *context, double work);

/* task(argument, index, thread) for every index below count, in any order, each once; thread is
 * below parallel_threads and no two tasks of one thread run at once. Returns when all are done. A
 * thread that has not started yet, or is late, is not waited for: the others do its share. Without a
 * context the calling thread does all, as thread 0: so that a task can call what divides its work.
 *
 * A worker that does not finish its task in time is given up: parallel_for then returns early, with tasks
 * undone, and so do all calls after it until the worker is out of its task. Whoever divides work therefore
 * ends by returning parallel_status(). */
void parallel_for(dk_context *context, int32_t count, parallel_task task, const void *argument);

/* DK_OK, or DK_ERROR_THREADS if tasks were left undone. */
dk_status parallel_status(const dk_context *context);

/* Tells how much work the next parallel_for() divides, if parallel_pays() was not asked. */
void parallel_expect(dk_context *context, double work);

#endif
