/* A layer with the memory that it works on, for one run. */
#ifndef DK_JOB_H
#define DK_JOB_H

#include "network/schedule.h"

typedef struct layer_job {
  dk_context *context; /* whose threads share the work; NULL: only the calling one does it */
  const dk_schedule *schedule;
  const layer *layer;
  const node *first;        /* the layer's first node */
  const int32_t *attribute; /* of that node */
  view x, second, y;
  char *workspace;
} layer_job;

/* Writes the elements of a place. */
void place_view_of(const dk_schedule *schedule, int32_t place, view *made);

/* Finds the memory of a layer, and points its steps to their operands. */
void job_bind(dk_context *context, const dk_schedule *schedule, const layer *of, void *workspace,
              layer_job *job);

/* The elements of an input of the layer; NULL if it is left out. Not for packed kernels. */
const float *job_input(const layer_job *job, int32_t input);

/* The elements of a constant that is an input of the layer's first node; NULL if the input is left out. */
const float *job_constant(const layer_job *job, int32_t input);

/* The layer's own bias; NULL if it has none, or if it is a part of the first step. */
const float *job_bias(const layer_job *job);

/* A view as [N, C, pixels], by which the layer's steps count. */
void job_planes(const layer_job *job, view *planes);

#endif
