/* One layer: what it needs, and how it is computed. */
#include "base/attributes.h"
#include "convolution/convolution.h"
#include "network/fold.h"
#include "network/schedule.h"

view place_view_of(const dk_schedule *schedule, int32_t index) {
  const place *at = &schedule->place[index];
  view made = at->layout.view;
  float *memory = at->storage >= 0 ? schedule->network->arena + schedule->storage[at->storage].offset
                                   : schedule->root[at->root];
  made.data = memory + at->layout.offset;
  return made;
}

/* ----------------------------------------------------------------------------- planning */

static const node *layer_node(const dk_schedule *schedule, const layer *of) {
  return &schedule->described.node[of->first_node];
}

/* The lengths of a layer's input as the description has them. */
static const value *layer_input(const dk_schedule *schedule, const layer *of, int32_t i) {
  return node_input(&schedule->described, layer_node(schedule, of), i);
}
static const value *layer_output(const dk_schedule *schedule, const layer *of) {
  return node_output(&schedule->described, layer_node(schedule, of), 0);
}

/* A window of `kernel` v, h, whose other attributes begin at attribute[0]. */
static window layer_window(const int32_t *attribute, const int32_t *kernel) {
  return (window){.kernel = {kernel[0], kernel[1]},
                  .stride = {attribute[0], attribute[1]},
                  .padding = {attribute[2], attribute[3], attribute[4], attribute[5]},
                  .dilation = {attribute[6], attribute[7]}};
}

/* The form in which the network has the kernels of a layer; NULL if they are computed. */
static constant_form *layer_form(const dk_schedule *schedule, const layer *of, int32_t input) {
  const node *user = layer_node(schedule, of);
  const value *weight = node_input(&schedule->described, user, input);
  constant_form needed;
  if (weight->kind != VALUE_CONSTANT ||
      constant_form_needed(&schedule->described, user, input, &needed) != DK_OK || needed.kind == FORM_PLAIN)
    return NULL;
  return constant_find(&schedule->network->constant[weight->index], &needed);
}

/* The memory of a constant input; NULL if there is none or it is computed. */
static const float *layer_constant(const dk_schedule *schedule, const layer *of, int32_t input) {
  const value *listed = layer_input(schedule, of, input);
  if (!listed || listed->kind != VALUE_CONSTANT) return NULL;
  return place_view_of(schedule, layer_node(schedule, of)->input[input]).data;
}

SMALL static dk_status layer_plan_convolution(dk_schedule *schedule, layer *planned) {
  const bool dynamic = planned->op == DK_OP_DYNAMIC_CONV2D;
  const int32_t weight_input = dynamic ? 2 : 1;
  const value *x = layer_input(schedule, planned, 0), *y = layer_output(schedule, planned);
  const value *weight = layer_input(schedule, planned, weight_input);
  const int32_t *kernel = weight->shape + weight->rank - 2;
  const int32_t *attribute = layer_node(schedule, planned)->attribute;
  const bool each = !dynamic && weight->rank == 5; /* kernels of its own for each sample */
  planned->shape = (geometry){.N = each ? 1 : x->shape[0],
                              .C = x->shape[1],
                              .O = y->shape[1],
                              .G = attribute[8],
                              .K = dynamic ? weight->shape[0] : 1,
                              .Rh = kernel[0],
                              .Rw = kernel[1],
                              .stride_h = attribute[0],
                              .stride_w = attribute[1],
                              .top = attribute[2],
                              .left = attribute[3],
                              .bottom = attribute[4],
                              .right = attribute[5],
                              .dilation_h = kernel[0] > 1 ? attribute[6] : 1,
                              .dilation_w = kernel[1] > 1 ? attribute[7] : 1,
                              .H = x->shape[2],
                              .W = x->shape[3],
                              .Ho = y->shape[2],
                              .Wo = y->shape[3]};
  const geometry *shape = &planned->shape;
  planned->chosen = plan_convolution(shape, DK_ALGORITHM_AUTO);
  planned->form = layer_form(schedule, planned, weight_input);
  planned->bias = layer_constant(schedule, planned, weight_input + 1);
  if (!dynamic && planned->form)
    planned->prepared = constant_prepared(schedule->network, planned->form, planned->chosen, shape);
  const float taps = (float)(shape->C / shape->G) * (float)shape->Rh * (float)shape->Rw;
  planned->multiply_adds = (float)value_elements(y) * taps;
  return schedule->network->memory.failed ? DK_ERROR_MEMORY : DK_OK;
}

SMALL static dk_status layer_plan(dk_schedule *schedule, layer *planned) {
  if (planned->op == DK_OP_COPY) return DK_OK;
  const value *x = layer_input(schedule, planned, 0), *y = layer_output(schedule, planned);
  const value *weight = layer_input(schedule, planned, 1);
  switch (planned->op) {
  case DK_OP_CONV2D:
  case DK_OP_DYNAMIC_CONV2D:
    return layer_plan_convolution(schedule, planned);
  case DK_OP_CONV_TRANSPOSE2D:
  case DK_OP_LINEAR:
    planned->form = layer_form(schedule, planned, 1);
    planned->bias = layer_constant(schedule, planned, 2);
    planned->multiply_adds = (float)value_elements(x) * (float)value_elements(weight) /
                             (float)(planned->op == DK_OP_LINEAR ? weight->shape[1] : weight->shape[0]);
    break;
  case DK_OP_MATMUL:
    planned->multiply_adds = (float)value_elements(y) * (float)x->shape[x->rank - 1];
    break;
  case DK_OP_KERNEL_ATTENTION:
    planned->multiply_adds =
        (float)x->shape[0] * (float)weight->shape[0] * (float)(weight->shape[1] + y->shape[1]);
    break;
  default:
    break;
  }
  return DK_OK;
}

/* Moving an element takes about as long as ten multiply-adds. */
static const float MOVE_COST = 10;

SMALL dk_status schedule_plan_layer(dk_schedule *schedule, layer *planned) {
  const dk_status status = layer_plan(schedule, planned);
  const view *y = &schedule->place[planned->output].layout.view;
  planned->cost = planned->multiply_adds + MOVE_COST * (float)view_elements(y);
  return status;
}

/* ------------------------------------------------------------------------------- steps */

/* A view [N, C, pixels] of a layer's input or output, as the steps count it. */
static view layer_planes(const layer *of, view whole) {
  view planes = {.data = whole.data, .rank = 3, .shape = {1, 1, 1}, .stride = {0, 0, 1}};
  int32_t pixels = 1;
  if (of->planes == BY_FEATURE) {
    planes.shape[1] = whole.shape[whole.rank - 1];
    for (int32_t axis = 0; axis < whole.rank - 1; axis++) pixels *= whole.shape[axis];
    planes.shape[0] = pixels;
    planes.stride[0] = planes.shape[1];
    planes.stride[1] = 1;
    return planes;
  }
  /* The last axis that is no pixel is c, and the one before n. */
  const int32_t outer = whole.rank >= 3 ? 2 : whole.rank == 2 ? 1 : 0;
  for (int32_t axis = 0; axis < outer; axis++) {
    planes.shape[2 - outer + axis] = whole.shape[axis];
    planes.stride[2 - outer + axis] = whole.stride[axis];
  }
  for (int32_t axis = outer; axis < whole.rank; axis++) pixels *= whole.shape[axis];
  planes.shape[2] = pixels;
  return planes;
}

/* The distances of an operand's elements along n, c and the pixels of a tensor y. */
SMALL static void step_strides(const layer *of, const view *operand, const view *y, int32_t *stride) {
  int32_t full[MAX_RANK] = {0}; /* the stride along each axis of y, 0 where the operand has one element */
  bool spread[MAX_RANK] = {false};
  const int32_t missing = y->rank - operand->rank;
  for (int32_t axis = missing; axis < y->rank; axis++) {
    spread[axis] = operand->shape[axis - missing] != 1;
    full[axis] = spread[axis] ? operand->stride[axis - missing] : 0;
  }
  stride[0] = stride[1] = stride[2] = 0;
  if (of->planes == BY_FEATURE) {
    /* The operand is contiguous: its innermost axis of rows has the distance of two rows. */
    stride[1] = full[y->rank - 1];
    for (int32_t axis = y->rank - 2; axis >= 0 && !stride[0]; axis--) stride[0] = full[axis];
    return;
  }
  const int32_t outer = y->rank >= 3 ? 2 : y->rank == 2 ? 1 : 0;
  for (int32_t axis = 0; axis < outer; axis++) stride[2 - outer + axis] = full[axis];
  for (int32_t axis = outer; axis < y->rank; axis++) stride[2] |= spread[axis];
}

/* Points the steps to their operands. */
SMALL static void layer_bind_steps(const dk_schedule *schedule, const layer *of, const view *y) {
  for (int32_t i = 0; of->steps && i < of->steps->count; i++) {
    if (of->step_place[i] < 0) continue;
    const view operand = place_view_of(schedule, of->step_place[i]);
    of->steps->step[i].operand = operand.data;
    step_strides(of, &operand, y, of->steps->step[i].stride);
  }
}

/* ---------------------------------------------------------------------------- computing */

/* Packs kernels that a layer before has computed. */
static packed_kernels layer_pack(const layer *of, const float *weight, float *memory) {
  const geometry *shape = &of->shape;
  packed_kernels kernels;
  const uint64_t depth = (uint64_t)(shape->C / shape->G) * (uint32_t)shape->Rh * (uint32_t)shape->Rw;
  kernels_layout(1, shape->O, shape->G, depth, shape->C == shape->G, &kernels);
  kernels.data = memory;
  if (!memory) return kernels;
  memset(memory, 0, (size_t)kernels.blocks * kernels.depth * LANES * sizeof(float));
  kernels_pack(&kernels, 0, 0, shape->O, weight);
  return kernels;
}

static size_t layer_packed_bytes(const layer *of) {
  const packed_kernels kernels = layer_pack(of, NULL, NULL);
  return (size_t)round_up((uint64_t)kernels.blocks * kernels.depth * LANES * sizeof(float), 64);
}

static view layer_view(const dk_schedule *schedule, const layer *of, int32_t i) {
  return of->input[i] < 0 ? (view){0} : place_view_of(schedule, of->input[i]);
}

/* How far apart samples (axis 0) or channels (1) are. The stride of an axis of length 1 says nothing. */
static size_t layer_distance(const view *planes, int32_t axis) {
  size_t inner = 1;
  for (int32_t i = axis + 1; i < planes->rank; i++) inner *= (size_t)planes->shape[i];
  return planes->shape[axis] == 1 ? inner : (size_t)planes->stride[axis];
}

SMALL static void layer_convolve(dk_context *context, const dk_schedule *schedule, const layer *of,
                                 const view *x, const view *y, char *workspace) {
  const bool dynamic = of->op == DK_OP_DYNAMIC_CONV2D;
  convolution_call call = {.chosen = of->chosen,
                           .shape = &of->shape,
                           .prepared = of->prepared ? of->prepared->data : NULL,
                           .bias = fold_takes_bias(of) ? NULL : of->bias,
                           .a = dynamic ? layer_view(schedule, of, 1).data : NULL,
                           .x = x->data,
                           .x_sample = layer_distance(x, 0),
                           .x_channel = layer_distance(x, 1),
                           .y = y->data,
                           .y_sample = layer_distance(y, 0),
                           .y_channel = layer_distance(y, 1),
                           .steps = of->steps,
                           .workspace = workspace};
  if (!of->bias && !dynamic && of->input[2] >= 0) call.bias = layer_view(schedule, of, 2).data;
  if (of->form) {
    call.kernels = &of->form->kernels;
    convolve_batch(context, &call);
    return;
  }
  /* Kernels that were computed: those of all samples, or of one sample after the other. */
  const view weight = layer_view(schedule, of, 1);
  const size_t elements = view_elements(&weight), samples = weight.rank == 5 ? (size_t)weight.shape[0] : 1;
  call.workspace = workspace + layer_packed_bytes(of);
  for (size_t n = 0; n < samples; n++) {
    const packed_kernels kernels = layer_pack(of, weight.data + n * (elements / samples), (float *)workspace);
    call.kernels = &kernels;
    call.x = x->data + n * call.x_sample;
    call.y = y->data + n * call.y_sample;
    call.first_sample = (int32_t)n;
    convolve_batch(context, &call);
  }
}

static attention_constants layer_attention(const dk_schedule *schedule, const layer *of) {
  const node *first = layer_node(schedule, of);
  const value *conv1 = layer_input(schedule, of, 1), *conv2 = layer_input(schedule, of, 6);
  return (attention_constants){.C = conv1->shape[1],
                               .M = conv1->shape[0],
                               .K = conv2->shape[0],
                               .conv1_weight = layer_constant(schedule, of, 1),
                               .bn_weight = layer_constant(schedule, of, 2),
                               .bn_bias = layer_constant(schedule, of, 3),
                               .bn_mean = layer_constant(schedule, of, 4),
                               .bn_variance = layer_constant(schedule, of, 5),
                               .conv2_weight = layer_constant(schedule, of, 6),
                               .conv2_bias = layer_constant(schedule, of, 7),
                               .eps = node_float(first, 0)};
}

static resizing layer_resizing(const node *of) {
  return (resizing){
      of->attribute[0], of->attribute[1], of->attribute[2], {node_float(of, 3), node_float(of, 4)}};
}

/* The operands of a matrix product, with outer axes broadcast to y's. */
static view layer_matrix(view of, const view *y) {
  const layout from = {.view = of};
  int32_t shape[MAX_RANK];
  memcpy(shape, y->shape, sizeof shape);
  shape[y->rank - 2] = of.shape[of.rank - 2];
  shape[y->rank - 1] = of.shape[of.rank - 1];
  view broadcast = layout_broadcast(&from, y->rank, shape).view;
  broadcast.data = of.data;
  return broadcast;
}

static view layer_operand(view of, const view *y) {
  const layout from = {.view = of};
  view broadcast = layout_broadcast(&from, y->rank, y->shape).view;
  broadcast.data = of.data;
  return broadcast;
}

/* A matrix of rows of features. */
static view layer_rows(view of) {
  const int32_t features = of.shape[of.rank - 1];
  const int32_t rows = (int32_t)(view_elements(&of) / (size_t)features);
  return (view){.data = of.data, .rank = 2, .shape = {rows, features}, .stride = {features, 1}};
}

SMALL uint64_t layer_workspace(const dk_context *context, const dk_schedule *schedule, const layer *of) {
  const view x = place_view_of(schedule, of->input[0]), y = place_view_of(schedule, of->output);
  switch (of->op) {
  case DK_OP_CONV2D:
  case DK_OP_DYNAMIC_CONV2D:
    return batch_workspace(context, of->chosen, &of->shape) + (of->form ? 0 : layer_packed_bytes(of));
  case DK_OP_CONV_TRANSPOSE2D: {
    const node *first = layer_node(schedule, of);
    const window how = layer_window(first->attribute, layer_input(schedule, of, 1)->shape + 2);
    return transposed_workspace(context, &how, first->attribute[8], &x, &y);
  }
  case DK_OP_KERNEL_ATTENTION: {
    const attention_constants constants = layer_attention(schedule, of);
    return network_attention_workspace(&constants, &x);
  }
  case DK_OP_MATMUL: {
    const view a = layer_matrix(x, &y), b = layer_matrix(place_view_of(schedule, of->input[1]), &y);
    return matmul_workspace(context, &a, &b, &y);
  }
  case DK_OP_RESIZE: {
    const resizing how = layer_resizing(layer_node(schedule, of));
    return resize_workspace(&how, &x, &y);
  }
  default:
    return 0;
  }
}

SMALL static void layer_reduce(dk_context *context, const dk_schedule *schedule, const layer *of,
                               const view *x, view y) {
  /* Axes that the output lacks get the length 1. */
  const uint32_t axes = (uint32_t)layer_node(schedule, of)->attribute[0];
  int32_t shape[MAX_RANK];
  for (int32_t axis = 0; axis < x->rank; axis++) shape[axis] = axes >> axis & 1 ? 1 : x->shape[axis];
  view kept = layout_contiguous(x->rank, shape).view;
  kept.data = y.data;
  reduce_run(context, of->op, axes, x, &kept);
}

SMALL void layer_compute(dk_context *context, dk_schedule *schedule, const layer *of, void *workspace) {
  const view x = layer_view(schedule, of, 0), y = place_view_of(schedule, of->output);
  const int32_t *attribute = of->op == DK_OP_COPY ? NULL : layer_node(schedule, of)->attribute;
  layer_bind_steps(schedule, of, &y);
  switch (of->op) {
  case DK_OP_COPY:
  case DK_OP_CHANNEL_SHUFFLE:
  case DK_OP_DEPTH_TO_SPACE:
  case DK_OP_SPACE_TO_DEPTH:
    copy_run(context, &x, &y);
    break;
  case DK_OP_CONV2D:
  case DK_OP_DYNAMIC_CONV2D:
    layer_convolve(context, schedule, of, &x, &y, workspace);
    break;
  case DK_OP_KERNEL_ATTENTION: {
    const attention_constants constants = layer_attention(schedule, of);
    network_attention_run(context, &constants, &x, y.data, workspace);
    break;
  }
  case DK_OP_CONV_TRANSPOSE2D: {
    const window how = layer_window(attribute, layer_input(schedule, of, 1)->shape + 2);
    transposed_run(context, &how, attribute[8], &of->form->kernels, fold_takes_bias(of) ? NULL : of->bias,
                   of->steps, &x, &y, workspace);
    break;
  }
  case DK_OP_LINEAR: {
    const view rows = layer_rows(x), out = layer_rows(y);
    linear_run(context, &of->form->kernels, fold_takes_bias(of) ? NULL : of->bias, of->steps, &rows, &out);
    break;
  }
  case DK_OP_MATMUL: {
    const view a = layer_matrix(x, &y), b = layer_matrix(layer_view(schedule, of, 1), &y);
    matmul_run(context, &a, &b, &y, workspace);
    break;
  }
  case DK_OP_SOFTMAX:
    softmax_run(context, attribute[0], &x, &y);
    break;
  case DK_OP_REDUCE_MEAN:
  case DK_OP_REDUCE_SUM:
  case DK_OP_REDUCE_MAX:
    layer_reduce(context, schedule, of, &x, y);
    break;
  case DK_OP_AVERAGE_POOL:
  case DK_OP_MAX_POOL: {
    const window how = layer_window(attribute + 2, attribute);
    window_pool_run(context, of->op, &how, of->op == DK_OP_AVERAGE_POOL && attribute[10], &x, &y);
    break;
  }
  case DK_OP_PAD: {
    const float value = node_float(layer_node(schedule, of), 1);
    pad_run(context, attribute[0], value, attribute + 2, &x, &y);
    break;
  }
  case DK_OP_RESIZE: {
    const resizing how = layer_resizing(layer_node(schedule, of));
    resize_run(context, &how, &x, &y, workspace);
    break;
  }
  case DK_OP_LRN: {
    const node *first = layer_node(schedule, of);
    lrn_run(context, attribute[0], node_float(first, 1), node_float(first, 2), node_float(first, 3), &x, &y);
    break;
  }
  default:
    if (of->steps) {
      /* Steps alone. */
      const view from = layer_planes(of, x), to = layer_planes(of, y);
      chain_run(context, of->steps, &from, &to);
    } else {
      const view a = layer_operand(x, &y), b = layer_operand(layer_view(schedule, of, 1), &y);
      binary_run(context, of->op, &a, &b, &y);
    }
  }
}
