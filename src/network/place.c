/* Says where each value lies, from the first node to the last. A value that is wanted somewhere (targets.c)
 * lies there. Reshapes, splits, slices and transposes are views of their input. A copy is added only if a
 * layer cannot read a view, or if a part of a concatenation was made elsewhere. */
#include "base/assert.h"
#include "base/attributes.h"
#include "network/placing.h"

SMALL_FILE

/* What a layer demands of the place of an input. */
typedef enum demand {
  DEMAND_NOTHING,
  DEMAND_ROWS,       /* the last axis has stride 1 */
  DEMAND_PLANES,     /* all axes after the second are contiguous */
  DEMAND_CONTIGUOUS, /* all axes are */
} demand;

enum { ALWAYS_PENDING = 1 << 24 }; /* reads: the storage is never free for reuse in place */

/* The place of a value, for reads that are still to come. */
static void place_set(placing *at, int32_t index, const place *where) {
  const value *of = &at->described->value[index];
  at->schedule->place[index] = *where;
  if (where->storage >= 0)
    at->schedule->storage[where->storage].pending += of->uses + (of->kept ? ALWAYS_PENDING : 0);
}

/* A read of a value has been given its place. */
static void place_done(placing *at, int32_t index) {
  const int32_t storage = at->schedule->place[index].storage;
  if (storage >= 0) at->schedule->storage[storage].pending--;
}

/* A place that is no value's: a copy, or a view that only a layer uses. Returns its index. */
static int32_t place_add(placing *at, const place *where) {
  DK_ASSERT(at->schedule->places < at->most_places);
  at->schedule->place[at->schedule->places] = *where;
  return at->schedule->places++;
}

static void place_emit(placing *at, layer *emitted) {
  DK_ASSERT(at->schedule->layers < at->most_layers);
  at->schedule->layer[at->schedule->layers++] = emitted;
}

/* Emits a layer that copies. `node` needs the copy of `value`. */
static void place_copy(placing *at, int32_t node, int32_t value, const place *from, const place *to) {
  layer *copy = memory_take(&at->schedule->memory, 1, sizeof *copy);
  if (!copy) return;
  *copy = (layer){.op = DK_OP_COPY,
                  .first_node = node,
                  .last_node = node,
                  .output = {-1, -1, -1, -1},
                  .output_value = value};
  for (int32_t i = 0; i < LAYER_INPUTS; i++) copy->input[i] = i == 0 ? place_add(at, from) : -1;
  copy->output[0] = place_add(at, to);
  place_emit(at, copy);
}

static bool place_meets(const layout *of, demand demanded) {
  const int32_t last = of->view.rank - 1;
  switch (demanded) {
  case DEMAND_NOTHING:
    return true;
  case DEMAND_ROWS:
    return last < 0 || of->view.shape[last] == 1 || of->view.stride[last] == 1;
  case DEMAND_PLANES:
    return place_is_planar(of);
  default:
    return view_is_contiguous(&of->view);
  }
}

/* Returns the place of a value that meets the demand: its own or that of a copy. */
static int32_t place_demand(placing *at, int32_t node, int32_t index, demand demanded) {
  const place *own = &at->schedule->place[index];
  if (place_meets(&own->layout, demanded)) return index;
  if (at->copy[index] < 0) {
    /* The copy of an output is no output. */
    value plain = at->described->value[index];
    plain.output = -1;
    const place copy = place_new(at, &plain);
    at->schedule->storage[copy.storage].pending = ALWAYS_PENDING;
    place_copy(at, node, index, own, &copy);
    at->copy[index] = at->schedule->places - 1;
  }
  return at->copy[index];
}

/* Output `output` of a view, as a layout of the input x. Returns false if that needs a copy. */
static bool place_view_layout(const description *described, const node *viewed, int32_t output,
                              const layout *x, layout *made) {
  const value *y = node_output(described, viewed, output);
  int32_t start = 0;
  switch (viewed->op) {
  case DK_OP_RESHAPE:
    return layout_reshape(x, y->rank, y->shape, made);
  case DK_OP_TRANSPOSE:
    *made = layout_permute(x, viewed->attribute);
    return true;
  case DK_OP_EXPAND:
    *made = layout_broadcast(x, y->rank, y->shape);
    return true;
  case DK_OP_SPLIT:
    for (int32_t i = 0; i < output; i++)
      start += node_output(described, viewed, i)->shape[viewed->attribute[0]];
    *made = layout_slice(x, viewed->attribute[0], start, 1, y->shape[viewed->attribute[0]]);
    return true;
  default: /* a slice */
    *made = *x;
    for (int32_t axis = 0; axis < y->rank; axis++)
      *made = layout_slice(made, axis, viewed->attribute[axis], viewed->attribute[y->rank + axis],
                           y->shape[axis]);
    return true;
  }
}

static void place_view(placing *at, int32_t index) {
  const node *viewed = &at->described->node[index];
  const int32_t x = viewed->input[0];
  for (int32_t i = 0; i < viewed->outputs; i++) {
    const int32_t y = viewed->output[i];
    place where = at->schedule->place[x];
    if (at->granted[x] == index) {
      /* A reshape whose input is already where the output is wanted. */
      place_set(at, y, &at->target[y]);
      continue;
    }
    if (!place_view_layout(at->described, viewed, i, &where.layout, &where.layout)) {
      where = at->schedule->place[place_demand(at, index, x, DEMAND_CONTIGUOUS)];
      place_view_layout(at->described, viewed, i, &where.layout, &where.layout);
    }
    if (at->has_target[y]) {
      place_copy(at, index, y, &where, &at->target[y]);
      where = at->target[y];
    }
    place_set(at, y, &where);
  }
  place_done(at, x);
}

static void place_concat(placing *at, int32_t index) {
  const node *concat = &at->described->node[index];
  const int32_t y = concat->output[0];
  const place whole = at->target[y];
  int32_t start = 0;
  for (int32_t i = 0; i < concat->inputs; i++) {
    const int32_t v = concat->input[i];
    const int32_t length = at->described->value[v].shape[concat->attribute[0]];
    const place part = place_part(at, concat, &whole, start, length);

    /* The part is copied unless it was made there. */
    if (!place_is_same(&at->schedule->place[v], &part))
      place_copy(at, index, v, &at->schedule->place[v], &part);
    place_done(at, v);
    start += length;
  }
  place_set(at, y, &whole);
}

/* A layer that is a copy in another order: gives x and y axes in which they correspond. */
static void place_reorder(placing *at, layer *moved, place *x, place *y) {
  const node *moving = &at->described->node[moved->first_node];
  const value *from = node_input(at->described, moving, 0), *to = node_output(at->described, moving, 0);
  DK_ASSERT(from);
  const int32_t *in = from->shape, *out = to->shape;
  layout split;
  if (moving->op == DK_OP_CHANNEL_SHUFFLE) {
    const int32_t groups = moving->attribute[0], each = in[1] / groups;
    int32_t shape[MAX_RANK] = {in[0], groups, each, in[2], in[3], in[4]};
    layout_reshape(&x->layout, from->rank + 1, shape, &split);
    x->layout = layout_permute(&split, (int32_t[]){0, 2, 1, 3, 4, 5});
    shape[1] = each;
    shape[2] = groups;
    layout_reshape(&y->layout, from->rank + 1, shape, &split);
  } else if (moving->op == DK_OP_DEPTH_TO_SPACE) {
    const int32_t block = moving->attribute[0];
    const bool blocks_first = moving->attribute[1] == 0;
    const int32_t dcr[] = {in[0], block, block, out[1], in[2], in[3]};
    const int32_t crd[] = {in[0], out[1], block, block, in[2], in[3]};
    layout_reshape(&x->layout, 6, blocks_first ? dcr : crd, &split);
    x->layout =
        layout_permute(&split, blocks_first ? (int32_t[]){0, 3, 4, 1, 5, 2} : (int32_t[]){0, 1, 4, 2, 5, 3});
    layout_reshape(&y->layout, 6, (int32_t[]){in[0], out[1], in[2], block, in[3], block}, &split);
  } else {
    const int32_t block = moving->attribute[0];
    layout_reshape(&x->layout, 6, (int32_t[]){in[0], in[1], out[2], block, out[3], block}, &split);
    x->layout = layout_permute(&split, (int32_t[]){0, 3, 5, 1, 2, 4});
    layout_reshape(&y->layout, 6, (int32_t[]){in[0], block, block, in[1], out[2], out[3]}, &split);
  }
  y->layout = split;
}

static bool place_is_reorder(dk_op op) {
  return op == DK_OP_CHANNEL_SHUFFLE || op == DK_OP_DEPTH_TO_SPACE || op == DK_OP_SPACE_TO_DEPTH;
}

/* What a layer demands of input `i`, which has some rank. */
static demand place_demanded(const layer *of, int32_t i, int32_t rank) {
  switch (of->op) {
  case DK_OP_PAD:
  case DK_OP_CHANNEL_SHUFFLE:
    return DEMAND_NOTHING;
  case DK_OP_DEPTH_TO_SPACE:
  case DK_OP_SPACE_TO_DEPTH:
    return DEMAND_PLANES;
  case DK_OP_MATMUL:
    return i == 0 ? DEMAND_NOTHING : DEMAND_ROWS;
  case DK_OP_LINEAR:
    return DEMAND_CONTIGUOUS;
  case DK_OP_SOFTMAX:
  case DK_OP_REDUCE_MEAN:
  case DK_OP_REDUCE_SUM:
  case DK_OP_REDUCE_MAX:
    return rank == 4 ? DEMAND_PLANES : DEMAND_CONTIGUOUS;
  default:
    if (is_binary(of->op) && !of->steps) return DEMAND_NOTHING;
    return i == 0 && of->planes == BY_CHANNEL ? DEMAND_PLANES : DEMAND_CONTIGUOUS;
  }
}

/* Whether the output of a layer of steps can take the place of its input, which nobody needs any more. */
static bool place_fits_in_place(const placing *at, const layer *of, const value *y) {
  const int32_t op = of->op;
  if (!is_unary(op) && !is_binary(op) && op != DK_OP_BATCH_NORM) return false;
  if (!of->steps || of->planes != BY_CHANNEL || at->has_target[of->output[0]]) return false;
  const place *x = &at->schedule->place[of->input[0]];
  if (x->storage < 0 || at->schedule->storage[x->storage].pending > 0) return false;
  for (int32_t i = 0; i < of->steps->count; i++)
    if (of->step_place[i] >= 0 && at->schedule->place[of->step_place[i]].storage == x->storage) return false;
  return x->layout.offset == 0 && view_is_contiguous(&x->layout.view) &&
         (size_t)at->schedule->storage[x->storage].floats == value_elements(y);
}

/* All reads of a layer's nodes have been given their places. */
static void place_done_nodes(placing *at, const layer *of) {
  for (int32_t i = -1; i < of->chain_length; i++) {
    const int32_t index = i < 0 ? of->first_node : of->chain[i];
    if (i >= 0 && index == of->first_node) continue; /* a layer of steps lists its first node */
    const node *read = &at->described->node[index];
    for (int32_t input = 0; input < read->inputs; input++)
      if (read->input[input] >= 0) place_done(at, read->input[input]);
  }

  /* So has that of a resize that a step takes the place of. */
  for (int32_t i = 0; of->steps && i < of->steps->count; i++)
    if (of->steps->step[i].repeat[1] > 0) place_done(at, of->step_value[i]);
}

static void place_layer(placing *at, layer *placed) {
  const int32_t index = placed->last_node, y = placed->output_value;
  const node *last = &at->described->node[index];

  /* The inputs. */
  for (int32_t i = 0; i < LAYER_INPUTS; i++) {
    const int32_t v = placed->input[i];
    if (v < 0) continue;
    const value *read = &at->described->value[v];
    if (read->kind == VALUE_CONSTANT) continue; /* contiguous, or packed */
    placed->input[i] = place_demand(at, index, v, place_demanded(placed, i, read->rank));
  }
  for (int32_t i = 0; placed->steps && i < placed->steps->count; i++)
    if (placed->step_value[i] >= 0)
      placed->step_place[i] = place_demand(at, index, placed->step_value[i],
                                           placed->planes == BY_FEATURE ? DEMAND_CONTIGUOUS : DEMAND_PLANES);
  place_done_nodes(at, placed);

  /* The outputs. Those after the first have no other place than the one where they are wanted. */
  for (int32_t i = 0; i < LAYER_OUTPUTS; i++) placed->output[i] = i < last->outputs ? last->output[i] : -1;
  for (int32_t i = 1; i < last->outputs; i++)
    place_set(at, last->output[i], place_target(at, last->output[i]));
  place where;
  if (place_is_reorder(placed->op)) {
    const int32_t x = at->described->node[placed->first_node].input[0];
    if (at->granted[x] == placed->first_node) {
      /* The concatenation before wrote in the order of the shuffle. */
      place_set(at, y, &at->target[y]);
      return;
    }
    where = *place_target(at, y);
    place_set(at, y, &where);
    place from = at->schedule->place[placed->input[0]];
    place_reorder(at, placed, &from, &where);
    placed->input[0] = place_add(at, &from);
    placed->output[0] = place_add(at, &where);
  } else {
    if (place_fits_in_place(at, placed, &at->described->value[y]))
      where = at->schedule->place[placed->input[0]];
    else
      where = *place_target(at, y);
    place_set(at, y, &where);
  }
  place_emit(at, placed);
}

/* Inputs and constants lie in memory of their own. Inner values have no place yet; those within a layer never
 * get one. */
static void place_roots(placing *at) {
  const description *described = at->described;
  for (int32_t i = 0; i < described->values; i++) {
    const value *of = &described->value[i];
    place where = {.storage = -1, .root = of->index, .layout = layout_contiguous(of->rank, of->shape)};
    if (of->kind == VALUE_CONSTANT) where.root += described->inputs + described->outputs;
    if (of->kind == VALUE_INNER) where.root = -1;
    at->schedule->place[i] = where;
    at->granted[i] = at->copy[i] = -1;
  }
}

dk_status place_values(dk_schedule *schedule, layer **layer_ending) {
  const description *described = &schedule->described;
  placing at = {.schedule = schedule, .described = described, .layer_ending = layer_ending};

  /* Each use of a value adds one copy at most, with its two places, and one storage. A layer that reorders
   * has two places more. */
  int32_t uses = 0;
  for (int32_t i = 0; i < described->nodes; i++)
    uses += described->node[i].inputs + described->node[i].outputs;
  at.most_layers = described->nodes + uses;
  at.most_places = described->values + 2 * (uses + described->nodes);
  schedule->places = described->values;
  memory_list scratch = {0};
  const size_t values = (size_t)described->values;
  schedule->layer = memory_take(&schedule->memory, (size_t)at.most_layers, sizeof(layer *));
  schedule->place = memory_take(&schedule->memory, (size_t)at.most_places, sizeof(place));
  schedule->storage = memory_take(&schedule->memory, values + (size_t)uses, sizeof(storage));
  at.target = memory_take(&scratch, values, sizeof(place));
  at.has_target = memory_take(&scratch, values, sizeof(bool));
  at.granted = memory_take(&scratch, values, sizeof(int32_t));
  at.shuffled = memory_take(&scratch, values, sizeof(int32_t));
  at.copy = memory_take(&scratch, values, sizeof(int32_t));
  if (!schedule->memory.failed && !scratch.failed) {
    place_roots(&at);
    place_targets(&at);
    for (int32_t i = 0; i < described->nodes; i++) {
      const dk_op op = described->node[i].op;
      if (layer_ending[i])
        place_layer(&at, layer_ending[i]);
      else if (op == DK_OP_CONCAT)
        place_concat(&at, i);
      else if (is_view(op))
        place_view(&at, i);
    }
  }
  const bool failed = schedule->memory.failed || scratch.failed;
  memory_free_all(&scratch);
  return failed ? DK_ERROR_MEMORY : DK_OK;
}

SMALL_FILE_END
