/* Checks each node: how many inputs, outputs and attributes it has, its attributes, and its shapes. One
 * function for each kind of op; the table at the end says which. */
#include <float.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "network/description.h"

SMALL_FILE

/* A node that is checked, and the shapes of its first inputs and its first output. */
typedef struct shape_check {
  const description *described;
  const node *checked;
  const value *x, *second, *third, *y; /* NULL if there is none */
} shape_check;

enum { LONGEST = 1 << 15 }; /* of a window, stride, dilation or padding: products of two fit an int32_t */

static bool shapes_equal(const value *a, const value *b) {
  return a->rank == b->rank && !memcmp(a->shape, b->shape, sizeof(int32_t) * (size_t)a->rank);
}

/* Whether a value is missing, or has exactly these lengths. */
static bool shape_is(const value *checked, int32_t rank, const int32_t *lengths) {
  return !checked ||
         (checked->rank == rank && !memcmp(checked->shape, lengths, sizeof(int32_t) * (size_t)rank));
}
static bool shape_is_vector(const value *checked, int32_t length) { return shape_is(checked, 1, &length); }
static bool shape_is_matrix(const value *checked, int32_t rows, int32_t columns) {
  return shape_is(checked, 2, (int32_t[]){rows, columns});
}

static bool shapes_are_constant(const value *checked) { return !checked || checked->kind == VALUE_CONSTANT; }

static dk_status shape_status(bool fits) { return fits ? DK_OK : DK_ERROR_SHAPE; }

/* Length `axis` of a shape that is aligned at its end with one of `rank` dimensions. */
static int32_t shape_aligned(const value *of, int32_t rank, int32_t axis) {
  const int32_t own = axis - (rank - of->rank);
  return own < 0 ? 1 : of->shape[own];
}

/* Whether `of` broadcasts to y. */
static bool shape_broadcasts(const value *of, const value *y) {
  if (of->rank > y->rank) return false;
  for (int32_t axis = 0; axis < y->rank; axis++) {
    const int32_t length = shape_aligned(of, y->rank, axis);
    if (length != 1 && length != y->shape[axis]) return false;
  }
  return true;
}

/* Whether `window` holds a window as dk_op describes it: stride, padding, dilation, of a kernel of R taps
 * along an axis. */
static bool shape_window_is_valid(const int32_t *window, const int32_t *R) {
  for (int32_t i = 0; i < 2; i++)
    if (R[i] < 1 || R[i] > LONGEST || window[i] < 1 || window[i] > LONGEST || window[6 + i] < 1 ||
        window[6 + i] > LONGEST)
      return false;
  for (int32_t i = 2; i < 6; i++)
    if (window[i] < 0 || window[i] > LONGEST) return false;
  return true;
}

/* How many places a window has along an axis. `spare`: how many elements of it may hang over the end. */
static int32_t shape_places(const int32_t *window, const int32_t *R, int32_t axis, int32_t length,
                            int32_t spare) {
  const int64_t padded = (int64_t)length + window[2 + axis] + window[4 + axis] + spare;
  const int64_t reach = (int64_t)window[6 + axis] * (R[axis] - 1) + 1;
  return padded < reach ? 0 : (int32_t)((padded - reach) / window[axis] + 1);
}

static dk_status shape_check_convolution(const shape_check *at) {
  const value *x = at->x, *y = at->y, *a = at->second;
  const bool dynamic = at->checked->op == DK_OP_DYNAMIC_CONV2D;
  const value *weight = dynamic ? at->third : at->second;
  const value *bias = node_input(at->described, at->checked, dynamic ? 3 : 2);
  const int32_t *window = at->checked->attribute, G = window[8];
  if (!weight) return DK_ERROR_CONFIG;
  if (x->rank != 4 || y->rank != 4 || (weight->rank != 5 && (dynamic || weight->rank != 4)))
    return DK_ERROR_SHAPE;

  /* The kernels. */
  const int32_t *kernel = weight->shape + weight->rank - 4, O = kernel[0];
  if (!shape_window_is_valid(window, kernel + 2) || G < 1 || x->shape[1] % G || O % G) return DK_ERROR_CONFIG;
  if (kernel[1] != x->shape[1] / G) return DK_ERROR_SHAPE;
  if (dynamic) {
    const int32_t K = weight->shape[0];
    if (weight->kind != VALUE_CONSTANT || !shapes_are_constant(bias) || (!a && K > 1)) return DK_ERROR_CONFIG;
    if (!shape_is_matrix(a, x->shape[0], K) || !shape_is_matrix(bias, K, O)) return DK_ERROR_SHAPE;

    /* The factors of output channels, input channels and taps. */
    const int32_t length[] = {O, x->shape[1], kernel[2] * kernel[3]};
    for (int32_t i = 0; i < 3; i++)
      if (!shape_is_matrix(node_input(at->described, at->checked, 4 + i), x->shape[0], length[i]))
        return DK_ERROR_SHAPE;
  } else if (!shape_is_vector(bias, O) || (weight->rank == 5 && weight->shape[0] != x->shape[0])) {
    return DK_ERROR_SHAPE;
  }

  /* The output. */
  return shape_status(y->shape[0] == x->shape[0] && y->shape[1] == O &&
                      y->shape[2] == shape_places(window, kernel + 2, 0, x->shape[2], 0) &&
                      y->shape[3] == shape_places(window, kernel + 2, 1, x->shape[3], 0));
}

static dk_status shape_check_transposed(const shape_check *at) {
  const value *x = at->x, *weight = at->second, *y = at->y;
  const int32_t *window = at->checked->attribute, G = window[8];
  if (weight->kind != VALUE_CONSTANT || !shapes_are_constant(at->third)) return DK_ERROR_CONFIG;
  if (x->rank != 4 || y->rank != 4 || weight->rank != 4) return DK_ERROR_SHAPE;
  if (!shape_window_is_valid(window, weight->shape + 2) || G < 1 || x->shape[1] % G) return DK_ERROR_CONFIG;
  const int64_t O = (int64_t)weight->shape[1] * G;
  if (weight->shape[0] != x->shape[1] || O != y->shape[1] || x->shape[0] != y->shape[0] ||
      !shape_is_vector(at->third, y->shape[1]))
    return DK_ERROR_SHAPE;

  /* Up to stride - 1 more rows and columns than the windows reach. */
  for (int32_t i = 0; i < 2; i++) {
    const int64_t least = (int64_t)(x->shape[2 + i] - 1) * window[i] +
                          (int64_t)window[6 + i] * (weight->shape[2 + i] - 1) + 1 - window[2 + i] -
                          window[4 + i];
    const int32_t most_more = window[i] > window[6 + i] ? window[i] : window[6 + i];
    if (y->shape[2 + i] < least || y->shape[2 + i] >= least + most_more) return DK_ERROR_SHAPE;
  }
  return DK_OK;
}

/* Which parameters of an attention there are, and its attributes. */
static dk_status shape_check_attention_parts(const shape_check *at) {
  bool has[ATTENTION_INPUTS];
  for (int32_t i = 0; i < ATTENTION_INPUTS; i++) {
    const value *input = node_input(at->described, at->checked, i);
    if (i > 0 && !shapes_are_constant(input)) return DK_ERROR_CONFIG;
    has[i] = input != NULL;
  }

  /* Batch norm is there as a whole, and only in a hidden layer. */
  for (int32_t i = 2; i < ATTENTION_HEADS; i++)
    if (has[i] != has[2] || (has[i] && !has[1])) return DK_ERROR_CONFIG;

  /* Each head that there is has an output, and no other has a bias. */
  int32_t heads = 0;
  for (int32_t i = ATTENTION_HEADS; i < ATTENTION_INPUTS; i += 2) {
    heads += has[i];
    if (has[i + 1] && !has[i]) return DK_ERROR_CONFIG;
  }
  if (heads != at->checked->outputs) return DK_ERROR_CONFIG;

  /* eps, which is 0 if an exporter has folded the batch norm, temperature and softmax. */
  const float eps = node_float(at->checked, 0), temperature = node_float(at->checked, 1);
  if (!(eps >= 0 && eps <= FLT_MAX && temperature > 0 && temperature <= FLT_MAX)) return DK_ERROR_CONFIG;
  return (uint32_t)at->checked->attribute[2] > 1 ? DK_ERROR_CONFIG : DK_OK;
}

static dk_status shape_check_attention(const shape_check *at) {
  dk_status status = shape_check_attention_parts(at);
  if (status) return status;
  const value *x = at->x, *hidden = at->second;
  if (x->rank != 4 || (hidden && (hidden->rank != 2 || hidden->shape[1] != x->shape[1])))
    return DK_ERROR_SHAPE;
  for (int32_t i = 2; hidden && i < ATTENTION_HEADS; i++)
    if (!shape_is_vector(node_input(at->described, at->checked, i), hidden->shape[0])) return DK_ERROR_SHAPE;

  /* The heads and their outputs. */
  const int32_t features = hidden ? hidden->shape[0] : x->shape[1];
  int32_t output = 0;
  for (int32_t i = ATTENTION_HEADS; i < ATTENTION_INPUTS; i += 2) {
    const value *weight = node_input(at->described, at->checked, i);
    if (!weight) continue;
    if (weight->rank != 2 || weight->shape[1] != features) return DK_ERROR_SHAPE;
    if (!shape_is_vector(node_input(at->described, at->checked, i + 1), weight->shape[0]) ||
        !shape_is_matrix(node_output(at->described, at->checked, output++), x->shape[0], weight->shape[0]))
      return DK_ERROR_SHAPE;
  }
  return DK_OK;
}

static dk_status shape_check_batch_norm(const shape_check *at) {
  if (at->x->rank < 2) return DK_ERROR_SHAPE;
  for (int32_t i = 1; i < 5; i++) {
    const value *parameter = node_input(at->described, at->checked, i);
    if (!parameter || parameter->kind != VALUE_CONSTANT) return DK_ERROR_CONFIG;
    if (!shape_is_vector(parameter, at->x->shape[1])) return DK_ERROR_SHAPE;
  }
  return shape_status(shapes_equal(at->x, at->y));
}

static dk_status shape_check_linear(const shape_check *at) {
  const value *x = at->x, *weight = at->second, *y = at->y;
  if (weight->kind != VALUE_CONSTANT || !shapes_are_constant(at->third)) return DK_ERROR_CONFIG;
  if (weight->rank != 2 || x->rank < 1 || y->rank != x->rank) return DK_ERROR_SHAPE;
  const int32_t last = x->rank - 1;
  for (int32_t axis = 0; axis < last; axis++)
    if (x->shape[axis] != y->shape[axis]) return DK_ERROR_SHAPE;
  return shape_status(x->shape[last] == weight->shape[1] && y->shape[last] == weight->shape[0] &&
                      shape_is_vector(at->third, weight->shape[0]));
}

static dk_status shape_check_matmul(const shape_check *at) {
  const value *a = at->x, *b = at->second, *y = at->y;
  if (a->rank < 2 || b->rank < 2 || y->rank < a->rank || y->rank < b->rank) return DK_ERROR_SHAPE;
  for (int32_t axis = 0; axis < y->rank - 2; axis++) {
    const int32_t left = shape_aligned(a, y->rank, axis), right = shape_aligned(b, y->rank, axis);
    if (left != right && left != 1 && right != 1) return DK_ERROR_SHAPE;
    if (y->shape[axis] != max_i32(left, right)) return DK_ERROR_SHAPE;
  }
  return shape_status(a->shape[a->rank - 1] == b->shape[b->rank - 2] &&
                      y->shape[y->rank - 2] == a->shape[a->rank - 2] &&
                      y->shape[y->rank - 1] == b->shape[b->rank - 1]);
}

static dk_status shape_check_binary(const shape_check *at) {
  const value *a = at->x, *b = at->second, *y = at->y;
  if (!shape_broadcasts(a, y) || !shape_broadcasts(b, y)) return DK_ERROR_SHAPE;
  for (int32_t axis = 0; axis < y->rank; axis++)
    if (y->shape[axis] != max_i32(shape_aligned(a, y->rank, axis), shape_aligned(b, y->rank, axis)))
      return DK_ERROR_SHAPE;
  return shape_status(y->rank == max_i32(a->rank, b->rank) &&
                      (at->checked->op != DK_OP_PRELU || shapes_equal(a, y)));
}

static dk_status shape_check_same(const shape_check *at) { return shape_status(shapes_equal(at->x, at->y)); }

static bool shape_has_axis(const shape_check *at) {
  return at->checked->attribute[0] >= 0 && at->checked->attribute[0] < at->y->rank;
}

static dk_status shape_check_softmax(const shape_check *at) {
  return shape_has_axis(at) ? shape_check_same(at) : DK_ERROR_CONFIG;
}

static dk_status shape_check_reduce(const shape_check *at) {
  const value *x = at->x, *y = at->y;
  const uint32_t axes = (uint32_t)at->checked->attribute[0];
  if (axes >> x->rank) return DK_ERROR_CONFIG;
  const bool kept = y->rank == x->rank;
  int32_t own = 0;
  for (int32_t axis = 0; axis < x->rank; axis++) {
    const bool reduced = axes >> axis & 1;
    if (reduced && !kept) continue;
    if (own >= y->rank || y->shape[own++] != (reduced ? 1 : x->shape[axis])) return DK_ERROR_SHAPE;
  }
  return shape_status(own == y->rank);
}

static dk_status shape_check_window_pool(const shape_check *at) {
  const value *x = at->x, *y = at->y;
  const int32_t *kernel = at->checked->attribute, *window = kernel + 2;
  if (!shape_window_is_valid(window, kernel)) return DK_ERROR_CONFIG;
  if (x->rank != 4 || y->rank != 4 || x->shape[0] != y->shape[0] || x->shape[1] != y->shape[1])
    return DK_ERROR_SHAPE;
  for (int32_t i = 0; i < 2; i++) {
    const int32_t length = y->shape[2 + i], fit = shape_places(window, kernel, i, x->shape[2 + i], 0);
    if (length == fit) continue;

    /* A last window that is cut off still begins before the padding ends. */
    const int64_t begin = (int64_t)(length - 1) * window[i];
    if (length != fit + 1 || begin >= (int64_t)x->shape[2 + i] + window[2 + i] + window[4 + i])
      return DK_ERROR_SHAPE;
  }
  return DK_OK;
}

static dk_status shape_check_concat(const shape_check *at) {
  if (!shape_has_axis(at)) return DK_ERROR_CONFIG;
  const int32_t axis = at->checked->attribute[0];
  int64_t sum = 0;
  for (int32_t i = 0; i < at->checked->inputs; i++) {
    const value *part = node_input(at->described, at->checked, i);
    if (!part || part->rank != at->y->rank) return DK_ERROR_SHAPE;
    for (int32_t other = 0; other < part->rank; other++)
      if (other != axis && part->shape[other] != at->y->shape[other]) return DK_ERROR_SHAPE;
    sum += part->shape[axis];
  }
  return shape_status(sum == at->y->shape[axis]);
}

static dk_status shape_check_split(const shape_check *at) {
  if (!shape_has_axis(at)) return DK_ERROR_CONFIG;
  const int32_t axis = at->checked->attribute[0];
  int64_t sum = 0;
  for (int32_t i = 0; i < at->checked->outputs; i++) {
    const value *part = node_output(at->described, at->checked, i);
    if (part->rank != at->x->rank) return DK_ERROR_SHAPE;
    for (int32_t other = 0; other < part->rank; other++)
      if (other != axis && part->shape[other] != at->x->shape[other]) return DK_ERROR_SHAPE;
    sum += part->shape[axis];
  }
  return shape_status(sum == at->x->shape[axis]);
}

static dk_status shape_check_slice(const shape_check *at) {
  const value *x = at->x, *y = at->y;
  const int32_t *start = at->checked->attribute, *step = start + x->rank;
  if (x->rank != y->rank) return DK_ERROR_SHAPE;
  for (int32_t axis = 0; axis < x->rank; axis++) {
    const int64_t last = start[axis] + (int64_t)(y->shape[axis] - 1) * step[axis];
    if (start[axis] < 0 || start[axis] >= x->shape[axis] || last < 0 || last >= x->shape[axis])
      return DK_ERROR_CONFIG;
  }
  return DK_OK;
}

static dk_status shape_check_reshape(const shape_check *at) {
  return shape_status(value_elements(at->x) == value_elements(at->y));
}

static dk_status shape_check_transpose(const shape_check *at) {
  const int32_t *order = at->checked->attribute;
  uint32_t seen = 0;
  if (at->x->rank != at->y->rank) return DK_ERROR_SHAPE;
  for (int32_t axis = 0; axis < at->x->rank; axis++) {
    if (order[axis] < 0 || order[axis] >= at->x->rank || seen >> order[axis] & 1) return DK_ERROR_CONFIG;
    seen |= 1u << order[axis];
    if (at->y->shape[axis] != at->x->shape[order[axis]]) return DK_ERROR_SHAPE;
  }
  return DK_OK;
}

static dk_status shape_check_shuffle(const shape_check *at) {
  const int32_t groups = at->checked->attribute[0];
  if (at->x->rank < 2 || at->x->rank >= MAX_RANK) return DK_ERROR_SHAPE;
  if (groups < 1 || at->x->shape[1] % groups) return DK_ERROR_CONFIG;
  return shape_check_same(at);
}

static dk_status shape_check_expand(const shape_check *at) {
  return shape_status(shape_broadcasts(at->x, at->y));
}

static dk_status shape_check_pad(const shape_check *at) {
  const value *x = at->x, *y = at->y;
  const int32_t mode = at->checked->attribute[0], *before = at->checked->attribute + 2;
  if (mode < 0 || mode > 2) return DK_ERROR_CONFIG;
  if (x->rank != y->rank) return DK_ERROR_SHAPE;
  for (int32_t axis = 0; axis < x->rank; axis++) {
    const int64_t after = (int64_t)y->shape[axis] - x->shape[axis] - before[axis];
    if (before[axis] < -MAX_ELEMENTS || before[axis] > MAX_ELEMENTS) return DK_ERROR_CONFIG;

    /* A reflection reaches the other end of x at most. */
    if (mode == 2 && (before[axis] >= x->shape[axis] || after >= x->shape[axis])) return DK_ERROR_CONFIG;
  }
  return DK_OK;
}

static dk_status shape_check_resize(const shape_check *at) {
  const value *x = at->x, *y = at->y;
  const int32_t *attribute = at->checked->attribute;
  if (x->rank != 4 || y->rank != 4 || x->shape[0] != y->shape[0] || x->shape[1] != y->shape[1])
    return DK_ERROR_SHAPE;
  const bool scales = node_float(at->checked, 3) > 0 && node_float(at->checked, 4) > 0;
  return scales && attribute[0] >= 0 && attribute[0] <= 1 && attribute[1] >= 0 && attribute[1] <= 3 &&
                 attribute[2] >= 0 && attribute[2] <= 3
             ? DK_OK
             : DK_ERROR_CONFIG;
}

/* Depth to space; with the shapes exchanged, space to depth. */
static dk_status shape_check_blocks(const shape_check *at) {
  const bool to_space = at->checked->op == DK_OP_DEPTH_TO_SPACE;
  const value *deep = to_space ? at->x : at->y, *wide = to_space ? at->y : at->x;
  const int32_t block = at->checked->attribute[0];
  if (block < 1 || block > LONGEST || (to_space && (uint32_t)at->checked->attribute[1] > 1))
    return DK_ERROR_CONFIG;
  if (deep->rank != 4 || wide->rank != 4 || deep->shape[0] != wide->shape[0]) return DK_ERROR_SHAPE;
  return shape_status(deep->shape[1] == (int64_t)wide->shape[1] * block * block &&
                      wide->shape[2] == (int64_t)deep->shape[2] * block &&
                      wide->shape[3] == (int64_t)deep->shape[3] * block);
}

static dk_status shape_check_lrn(const shape_check *at) {
  if (at->checked->attribute[0] < 1) return DK_ERROR_CONFIG;
  return at->x->rank < 2 ? DK_ERROR_SHAPE : shape_check_same(at);
}

/* What a node of an op has. A number of attributes of -n is n for each axis of the first input, and `more`
 * are added to them. */
typedef struct op_rule {
  int8_t least_inputs, most_inputs; /* those that may not be left out, and all; 0 most: any number */
  int8_t attributes, more;
  dk_status (*check)(const shape_check *at);
} op_rule;

static const op_rule op_rules[] = {
    [DK_OP_CONV2D] = {2, 3, 9, 0, shape_check_convolution},
    [DK_OP_DYNAMIC_CONV2D] = {1, 7, 9, 0, shape_check_convolution},
    [DK_OP_ATTENTION] = {1, ATTENTION_INPUTS, 3, 0, shape_check_attention},
    [DK_OP_CONV_TRANSPOSE2D] = {2, 3, 9, 0, shape_check_transposed},
    [DK_OP_BATCH_NORM] = {5, 5, 1, 0, shape_check_batch_norm},
    [DK_OP_LINEAR] = {2, 3, 0, 0, shape_check_linear},
    [DK_OP_MATMUL] = {2, 2, 0, 0, shape_check_matmul},
    [DK_OP_ADD] = {2, 2, 0, 0, shape_check_binary},
    [DK_OP_SUBTRACT] = {2, 2, 0, 0, shape_check_binary},
    [DK_OP_MULTIPLY] = {2, 2, 0, 0, shape_check_binary},
    [DK_OP_DIVIDE] = {2, 2, 0, 0, shape_check_binary},
    [DK_OP_MINIMUM] = {2, 2, 0, 0, shape_check_binary},
    [DK_OP_MAXIMUM] = {2, 2, 0, 0, shape_check_binary},
    [DK_OP_POWER] = {2, 2, 0, 0, shape_check_binary},
    [DK_OP_PRELU] = {2, 2, 0, 0, shape_check_binary},
    [DK_OP_RELU] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_CLIP] = {1, 1, 2, 0, shape_check_same},
    [DK_OP_LEAKY_RELU] = {1, 1, 1, 0, shape_check_same},
    [DK_OP_ELU] = {1, 1, 1, 0, shape_check_same},
    [DK_OP_HARD_SIGMOID] = {1, 1, 2, 0, shape_check_same},
    [DK_OP_HARD_SWISH] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_SIGMOID] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_TANH] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_SILU] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_GELU] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_GELU_TANH] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_EXP] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_LOG] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_SQRT] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_NEGATE] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_RECIPROCAL] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_ABS] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_ERF] = {1, 1, 0, 0, shape_check_same},
    [DK_OP_SOFTMAX] = {1, 1, 1, 0, shape_check_softmax},
    [DK_OP_REDUCE_MEAN] = {1, 1, 1, 0, shape_check_reduce},
    [DK_OP_REDUCE_SUM] = {1, 1, 1, 0, shape_check_reduce},
    [DK_OP_REDUCE_MAX] = {1, 1, 1, 0, shape_check_reduce},
    [DK_OP_AVERAGE_POOL] = {1, 1, 11, 0, shape_check_window_pool},
    [DK_OP_MAX_POOL] = {1, 1, 10, 0, shape_check_window_pool},
    [DK_OP_CONCAT] = {1, 0, 1, 0, shape_check_concat},
    [DK_OP_SPLIT] = {1, 1, 1, 0, shape_check_split},
    [DK_OP_SLICE] = {1, 1, -2, 0, shape_check_slice},
    [DK_OP_RESHAPE] = {1, 1, 0, 0, shape_check_reshape},
    [DK_OP_TRANSPOSE] = {1, 1, -1, 0, shape_check_transpose},
    [DK_OP_CHANNEL_SHUFFLE] = {1, 1, 1, 0, shape_check_shuffle},
    [DK_OP_EXPAND] = {1, 1, 0, 0, shape_check_expand},
    [DK_OP_PAD] = {1, 1, -1, 2, shape_check_pad},
    [DK_OP_RESIZE] = {1, 1, 5, 0, shape_check_resize},
    [DK_OP_DEPTH_TO_SPACE] = {1, 1, 2, 0, shape_check_blocks},
    [DK_OP_SPACE_TO_DEPTH] = {1, 1, 1, 0, shape_check_blocks},
    [DK_OP_LRN] = {1, 1, 4, 0, shape_check_lrn},
};

dk_status description_check_node(const description *described, const node *checked, int32_t attributes) {
  const op_rule *rule = &op_rules[checked->op];

  /* Only a split and an attention have several outputs. */
  const bool several = checked->op == DK_OP_SPLIT || checked->op == DK_OP_ATTENTION;
  if (checked->outputs < 1 || (checked->outputs > 1 && !several)) return DK_ERROR_CONFIG;
  if (checked->inputs < rule->least_inputs || (rule->most_inputs && checked->inputs > rule->most_inputs))
    return DK_ERROR_CONFIG;
  for (int32_t i = 0; i < rule->least_inputs; i++)
    if (checked->input[i] < 0) return DK_ERROR_CONFIG;

  const shape_check at = {described,
                          checked,
                          node_input(described, checked, 0),
                          node_input(described, checked, 1),
                          node_input(described, checked, 2),
                          node_output(described, checked, 0)};
  DK_ASSERT(at.x || rule->attributes >= 0);
  const int32_t expected = rule->attributes < 0 ? -rule->attributes * at.x->rank : rule->attributes;
  if (attributes != expected + rule->more) return DK_ERROR_CONFIG;
  return rule->check(&at);
}

SMALL_FILE_END
