/* Runs a schedule, layer by layer. */
#include "base/attributes.h"
#include "base/workspace.h"
#include "network/fold.h"
#include "network/job.h"

SMALL_FILE

enum { TASK_WORK = 15000 };       /* of cost: less is not worth a second thread */
static const float UNEVEN = 1.6f; /* a layer that alone takes so many shares of a thread is divided instead */

/* A wave, or the part of it that is computed at the same time. */
typedef struct run_tasks {
  dk_schedule *schedule;
  layer *const *layer;
  char *workspace;
  size_t thread_bytes;
} run_tasks;

/* One layer on one thread. */
static void run_task(const void *argument, int32_t index, int32_t thread) {
  const run_tasks *tasks = argument;
  layer_compute(NULL, tasks->schedule, tasks->layer[index],
                tasks->workspace + (size_t)thread * tasks->thread_bytes);
}

/* The workspace of a schedule: that of the layer that needs most, and one for each thread that computes a
 * layer alone. */
static uint64_t run_workspace(dk_context *context, dk_schedule *schedule) {
  const int32_t threads = parallel_threads(context);
  if (schedule->workspace_threads == threads) return schedule->workspace;
  uint64_t together = 0, alone = 0;
  for (int32_t i = 0; i < schedule->layers; i++) {
    together = max_u64(together, layer_workspace(context, schedule, schedule->layer[i]));
    alone = max_u64(alone, layer_workspace(NULL, schedule, schedule->layer[i]));
  }
  alone = round_up(alone, 64);
  schedule->thread_workspace = (size_t)alone;
  schedule->workspace =
      max_u64(max_u64(together, alone * (uint32_t)threads), 64); /* never 0: NULL is a refusal */
  schedule->workspace_threads = threads;
  return schedule->workspace;
}

/* Computes layers first .. end - 1, which are one wave, the largest first. Layers that are large in their
 * wave are divided among the threads, one after the other. The others are computed at the same time, each by
 * one thread. */
static void run_wave(dk_context *context, dk_schedule *schedule, int32_t first, int32_t end,
                     char *workspace) {
  layer **wave = schedule->layer + first;
  const int32_t count = end - first, threads = parallel_threads(context);
  float rest = 0;
  for (int32_t i = 0; i < count; i++) rest += wave[i]->cost;

  int32_t next = 0;
  for (; next < count; next++) {
    const float cost = wave[next]->cost;
    if (next + 1 < count && cost * (float)threads <= UNEVEN * rest && rest >= 2 * TASK_WORK) break;
    layer_compute(context, schedule, wave[next], workspace);
    rest -= cost;
  }
  if (next == count) return;
  const run_tasks tasks = {schedule, wave + next, workspace, schedule->thread_workspace};
  parallel_expect(context, rest);
  parallel_for(context, count - next, run_task, &tasks);
}

dk_status dk_schedule_run(dk_context *context, dk_schedule *schedule, const float *const *inputs,
                          float *const *outputs, int32_t first, int32_t end) {
  DK_ASSERT(context && schedule && inputs && outputs);
  const description *described = &schedule->described;
  if (first < 0 || end > schedule->layers || first > end) return DK_ERROR_CONFIG;

  /* Nothing writes to the inputs. */
  for (int32_t i = 0; i < described->inputs; i++) schedule->root[i] = (float *)inputs[i];
  for (int32_t i = 0; i < described->outputs; i++) schedule->root[described->inputs + i] = outputs[i];
  parallel_wake_for(context, schedule->cost);
  const uint64_t bytes = run_workspace(context, schedule);
  char *workspace = bytes < INT32_MAX ? workspace_reserve(context, (size_t)bytes) : NULL;
  if (!workspace) return bytes < INT32_MAX ? workspace_refusal(context) : DK_ERROR_MEMORY;
  fold_constants(schedule);
  for (int32_t begin = first, wave_end; begin < end; begin = wave_end) {
    wave_end = begin + 1;
    while (wave_end < end && schedule->layer[wave_end]->wave == schedule->layer[begin]->wave) wave_end++;
    if (parallel_threads(context) > 1 && wave_end > begin + 1)
      run_wave(context, schedule, begin, wave_end, workspace);
    else
      for (int32_t i = begin; i < wave_end; i++)
        layer_compute(context, schedule, schedule->layer[i], workspace);
  }
  return parallel_status(context);
}

dk_status dk_schedule_read(const dk_schedule *schedule, int32_t kept, float *elements) {
  if (kept < 0 || kept >= schedule->described.kept) return DK_ERROR_CONFIG;
  const int32_t index = schedule->described.keep[kept];
  const value *of = &schedule->described.value[index];
  view from, to = layout_contiguous(of->rank, of->shape).view;
  place_view_of(schedule, index, &from);
  to.data = elements;
  copy_run(NULL, &from, &to);
  return DK_OK;
}

SMALL_FILE_END
