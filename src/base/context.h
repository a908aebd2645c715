/* What a context is made of: base/context.c has its workspace, base/parallel.c its threads. */
#ifndef DK_CONTEXT_H
#define DK_CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/parallel.h"

struct dk_context {
  void *workspace;
  size_t bytes;

  int32_t threads;   /* the caller's among them */
  uint32_t declined; /* how often parallel_pays() found some asleep */
  float work;        /* multiply-adds of the work that is being divided: how long a task may take */
  float patience;    /* milliseconds that the caller waits for workers, and more for much work */
  int32_t lost;      /* 1: a worker did not finish its task in time, and may still be running it */

  /* The job under way, written by the caller's thread while open is false and inside is 0. */
  parallel_task task;
  const void *argument;
  int32_t count;

  atomic_int generation; /* counts jobs; waiters sleep on it */
  atomic_int next;       /* the next index to be taken */
  atomic_int finished;   /* indices done */
  atomic_int inside;     /* workers that may be reading the job */
  atomic_int sleeping;   /* workers that must be woken */
  atomic_bool open, quit;
};

#endif
