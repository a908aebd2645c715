/* Values that do not live at the same time share memory. The largest storage is placed first, at offset 0;
 * each other at the lowest offset where it meets none that lives at the same time. */
#include <stdlib.h>

#include "base/attributes.h"
#include "network/schedule.h"

SMALL_FILE

enum { ARENA_STEP = 16 }; /* floats: storages begin at cache lines */

static bool arena_lives_with(const storage *a, const storage *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* Sorts indices of storages by size, the largest first; by index if equal (heap sort: qsort takes memory in
 * some libraries). */
static bool arena_before(const storage *storages, int32_t a, int32_t b) {
  return storages[a].floats != storages[b].floats ? storages[a].floats > storages[b].floats : a < b;
}
static void arena_sift(const storage *storages, int32_t *order, int32_t root, int32_t count) {
  for (int32_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && arena_before(storages, order[child], order[child + 1])) child++;
    if (!arena_before(storages, order[root], order[child])) return;
    const int32_t exchanged = order[root];
    order[root] = order[child];
    order[child] = exchanged;
  }
}
static void arena_sort(const storage *storages, int32_t *order, int32_t count) {
  for (int32_t root = count / 2 - 1; root >= 0; root--) arena_sift(storages, order, root, count);
  for (int32_t end = count - 1; end > 0; end--) {
    const int32_t last = order[0];
    order[0] = order[end];
    order[end] = last;
    arena_sift(storages, order, 0, end);
  }
}

/* `placed` is sorted by offset: finds the first gap, and puts the storage there. */
static void arena_place(storage *storages, int32_t *placed, int32_t count, int32_t index) {
  storage *added = &storages[index];
  const size_t floats = (size_t)round_up((uint64_t)added->floats, ARENA_STEP);
  size_t offset = 0;
  for (int32_t i = 0; i < count; i++) {
    const storage *other = &storages[placed[i]];
    if (!arena_lives_with(added, other)) continue;
    if (offset + floats <= other->offset) break;
    const size_t end = other->offset + (size_t)round_up((uint64_t)other->floats, ARENA_STEP);
    if (end > offset) offset = end;
  }
  added->offset = offset;

  /* Insert it in the order of offsets. */
  int32_t at = count;
  for (; at > 0 && storages[placed[at - 1]].offset > offset; at--) placed[at] = placed[at - 1];
  placed[at] = index;
}

dk_status arena_assign(dk_schedule *schedule) {
  storage *storages = schedule->storage;
  memory_list scratch = {0};
  int32_t *order = memory_take(&scratch, (size_t)schedule->storages, sizeof(int32_t));
  int32_t *placed = memory_take(&scratch, (size_t)schedule->storages, sizeof(int32_t));
  if (scratch.failed) {
    memory_free_all(&scratch);
    return DK_ERROR_MEMORY;
  }
  int32_t count = 0;
  for (int32_t i = 0; i < schedule->storages; i++)
    if (storages[i].last >= 0) order[count++] = i;
  arena_sort(storages, order, count);
  for (int32_t i = 0; i < count; i++) {
    arena_place(storages, placed, i, order[i]);
    const size_t end =
        storages[order[i]].offset + (size_t)round_up((uint64_t)storages[order[i]].floats, ARENA_STEP);
    if (end > schedule->arena_floats) schedule->arena_floats = end;
  }
  memory_free_all(&scratch);
  return schedule->arena_floats > INT32_MAX / sizeof(float) ? DK_ERROR_MEMORY : DK_OK;
}

SMALL_FILE_END
