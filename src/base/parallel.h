/* Divides work among the threads of a context. */
#ifndef DK_PARALLEL_H
#define DK_PARALLEL_H

#include <stdbool.h>

#include "dynakernel.h"

enum { MAX_THREADS = 16 };
enum { PATIENCE = 5000 }; /* milliseconds that the caller waits for workers at least */

typedef void (*parallel_task)(const void *argument, int32_t index, int32_t thread);

/* In all functions here but parallel_status, context may be NULL: the calling thread then computes alone, so
 * a task can call functions that divide work.
 *
 * `work` is counted in multiply-adds, of which the reference machine computes MULTIPLY_ADDS in a nanosecond,
 * or in what takes as long. */
enum { MULTIPLY_ADDS = 25 };

/* Returns how many threads may run tasks at the same time, including the calling one. */
int32_t parallel_threads(const dk_context *context);

/* Returns how many threads the next parallel_for() should use for this work: 1 if dividing it does not pay.
 * base/team.h says how that is decided. Not a pure query: refusals are counted, and wake sleeping workers if
 * there are many. */
int32_t parallel_team(dk_context *context, double work);

/* Returns true if parallel_team() may ever return more than 1 for this work. Otherwise no worker needs room
 * for it. */
bool parallel_may_pay(const dk_context *context, double work);

/* Wakes the workers for a series of calls of `work` in all, if that pays. */
void parallel_wake_for(dk_context *context, double work);

/* Runs task(argument, index, thread) once for each index 0 .. count - 1, in any order, and returns when all
 * are done, on as many threads as the last parallel_team() said. thread is below parallel_threads(). No two
 * tasks of one thread run at the same time. A worker that has not started or is late is not waited for: the
 * other threads do its share. If context is NULL, the calling thread runs all tasks as thread 0.
 *
 * If a worker does not finish its task in time, parallel_for returns early with tasks undone. All later calls
 * return at once until the worker has left its task. A function that divides work must end by returning
 * parallel_status(). */
void parallel_for(dk_context *context, int32_t count, parallel_task task, const void *argument);

/* Returns DK_OK, or DK_ERROR_THREADS if tasks were left undone. */
dk_status parallel_status(const dk_context *context);

/* Makes the next parallel_for() use all threads, for callers that did not call parallel_team(). */
void parallel_expect(dk_context *context, double work);

#endif
