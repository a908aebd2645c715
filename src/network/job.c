#include "network/job.h"

#include "base/attributes.h"
#include "network/fold.h"

SMALL_FILE

void place_view_of(const dk_schedule *schedule, int32_t index, view *made) {
  const place *at = &schedule->place[index];
  *made = at->layout.view;
  float *memory = at->storage >= 0 ? schedule->network->arena + schedule->storage[at->storage].offset
                                   : schedule->root[at->root];
  made->data = memory ? memory + at->layout.offset : NULL; /* packed kernels have no such memory */
}

/* How many of the first axes of a shape are n and c: [N, C, ...], [rows, columns] or [elements]. */
static int32_t job_outer_axes(const view *of) { return of->rank >= 3 ? 2 : of->rank == 2 ? 1 : 0; }

/* The distances of an operand's elements along n, c and the pixels of y. */
static void job_step_strides(const layer *of, const view *operand, const view *y, int32_t *stride) {
  int32_t along[MAX_RANK] = {0}; /* the stride along each axis of y, 0 where the operand has one element */
  const int32_t missing = y->rank - operand->rank;
  for (int32_t axis = missing; axis < y->rank; axis++)
    if (operand->shape[axis - missing] != 1) along[axis] = operand->stride[axis - missing];
  stride[0] = stride[1] = stride[2] = 0;
  if (of->planes == BY_FEATURE) {
    /* The operand is contiguous: its innermost axis of rows has the distance of two rows. */
    stride[1] = along[y->rank - 1];
    for (int32_t axis = y->rank - 2; axis >= 0 && !stride[0]; axis--) stride[0] = along[axis];
    return;
  }
  const int32_t outer = job_outer_axes(y);
  for (int32_t axis = 0; axis < outer; axis++) stride[2 - outer + axis] = along[axis];
  for (int32_t axis = outer; axis < y->rank; axis++)
    if (along[axis]) stride[2] = 1;
}

void job_bind(dk_context *context, const dk_schedule *schedule, const layer *of, void *workspace,
              layer_job *job) {
  job->context = context;
  job->schedule = schedule;
  job->layer = of;
  job->first = &schedule->described.node[of->first_node];
  job->attribute = job->first->attribute;
  job->workspace = workspace;
  place_view_of(schedule, of->input[0], &job->x);
  place_view_of(schedule, of->output[0], &job->y);
  if (of->input[1] >= 0) place_view_of(schedule, of->input[1], &job->second);
  for (int32_t i = 0; of->steps && i < of->steps->count; i++) {
    view operand;
    if (of->step_place[i] < 0) continue;
    place_view_of(schedule, of->step_place[i], &operand);
    of->steps->step[i].operand = operand.data;
    job_step_strides(of, &operand, &job->y, of->steps->step[i].stride);
  }
}

const float *job_constant(const layer_job *job, int32_t input) {
  view found;
  if (!node_input(&job->schedule->described, job->first, input)) return NULL;
  place_view_of(job->schedule, job->first->input[input], &found);
  return found.data;
}

const float *job_input(const layer_job *job, int32_t input) {
  view found;
  if (job->layer->input[input] < 0) return NULL;
  place_view_of(job->schedule, job->layer->input[input], &found);
  return found.data;
}

const float *job_bias(const layer_job *job) {
  return fold_takes_bias(job->schedule, job->layer) ? NULL : job_input(job, job->layer->bias_input);
}

void job_planes(const layer_job *job, view *planes) {
  const view whole = *planes;
  *planes = (view){.data = whole.data, .rank = 3, .shape = {1, 1, 1}, .stride = {0, 0, 1}};
  if (job->layer->planes == BY_FEATURE) {
    /* Rows of features, each of one pixel. */
    planes->shape[1] = planes->stride[0] = whole.shape[whole.rank - 1];
    planes->shape[0] = (int32_t)(view_elements(&whole) / (size_t)planes->shape[1]);
    planes->stride[1] = 1;
    return;
  }
  const int32_t outer = job_outer_axes(&whole);
  for (int32_t axis = 0; axis < whole.rank; axis++)
    if (axis < outer) {
      planes->shape[2 - outer + axis] = whole.shape[axis];
      planes->stride[2 - outer + axis] = whole.stride[axis];
    } else {
      planes->shape[2] *= whole.shape[axis];
    }
}

SMALL_FILE_END
