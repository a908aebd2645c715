/* Chooses the algorithm of each convolution, finds its kernels, and estimates what a layer costs. */
#include "base/attributes.h"
#include "network/schedule.h"

SMALL_FILE

/* Moving an element takes about as long as ten multiply-adds. */
static const float MOVE_COST = 10;

/* The kernels of a layer, as the network keeps them; NULL if they are computed. */
static constant_form *plan_form(const dk_schedule *schedule, const node *user, int32_t input) {
  const value *weight = node_input(&schedule->described, user, input);
  constant_form needed;
  if (weight->kind != VALUE_CONSTANT || constant_form_needed(&schedule->described, user, input, &needed) ||
      needed.kind == FORM_PLAIN)
    return NULL;
  return constant_find(&schedule->network->constant[weight->index], &needed);
}

static void plan_convolution_layer(dk_schedule *schedule, layer *planned, const node *first) {
  const bool dynamic = planned->op == DK_OP_DYNAMIC_CONV2D;
  const int32_t input = dynamic ? 2 : 1, *attribute = first->attribute;
  const value *x = node_input(&schedule->described, first, 0);
  const value *y = node_output(&schedule->described, first, 0);
  const value *weight = node_input(&schedule->described, first, input);
  const int32_t *kernel = weight->shape + weight->rank - 2;
  const bool each = !dynamic && weight->rank == 5; /* kernels of its own for each sample */
  geometry *shape = &planned->shape;
  *shape = (geometry){.N = each ? 1 : x->shape[0],
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
  planned->chosen = plan_convolution(shape, DK_ALGORITHM_AUTO);
  planned->form = plan_form(schedule, first, input);
  planned->bias_input = input + 1;
  if (!dynamic && planned->form)
    planned->prepared = constant_prepared(schedule->network, planned->form, planned->chosen, shape);
  planned->multiply_adds =
      (float)value_elements(y) * (float)(shape->C / shape->G) * (float)shape->Rh * (float)shape->Rw;
}

void schedule_plan_layer(dk_schedule *schedule, layer *planned) {
  const node *first = &schedule->described.node[planned->first_node];
  const value *x = node_input(&schedule->described, first, 0);
  const value *second = node_input(&schedule->described, first, 1);
  const float elements = (float)value_elements(x);
  if (is_convolution(planned->op)) {
    plan_convolution_layer(schedule, planned, first);
  } else if (planned->op == DK_OP_CONV_TRANSPOSE2D || planned->op == DK_OP_LINEAR) {
    /* Each element of x is multiplied by all weights of its channel or feature. */
    planned->form = plan_form(schedule, first, 1);
    planned->bias_input = 2;
    planned->multiply_adds =
        elements * (float)value_elements(second) / (float)second->shape[planned->op == DK_OP_LINEAR ? 1 : 0];
  } else if (planned->op == DK_OP_MATMUL) {
    planned->multiply_adds =
        (float)value_elements(node_output(&schedule->described, first, 0)) * (float)x->shape[x->rank - 1];
  } else if (planned->op == DK_OP_ATTENTION) {
    /* Each sample is multiplied by all weights: those of the hidden layer and of the heads. */
    float weights = second ? (float)value_elements(second) : 0;
    for (int32_t input = ATTENTION_HEADS; input < ATTENTION_INPUTS; input += 2) {
      const value *weight = node_input(&schedule->described, first, input);
      if (weight) weights += (float)value_elements(weight);
    }
    planned->multiply_adds = (float)x->shape[0] * weights;
  }
  planned->cost = planned->multiply_adds +
                  MOVE_COST * (float)view_elements(&schedule->place[planned->output[0]].layout.view);
}

SMALL_FILE_END
