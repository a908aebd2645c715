/* Orders layers in waves: the layers of a wave do not depend on each other, so threads may compute them at
 * the same time. A layer is in the first wave in which all that it reads is there. */
#include "base/attributes.h"
#include "network/schedule.h"

SMALL_FILE

/* The waves in which some memory was written and read last. */
typedef struct wave_use {
  int32_t written, read;
} wave_use;

typedef struct waves {
  dk_schedule *schedule;
  wave_use *use; /* of each storage, then of each root */
} waves;

static wave_use *wave_use_of(const waves *at, int32_t index) {
  const place *used = &at->schedule->place[index];
  return &at->use[used->storage >= 0 ? used->storage : at->schedule->storages + used->root];
}

/* Visits the places that a layer reads. */
static int32_t wave_reads(const layer *of, int32_t *places) {
  int32_t count = 0;
  for (int32_t i = 0; i < LAYER_INPUTS; i++)
    if (of->input[i] >= 0) places[count++] = of->input[i];
  for (int32_t i = 0; of->steps && i < of->steps->count; i++)
    if (of->step_place[i] >= 0) places[count++] = of->step_place[i];
  return count;
}

static void wave_assign(waves *at, layer *assigned) {
  int32_t places[LAYER_INPUTS + MAX_STEPS];
  const int32_t count = wave_reads(assigned, places);
  int32_t wave = 0;
  for (int32_t i = 0; i < count; i++) wave = max_i32(wave, wave_use_of(at, places[i])->written + 1);

  /* A layer that overwrites what others read comes after them. Parts of a concatenation, which several layers
   * write, do not overlap. */
  for (int32_t output = 0; output < LAYER_OUTPUTS && assigned->output[output] >= 0; output++)
    for (int32_t i = 0; i < count; i++) {
      const wave_use *used = wave_use_of(at, places[i]);
      if (used == wave_use_of(at, assigned->output[output])) wave = max_i32(wave, used->read + 1);
    }
  for (int32_t i = 0; i < count; i++) {
    wave_use *used = wave_use_of(at, places[i]);
    used->read = max_i32(used->read, wave);
  }
  for (int32_t output = 0; output < LAYER_OUTPUTS && assigned->output[output] >= 0; output++) {
    wave_use *used = wave_use_of(at, assigned->output[output]);
    used->written = max_i32(used->written, wave);
  }
  assigned->wave = wave;
}

/* The storage of a place is in use in a wave. */
static void wave_touch(dk_schedule *schedule, int32_t index, int32_t wave) {
  const int32_t used = schedule->place[index].storage;
  if (used < 0) return;
  schedule->storage[used].first = min_i32(schedule->storage[used].first, wave);
  schedule->storage[used].last = max_i32(schedule->storage[used].last, wave);
}

/* Puts the layers of each wave in the order of their costs, the largest first. */
static void waves_sort(dk_schedule *schedule) {
  layer **sorted = schedule->layer;
  for (int32_t i = 1; i < schedule->layers; i++) {
    layer *moved = sorted[i];
    int32_t at = i;
    for (; at > 0 && sorted[at - 1]->wave == moved->wave && sorted[at - 1]->cost < moved->cost; at--)
      sorted[at] = sorted[at - 1];
    sorted[at] = moved;
  }
}

dk_status waves_order(dk_schedule *schedule) {
  memory_list scratch = {0};
  const description *described = &schedule->described;
  const int32_t roots = described->inputs + described->outputs + described->constants;
  const size_t memories = (size_t)schedule->storages + (size_t)roots, layers = (size_t)schedule->layers;
  waves at = {schedule, memory_take(&scratch, memories, sizeof(wave_use))};
  layer **ordered = memory_take(&scratch, layers, sizeof(layer *));
  int32_t *begin = memory_take(&scratch, layers + 2, sizeof(int32_t));
  if (!scratch.failed) {
    for (size_t i = 0; i < memories; i++) at.use[i] = (wave_use){-1, -1};
    for (size_t i = 0; i < layers; i++) wave_assign(&at, schedule->layer[i]);

    /* Sort by waves, and keep the order within a wave: begin[w] is where the next layer of wave w goes. */
    for (size_t i = 0; i < layers; i++) begin[schedule->layer[i]->wave + 1]++;
    for (size_t i = 0; i < layers; i++) begin[i + 1] += begin[i];
    for (size_t i = 0; i < layers; i++) ordered[begin[schedule->layer[i]->wave]++] = schedule->layer[i];
    memcpy(schedule->layer, ordered, layers * sizeof(layer *));
    waves_sort(schedule);

    /* Values live from the wave that writes them to the last that reads them. */
    for (size_t i = 0; i < layers; i++) {
      const layer *of = schedule->layer[i];
      int32_t places[LAYER_INPUTS + MAX_STEPS];
      const int32_t count = wave_reads(of, places);
      for (int32_t read = 0; read < count; read++) wave_touch(schedule, places[read], of->wave);
      for (int32_t output = 0; output < LAYER_OUTPUTS && of->output[output] >= 0; output++)
        wave_touch(schedule, of->output[output], of->wave);
    }
    /* Kept values live until the next run. */
    for (int32_t i = 0; i < described->kept; i++) wave_touch(schedule, described->keep[i], INT32_MAX);
  }
  const bool failed = scratch.failed;
  memory_free_all(&scratch);
  return failed ? DK_ERROR_MEMORY : DK_OK;
}

SMALL_FILE_END
