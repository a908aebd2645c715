/* Runs a schedule, layer by layer. */
#include "base/attributes.h"
#include "base/workspace.h"
#include "network/fold.h"
#include "network/schedule.h"

/* The workspace of the layer that needs most. It depends on the number of threads. */
SMALL static uint64_t run_workspace(const dk_context *context, dk_schedule *schedule) {
  const int32_t threads = parallel_threads(context);
  if (schedule->workspace_threads == threads) return schedule->workspace;
  uint64_t most = 0;
  for (int32_t i = 0; i < schedule->layers; i++)
    most = max_u64(most, layer_workspace(context, schedule, schedule->layer[i]));
  schedule->workspace = most;
  schedule->workspace_threads = threads;
  return most;
}

SMALL dk_status dk_schedule_run(dk_context *context, dk_schedule *schedule, const float *const *inputs,
                                float *const *outputs, int32_t first, int32_t end) {
  DK_ASSERT(context && schedule && inputs && outputs);
  const description *described = &schedule->described;
  if (first < 0 || end > schedule->layers || first > end) return DK_ERROR_CONFIG;

  /* Nothing writes to the inputs. */
  for (int32_t i = 0; i < described->inputs; i++) schedule->root[i] = (float *)(uintptr_t)inputs[i];
  for (int32_t i = 0; i < described->outputs; i++) schedule->root[described->inputs + i] = outputs[i];
  const uint64_t bytes = run_workspace(context, schedule);
  void *workspace = bytes <= INT32_MAX ? workspace_reserve(context, (size_t)bytes + 64) : NULL;
  if (!workspace) return bytes > INT32_MAX ? DK_ERROR_MEMORY : workspace_refusal(context);
  fold_constants(schedule);
  for (int32_t i = first; i < end; i++) layer_compute(context, schedule, schedule->layer[i], workspace);
  return parallel_status(context);
}

SMALL dk_status dk_schedule_read(const dk_schedule *schedule, int32_t kept, float *elements) {
  if (kept < 0 || kept >= schedule->described.kept) return DK_ERROR_CONFIG;
  const int32_t index = schedule->described.keep[kept];
  const value *of = &schedule->described.value[index];
  view from = place_view_of(schedule, index), to = layout_contiguous(of->rank, of->shape).view;
  to.data = elements;
  copy_run(NULL, &from, &to);
  return DK_OK;
}
