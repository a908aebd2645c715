/* Divides work among the threads of a context. */
#ifndef DK_PARALLEL_H
#define DK_PARALLEL_H

#include <stdbool.h>

#include "dynakernel.h"

enum { MAX_THREADS = 16 };
enum { PATIENCE = 5000 }; /* milliseconds that the caller waits for workers at least */

typedef void (*parallel_task)(const void *argument, int32_t index, int32_t thread);

/* In parallel_threads, parallel_may_pay, parallel_pays and parallel_for, context may be NULL: the calling
 * thread then computes alone, so a task can call functions that divide work. */

/* Returns how many threads may run tasks at the same time, including the calling one. */
int32_t parallel_threads(const dk_context *context);

/* Returns true if `work` multiply-adds are worth dividing: always if the work is large, and only while no
 * worker sleeps if it is of medium size. Not a pure query: each refusal of medium work is counted, and every
 * fourth wakes the workers. */
bool parallel_pays(dk_context *context, double work);

/* Returns true if parallel_pays() can ever return true for this work. Otherwise no worker needs room for
 * it. */
bool parallel_may_pay(const dk_context *context, double work);

/* Begin and end a series of calls of `work` multiply-adds in all, which follow each other at once. Workers
 * are woken at its beginning, if it is large, and stay awake. Less work is then worth dividing. */
void parallel_begin_series(dk_context *context, double work);
void parallel_end_series(dk_context *context);

/* Runs task(argument, index, thread) once for each index 0 .. count - 1, in any order, and returns when all
 * are done. thread is below parallel_threads(). No two tasks of one thread run at the same time. A worker
 * that has not started or is late is not waited for: the other threads do its share. If context is NULL, the
 * calling thread runs all tasks as thread 0.
 *
 * If a worker does not finish its task in time, parallel_for returns early with tasks undone. All later calls
 * return at once until the worker has left its task. A function that divides work must end by returning
 * parallel_status(). */
void parallel_for(dk_context *context, int32_t count, parallel_task task, const void *argument);

/* Returns DK_OK, or DK_ERROR_THREADS if tasks were left undone. */
dk_status parallel_status(const dk_context *context);

/* Sets the work of the next parallel_for(), for callers that did not call parallel_pays(). */
void parallel_expect(dk_context *context, double work);

#endif
