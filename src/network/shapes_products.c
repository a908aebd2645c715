/* Checks nodes that multiply by parameters: convolutions, attention, batch norm, linear layers, products. */
#include <float.h>

#include "base/attributes.h"
#include "network/shapes.h"

SMALL_FILE

dk_status shape_check_convolution(const shape_check *at) {
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

dk_status shape_check_transposed(const shape_check *at) {
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

dk_status shape_check_attention(const shape_check *at) {
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

dk_status shape_check_batch_norm(const shape_check *at) {
  if (at->x->rank < 2) return DK_ERROR_SHAPE;
  for (int32_t i = 1; i < 5; i++) {
    const value *parameter = node_input(at->described, at->checked, i);
    if (!parameter || parameter->kind != VALUE_CONSTANT) return DK_ERROR_CONFIG;
    if (!shape_is_vector(parameter, at->x->shape[1])) return DK_ERROR_SHAPE;
  }
  return shape_status(shapes_equal(at->x, at->y));
}

dk_status shape_check_linear(const shape_check *at) {
  const value *x = at->x, *weight = at->second, *y = at->y;
  if (weight->kind != VALUE_CONSTANT || !shapes_are_constant(at->third)) return DK_ERROR_CONFIG;
  if (weight->rank != 2 || x->rank < 1 || y->rank != x->rank) return DK_ERROR_SHAPE;
  const int32_t last = x->rank - 1;
  for (int32_t axis = 0; axis < last; axis++)
    if (x->shape[axis] != y->shape[axis]) return DK_ERROR_SHAPE;
  return shape_status(x->shape[last] == weight->shape[1] && y->shape[last] == weight->shape[0] &&
                      shape_is_vector(at->third, weight->shape[0]));
}

dk_status shape_check_matmul(const shape_check *at) {
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

SMALL_FILE_END
