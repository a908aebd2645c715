/* The fields of a context. base/context.c works on the workspace, base/parallel.c on the threads. */
#ifndef DK_CONTEXT_H
#define DK_CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/parallel.h"
#include "base/team.h"

struct dk_context {
  void *workspace;
  size_t workspace_bytes;

  int32_t threads; /* including the calling thread */
  int32_t team;    /* how many of them may take tasks of the present job */
  float work;      /* multiply-adds of the present job: they bound how long a task may take */
  float patience;  /* milliseconds that the caller waits for workers, plus some for large jobs */
  int32_t lost;    /* 1: a worker did not finish its task in time, and may still be running it */

  /* The present job. The calling thread writes it while open is false, once all workers have left the job
   * before. */
  parallel_task task;
  const void *argument;
  int32_t count;

  atomic_int generation; /* the number of jobs so far; idle workers sleep on its address */
  atomic_int next;       /* the next index to take */
  atomic_int finished;   /* how many indices are done */
  atomic_int inside;     /* how many workers may be reading the job */
  atomic_int sleeping;   /* how many workers must be woken */
  atomic_int present;    /* how many workers have come */
  atomic_bool open, quit;

  team_policy policy; /* only the calling thread uses it */
};

#endif
