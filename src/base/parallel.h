/* Dividing work among the threads of a context. */
#ifndef DK_PARALLEL_H
#define DK_PARALLEL_H

#include <stdbool.h>

#include "dynakernel.h"

enum { MAX_THREADS = 16 };

typedef void (*parallel_task)(const void *argument, int32_t index, int32_t thread);

/* Threads that may run tasks at once, the caller among them. */
int32_t parallel_threads(const dk_context *context);

/* Whether it pays to divide so much work, counted in multiply-adds: much work always does, less only while
 * all workers are awake. That it is asked for is counted, and wakes them now and then. */
bool parallel_pays(dk_context *context, double work);

/* task(argument, index, thread) for every index below count, in any order, each once; thread is
 * below parallel_threads and no two tasks of one thread run at once. Returns when all are done. A
 * thread that has not started yet, or is late, is not waited for: the others do its share. Without a
 * context the calling thread does all, as thread 0: so that a task can call what divides its work. */
void parallel_for(dk_context *context, int32_t count, parallel_task task, const void *argument);

#endif
