/* Where values are wanted, from the last node to the first. The layers that make the parts of a concatenation
 * write into it. A channel shuffle after it only changes the distance of channels. A reshape passes what is
 * wanted on to its input. */
#include "base/attributes.h"
#include "network/placing.h"

SMALL_FILE

place place_new(placing *at, const value *of) {
  place made = {.storage = -1, .root = -1, .layout = layout_contiguous(of->rank, of->shape)};
  if (of->output >= 0) {
    made.root = at->described->inputs + of->output;
    return made;
  }
  made.storage = at->schedule->storages++;
  at->schedule->storage[made.storage] =
      (storage){.floats = (int32_t)value_elements(of), .first = INT32_MAX, .last = -1};
  return made;
}

place *place_target(placing *at, int32_t index) {
  if (!at->has_target[index]) at->target[index] = place_new(at, &at->described->value[index]);
  at->has_target[index] = true;
  return &at->target[index];
}

static void place_grant(placing *at, int32_t index, int32_t node, place where) {
  at->target[index] = where;
  at->has_target[index] = true;
  at->granted[index] = node;
}

/* Whether nothing but its one user needs the value, so that it can have any place. */
static bool place_is_private(const placing *at, int32_t index) {
  const value *of = &at->described->value[index];
  return of->kind == VALUE_INNER && of->uses == 1 && !of->kept && of->output < 0 && !at->has_target[index];
}

bool place_is_planar(const layout *of) {
  if (of->view.rank < 3) return view_is_contiguous(&of->view);
  for (int32_t axis = 0; axis < 2; axis++)
    if (of->view.shape[axis] != 1 && of->view.stride[axis] < 1) return false;
  return view_contiguous_from(&of->view, 2);
}

bool place_is_same(const place *a, const place *b) {
  if (a->storage != b->storage || a->root != b->root || a->layout.offset != b->layout.offset) return false;
  const view *first = &a->layout.view, *second = &b->layout.view;
  for (int32_t axis = 0; axis < first->rank; axis++)
    if (first->shape[axis] != 1 && first->stride[axis] != second->stride[axis]) return false;
  return true;
}

/* Whether the op computes whole planes, and can write them at any distance from each other. */
static bool place_writes_planes(dk_op op, int32_t rank) {
  switch (op) {
  case DK_OP_LINEAR:
  case DK_OP_MATMUL:
  case DK_OP_ATTENTION:
  case DK_OP_REDUCE_MEAN:
  case DK_OP_REDUCE_SUM:
  case DK_OP_REDUCE_MAX:
    return false;
  case DK_OP_SOFTMAX:
    return rank == 4;
  default:
    return true;
  }
}

/* Whether the value can be made in that place. */
static bool place_can_be_made(const placing *at, int32_t index, const layout *where) {
  const value *of = &at->described->value[index];
  if (of->kind != VALUE_INNER || of->output >= 0 || at->has_target[index]) return false;
  const dk_op op = at->described->node[of->node].op;
  if (op == DK_OP_CONCAT || op == DK_OP_CHANNEL_SHUFFLE || op == DK_OP_RESHAPE) return true;
  const layer *maker = at->layer_ending[of->node];
  if (!maker) return false; /* another view: copying it from where it lies is as good */
  if (place_writes_planes(maker->op, of->rank) && maker->planes == BY_CHANNEL) return place_is_planar(where);
  return view_is_contiguous(&where->view);
}

place place_part(const placing *at, const node *concat, const place *whole, int32_t start, int32_t length) {
  const int32_t axis = concat->attribute[0], groups = at->shuffled[concat->output[0]];
  place part = *whole;
  if (groups) {
    const int32_t each = whole->layout.view.shape[1] / groups;
    part.layout = layout_slice(&whole->layout, axis, start % each * groups + start / each, groups, length);
  } else {
    part.layout = layout_slice(&whole->layout, axis, start, 1, length);
  }
  return part;
}

/* If a later concatenation wants the same parts one after the other, as those of a dense block do, its memory
 * is that of this one too. */
static void place_target_within(placing *at, const node *concat) {
  const int32_t y = concat->output[0], axis = concat->attribute[0];
  if (at->has_target[y] || at->described->value[y].output >= 0 || !at->has_target[concat->input[0]]) return;
  place whole = at->target[concat->input[0]];
  int32_t *const length = &whole.layout.view.shape[axis];
  if (whole.storage < 0) return;
  for (int32_t i = 1; i < concat->inputs; i++) {
    const int32_t part = concat->input[i], added = at->described->value[part].shape[axis];
    *length += added;
    const place next = {whole.storage, whole.root,
                        layout_slice(&whole.layout, axis, *length - added, 1, added)};
    if (!at->has_target[part] || !place_is_same(&at->target[part], &next)) return;
  }
  at->target[y] = whole;
  at->has_target[y] = true;
}

static void place_target_parts(placing *at, int32_t index) {
  const node *concat = &at->described->node[index];
  place_target_within(at, concat);
  const place whole = *place_target(at, concat->output[0]);
  int32_t start = 0;
  for (int32_t i = 0; i < concat->inputs; i++) {
    const int32_t length = node_input(at->described, concat, i)->shape[concat->attribute[0]];
    const place part = place_part(at, concat, &whole, start, length);
    if (place_can_be_made(at, concat->input[i], &part.layout)) place_grant(at, concat->input[i], index, part);
    start += length;
  }
}

/* Whether each part of a concatenation lies within one group of the shuffle after it. */
static bool place_parts_fit_groups(const placing *at, const node *concat, int32_t groups) {
  const int32_t each = node_output(at->described, concat, 0)->shape[1] / groups;
  int32_t start = 0;
  for (int32_t i = 0; i < concat->inputs; i++) {
    const int32_t length = node_input(at->described, concat, i)->shape[1];
    if (start / each != (start + length - 1) / each) return false;
    start += length;
  }
  return true;
}

static void place_target_shuffle(placing *at, int32_t index) {
  const node *shuffle = &at->described->node[index];
  const int32_t x = shuffle->input[0], groups = shuffle->attribute[0];
  if (!place_is_private(at, x)) return;
  const node *concat = &at->described->node[at->described->value[x].node];
  if (concat->op != DK_OP_CONCAT || concat->attribute[0] != 1 || !place_parts_fit_groups(at, concat, groups))
    return;
  at->shuffled[x] = groups;
  place_grant(at, x, index, *place_target(at, shuffle->output[0]));
}

/* A reshape passes its target on to its input. */
static void place_target_reshape(placing *at, int32_t index) {
  const node *reshape = &at->described->node[index];
  const int32_t x = reshape->input[0], y = reshape->output[0];
  if (!at->has_target[y] || !place_is_private(at, x)) return;
  const value *of = &at->described->value[x];
  place where = at->target[y];
  if (layout_reshape(&at->target[y].layout, of->rank, of->shape, &where.layout) &&
      place_can_be_made(at, x, &where.layout))
    place_grant(at, x, index, where);
}

void place_targets(placing *at) {
  for (int32_t i = 0; i < at->described->outputs; i++) place_target(at, at->described->output[i]);
  for (int32_t i = at->described->nodes - 1; i >= 0; i--) {
    const dk_op op = at->described->node[i].op;
    if (op == DK_OP_CONCAT) place_target_parts(at, i);
    if (op == DK_OP_CHANNEL_SHUFFLE) place_target_shuffle(at, i);
    if (op == DK_OP_RESHAPE) place_target_reshape(at, i);
  }
}

SMALL_FILE_END
