/* Joins nodes to layers. A layer begins with a node that computes, and takes the nodes after it as long as
 * each is the only user of the value before, and can be a step of an epilogue: batch norm, an activation, or
 * an operation with another value (a residual, a gate). The layer runs at the place of its last node, where
 * all its operands exist.
 *
 * Steps with constants that are the same for a whole channel (batch norm, a bias, a factor) become one scale
 * and one shift of each channel. */
#include "base/attributes.h"
#include "network/schedule.h"

SMALL_FILE

typedef struct fusing {
  memory_list *memory;
  const description *described;
  const int32_t *user; /* of each value, the last node that uses it */
  bool *taken;         /* of each node, whether it belongs to a layer */
} fusing;

bool is_view(dk_op op) {
  return op == DK_OP_RESHAPE || op == DK_OP_SPLIT || op == DK_OP_SLICE || op == DK_OP_TRANSPOSE ||
         op == DK_OP_EXPAND;
}

/* Whether each output element of the op can be a step. */
static bool fuse_is_step(dk_op op) { return is_unary(op) || is_binary(op) || op == DK_OP_BATCH_NORM; }

/* Whether a layer that begins with this op can apply steps. */
static bool fuse_takes_steps(dk_op op) {
  return fuse_is_step(op) || is_convolution(op) || op == DK_OP_CONV_TRANSPOSE2D || op == DK_OP_LINEAR;
}

/* Splits the axes of a shape into those of n, of c and of the pixels: n ends and c ends there. */
static void fuse_split(const value *of, step_planes planes, int32_t *n_end, int32_t *c_end) {
  if (planes == BY_FEATURE) {
    *n_end = of->rank - 1;
    *c_end = of->rank;
  } else {
    *n_end = of->rank >= 3 ? 1 : 0;
    *c_end = of->rank >= 3 ? 2 : of->rank == 2 ? 1 : 0;
  }
}

/* Whether a value is a resize by whole factors that only one node uses: a step can then read what is resized.
 * Writes how many times rows and columns are repeated. */
static bool fuse_is_repeat(const fusing *at, int32_t index, int32_t repeat[2]) {
  const value *of = &at->described->value[index];
  if (of->kind != VALUE_INNER || of->uses != 1 || of->kept || of->output >= 0) return false;
  const node *resize = &at->described->node[of->node];
  if (resize->op != DK_OP_RESIZE || at->taken[of->node]) return false;
  const resizing how = resize_of_node(resize);
  const value *x = node_input(at->described, resize, 0);
  for (int32_t i = 0; i < 2; i++) repeat[i] = resize_repeats(&how, i, x->shape[2 + i], of->shape[2 + i]);
  return repeat[0] > 0 && repeat[1] > 0;
}

typedef enum spread { SPREAD_NONE, SPREAD_ALL, SPREAD_MIXED } spread;

/* Whether an operand that is broadcast to y has one element along these axes of y, or all. */
static spread fuse_spread(const value *operand, const value *y, int32_t begin, int32_t end) {
  bool one = true, all = true;
  for (int32_t axis = begin; axis < end; axis++) {
    const int32_t own = axis - (y->rank - operand->rank);
    const int32_t length = own < 0 ? 1 : operand->shape[own];
    if (length != 1) one = false;
    if (length != y->shape[axis]) all = false;
  }
  return one ? SPREAD_NONE : all ? SPREAD_ALL : SPREAD_MIXED;
}

/* Whether a step can read the operand: the same element, or one after the other, along n, along c and along
 * the pixels. */
static bool fuse_reads(const value *operand, const value *y, step_planes planes) {
  int32_t n_end, c_end;
  fuse_split(y, planes, &n_end, &c_end);
  return fuse_spread(operand, y, 0, n_end) != SPREAD_MIXED &&
         fuse_spread(operand, y, n_end, c_end) != SPREAD_MIXED &&
         fuse_spread(operand, y, c_end, y->rank) != SPREAD_MIXED;
}

/* Whether a constant has one element for a channel, or one in all. */
static bool fuse_is_constant_of_channels(const value *operand, const value *y, step_planes planes) {
  int32_t n_end, c_end;
  fuse_split(y, planes, &n_end, &c_end);
  return operand->kind == VALUE_CONSTANT && fuse_spread(operand, y, 0, n_end) == SPREAD_NONE &&
         fuse_spread(operand, y, c_end, y->rank) == SPREAD_NONE;
}

/* Whether the op with a constant is a scale and a shift. c - x is; c / x is not. */
static bool fuse_is_affine(dk_op op, bool reversed) {
  return op == DK_OP_ADD || op == DK_OP_SUBTRACT || op == DK_OP_MULTIPLY || (op == DK_OP_DIVIDE && !reversed);
}

static bool fuse_same_shape(const value *a, const value *b) {
  return a->rank == b->rank && !memcmp(a->shape, b->shape, sizeof(int32_t) * (size_t)a->rank);
}

/* Begins another step. Returns NULL if there is no room. */
static epilogue_step *fuse_next_step(fusing *at, layer *joined) {
  if (!joined->steps) joined->steps = memory_take(at->memory, 1, sizeof *joined->steps);
  if (!joined->steps || joined->steps->count == MAX_STEPS) return NULL;
  const int32_t step = joined->steps->count++;
  joined->step_value[step] = joined->step_place[step] = -1;
  joined->steps->step[step] = (epilogue_step){0};
  return &joined->steps->step[step];
}

/* Makes the node a part of a scale and a shift: those of the step before if it `joins` them, or new ones.
 * `channels` is their number. */
static bool fuse_affine(fusing *at, layer *joined, int32_t channels, bool joins) {
  const int32_t count = joined->steps ? joined->steps->count : 0;
  if (joins && count && joined->steps->step[count - 1].op == DK_OP_BATCH_NORM) return true;
  epilogue_step *step = fuse_next_step(at, joined);
  if (!step) return false;
  float *scale = memory_take(at->memory, (size_t)channels, sizeof(float));
  float *shift = memory_take(at->memory, (size_t)channels, sizeof(float));
  step->op = DK_OP_BATCH_NORM;
  step->scale = joined->step_scale[count] = scale;
  step->shift = joined->step_shift[count] = shift;
  joined->channels = channels;
  return scale && shift;
}

/* Adds a node as a step on `before`, which is one of its inputs. Returns false if it cannot be one. */
static bool fuse_step(fusing *at, layer *joined, int32_t index, int32_t before) {
  const node *added = &at->described->node[index];
  const value *y = node_output(at->described, added, 0);
  const dk_op op = added->op;
  if (joined->chain_length == MAX_CHAIN || !fuse_same_shape(&at->described->value[before], y)) return false;
  int32_t n_end, c_end, channels = 1;
  fuse_split(y, joined->planes, &n_end, &c_end);
  for (int32_t axis = n_end; axis < c_end; axis++) channels *= y->shape[axis];

  if (is_unary(op)) {
    epilogue_step *step = fuse_next_step(at, joined);
    if (!step) return false;
    step->op = op;
    if (op == DK_OP_CLIP || op == DK_OP_HARD_SIGMOID) step->p[1] = node_float(added, 1);
    if (op >= DK_OP_CLIP && op <= DK_OP_HARD_SIGMOID) step->p[0] = node_float(added, 0);
  } else if (op == DK_OP_BATCH_NORM) {
    /* Its channels are axis 1. */
    if (n_end != 1 || added->input[0] != before || !fuse_affine(at, joined, channels, true)) return false;
  } else {
    const bool reversed = added->input[0] != before;
    const int32_t other = added->input[reversed ? 0 : 1];
    const value *operand = &at->described->value[other];
    if (!is_binary(op) || (op == DK_OP_PRELU && reversed)) return false;
    if (fuse_is_affine(op, reversed) && fuse_is_constant_of_channels(operand, y, joined->planes)) {
      /* A factor alone may be huge: twice 1e30 would be infinite, and (x - 1) * 1e30 is no x * 1e30 - 1e30.
       */
      const bool is_factor = op == DK_OP_MULTIPLY || op == DK_OP_DIVIDE;
      if (!fuse_affine(at, joined, channels, !is_factor || value_elements(operand) > 1)) return false;
    } else {
      epilogue_step *step = fuse_reads(operand, y, joined->planes) ? fuse_next_step(at, joined) : NULL;
      if (!step) return false;
      step->op = op;
      step->reversed = reversed;
      joined->step_value[joined->steps->count - 1] = other;
      int32_t repeat[2];
      if (joined->planes == BY_CHANNEL && y->rank == 4 && operand->rank == 4 &&
          operand->shape[2] == y->shape[2] && operand->shape[3] == y->shape[3] &&
          fuse_is_repeat(at, other, repeat)) {
        /* The step reads the rows and columns that a resize would repeat. */
        memcpy(step->repeat, repeat, sizeof repeat);
        step->width = y->shape[3];
        joined->step_value[joined->steps->count - 1] = at->described->node[operand->node].input[0];
        at->taken[operand->node] = true;
      }
    }
  }
  joined->chain[joined->chain_length] = index;
  joined->chain_step[joined->chain_length++] = joined->steps->count - 1;
  joined->last_node = index;
  return true;
}

/* Begins a layer that consists of steps only, if the node can be one. Returns the input that the steps work
 * on, or -1. */
static int32_t fuse_begin_steps(fusing *at, layer *joined, int32_t index) {
  const node *begun = &at->described->node[index];
  if (!fuse_is_step(begun->op)) return -1;

  /* The channels of a matrix are its columns for batch norm. */
  if (begun->op == DK_OP_BATCH_NORM && node_input(at->described, begun, 0)->rank == 2)
    joined->planes = BY_FEATURE;

  /* The steps of an operation of two values begin with the first, unless a step can read that repeated. */
  const int32_t inputs = is_binary(begun->op) ? 2 : 1;
  int32_t repeat[2];
  const bool second_first = inputs == 2 && fuse_is_repeat(at, begun->input[0], repeat);
  for (int32_t i = 0; i < inputs; i++) {
    const int32_t x = begun->input[second_first ? 1 - i : i];
    if (fuse_step(at, joined, index, x)) return x;
  }
  return -1;
}

/* Makes the layer that begins with a node. */
static void fuse_layer(fusing *at, layer *joined, int32_t index) {
  const node *begun = &at->described->node[index];
  *joined = (layer){.op = begun->op,
                    .first_node = index,
                    .last_node = index,
                    .planes = begun->op == DK_OP_LINEAR ? BY_FEATURE : BY_CHANNEL};
  for (int32_t i = 0; i < LAYER_INPUTS; i++) joined->input[i] = i < begun->inputs ? begun->input[i] : -1;
  int32_t latest = begun->output[0];

  /* A layer of steps has its only input first. */
  const int32_t begins_with = fuse_begin_steps(at, joined, index);
  if (begins_with >= 0) {
    joined->input[0] = begins_with;
    joined->input[1] = -1;
  } else if (fuse_is_step(begun->op)) {
    return; /* a general operation of two values */
  }
  while (fuse_takes_steps(begun->op)) {
    const value *before = &at->described->value[latest];
    const int32_t next = at->user[latest];
    if (before->uses != 1 || before->kept || before->output >= 0 || at->taken[next]) break;
    if (!fuse_step(at, joined, next, latest)) break;
    latest = at->described->node[next].output[0];
  }
}

/* Makes the layer that begins with a node, and lists it. */
static void fuse_node(fusing *at, layer *joined, int32_t index, layer **layer_ending) {
  fuse_layer(at, joined, index);
  joined->output_value = at->described->node[joined->last_node].output[0];
  at->taken[index] = true;
  for (int32_t step = 0; step < joined->chain_length; step++) at->taken[joined->chain[step]] = true;
  layer_ending[joined->last_node] = joined;
}

dk_status fuse_nodes(memory_list *memory, const description *described, layer **layer_ending) {
  int32_t *user = memory_take(memory, (size_t)described->values, sizeof(int32_t));
  bool *taken = memory_take(memory, (size_t)described->nodes, sizeof(bool));
  layer *joined = memory_take(memory, (size_t)described->nodes, sizeof(layer));
  if (memory->failed) return DK_ERROR_MEMORY;
  for (int32_t i = 0; i < described->nodes; i++)
    for (int32_t input = 0; input < described->node[i].inputs; input++)
      if (described->node[i].input[input] >= 0) user[described->node[i].input[input]] = i;

  /* Resizes come last, because the layers after them may read their inputs instead. */
  fusing at = {memory, described, user, taken};
  for (int32_t i = 0; i < described->nodes; i++) {
    const dk_op op = described->node[i].op;
    if (!taken[i] && !is_view(op) && op != DK_OP_CONCAT && op != DK_OP_RESIZE)
      fuse_node(&at, joined++, i, layer_ending);
  }
  for (int32_t i = 0; i < described->nodes; i++)
    if (!taken[i] && described->node[i].op == DK_OP_RESIZE) fuse_node(&at, joined++, i, layer_ending);
  return memory->failed ? DK_ERROR_MEMORY : DK_OK;
}

SMALL_FILE_END
