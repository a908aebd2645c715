/* Making a schedule, and what the header lets callers read of it. */
#include "network/schedule.h"

#include "base/attributes.h"

SMALL_FILE

/* Whether the description has the constants of the network, used in ways that the network has. */
static dk_status schedule_check_constants(const dk_network *network, const description *described) {
  if (described->constants != network->constants) return DK_ERROR_CONFIG;
  for (int32_t i = 0; i < described->constants; i++) {
    const value *listed = &described->value[described->constant[i]];
    const constant *own = &network->constant[i];
    if (listed->rank != own->rank || memcmp(listed->shape, own->shape, sizeof own->shape) != 0)
      return DK_ERROR_CONFIG;
  }
  for (int32_t i = 0; i < described->nodes; i++) {
    const node *user = &described->node[i];
    for (int32_t input = 0; input < user->inputs; input++) {
      const value *used = node_input(described, user, input);
      constant_form needed;
      if (!used || used->kind != VALUE_CONSTANT) continue;
      const dk_status status = constant_form_needed(described, user, input, &needed);
      if (status) return status;
      if (!constant_find(&network->constant[used->index], &needed)) return DK_ERROR_CONFIG;
    }
  }
  return DK_OK;
}

/* Finds the memory of the constants that are kept as they are. */
static void schedule_root_constants(dk_schedule *schedule) {
  const description *described = &schedule->described;
  const constant_form plain = {.kind = FORM_PLAIN, .G = 1};
  for (int32_t i = 0; i < described->constants; i++) {
    const constant_form *form = constant_find(&schedule->network->constant[i], &plain);
    schedule->root[described->inputs + described->outputs + i] = form ? form->plain : NULL;
  }
}

static dk_status schedule_plan(dk_schedule *made, const int32_t *words, size_t count) {
  description *described = &made->described;
  dk_status status = description_read(&made->memory, words, count, described);
  if (!status) status = schedule_check_constants(made->network, described);
  if (status) return status;

  const size_t roots = (size_t)described->inputs + described->outputs + described->constants;
  layer **layer_ending = memory_take(&made->memory, (size_t)described->nodes, sizeof(layer *));
  made->root = memory_take(&made->memory, roots, sizeof(float *));
  if (made->memory.failed) return DK_ERROR_MEMORY;
  schedule_root_constants(made);
  status = fuse_nodes(&made->memory, described, layer_ending);
  if (!status) status = place_values(made, layer_ending);
  for (int32_t i = 0; !status && i < made->layers; i++) {
    schedule_plan_layer(made, made->layer[i]);
    made->cost += made->layer[i]->cost;
  }
  if (!status) status = waves_order(made);
  if (!status) status = arena_assign(made);
  if (!status) status = network_reserve(made->network, made->arena_floats * sizeof(float));
  return status;
}

dk_status dk_schedule_create(dk_network *network, const int32_t *words, size_t count,
                             dk_schedule **schedule) {
  DK_ASSERT(network && words && schedule);
  *schedule = NULL;
  dk_schedule *made = dk_alloc(sizeof *made);
  if (!made) return DK_ERROR_MEMORY;
  *made = (dk_schedule){.network = network};
  const dk_status status = schedule_plan(made, words, count);
  if (status)
    dk_schedule_destroy(made);
  else
    *schedule = made;
  return status;
}

void dk_schedule_destroy(dk_schedule *schedule) {
  if (!schedule) return;
  memory_free_all(&schedule->memory);
  dk_free(schedule);
}

int32_t dk_schedule_layers(const dk_schedule *schedule) { return schedule->layers; }

void dk_schedule_layer(const dk_schedule *schedule, int32_t index, dk_layer *written) {
  DK_ASSERT(index >= 0 && index < schedule->layers && written);
  const layer *described = schedule->layer[index];
  *written = (dk_layer){.op = (int32_t)described->op,
                        .first_node = described->first_node,
                        .last_node = described->last_node,
                        .output = described->output_value,
                        .algorithm = described->chosen ? (int32_t)described->chosen->id : 0,
                        .multiply_adds = described->multiply_adds};
}

SMALL_FILE_END
