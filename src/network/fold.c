/* What follows from the constants alone: one scale and one shift of each channel for batch norm and its like,
 * and transformed kernels. It is computed again when constants have been written. */
#include "network/fold.h"

#include <math.h>

#include "base/attributes.h"

SMALL_FILE

static const float *fold_constant(const dk_schedule *schedule, int32_t index) {
  return schedule->root[schedule->place[index].root];
}

/* One channel's scale and shift. */
typedef struct affine {
  double scale, shift;
} affine;

/* The affine function, then that of a node. */
static affine fold_node(const dk_schedule *schedule, const node *folded, int32_t c, affine before) {
  if (folded->op == DK_OP_BATCH_NORM) {
    const float *const parameter[] = {
        fold_constant(schedule, folded->input[1]), fold_constant(schedule, folded->input[2]),
        fold_constant(schedule, folded->input[3]), fold_constant(schedule, folded->input[4])};
    const double gain = parameter[0][c] / sqrt((double)parameter[3][c] + node_float(folded, 0));
    return (affine){before.scale * gain, (before.shift - parameter[2][c]) * gain + parameter[1][c]};
  }
  /* An operation with a constant, which has one element or one for each channel. */
  const bool reversed = schedule->described.value[folded->input[0]].kind == VALUE_CONSTANT;
  const int32_t index = folded->input[reversed ? 0 : 1];
  const value *of = &schedule->described.value[index];
  const double number = fold_constant(schedule, index)[value_elements(of) == 1 ? 0 : c];
  switch (folded->op) {
  case DK_OP_ADD:
    return (affine){before.scale, before.shift + number};
  case DK_OP_SUBTRACT:
    if (reversed) return (affine){-before.scale, number - before.shift};
    return (affine){before.scale, before.shift - number};
  case DK_OP_MULTIPLY:
    return (affine){before.scale * number, before.shift * number};
  default:
    return (affine){before.scale / number, before.shift / number};
  }
}

/* The layer's bias if it is a constant. */
static const float *fold_bias(const dk_schedule *schedule, const layer *of) {
  const node *first = &schedule->described.node[of->first_node];
  const value *bias = of->bias_input ? node_input(&schedule->described, first, of->bias_input) : NULL;
  return bias && bias->kind == VALUE_CONSTANT ? fold_constant(schedule, first->input[of->bias_input]) : NULL;
}

bool fold_takes_bias(const dk_schedule *schedule, const layer *of) {
  return of->op != DK_OP_DYNAMIC_CONV2D && of->steps && of->steps->count > 0 &&
         of->steps->step[0].op == DK_OP_BATCH_NORM && fold_bias(schedule, of);
}

static void fold_layer(const dk_schedule *schedule, const layer *folded) {
  for (int32_t i = 0; folded->steps && i < folded->steps->count; i++) {
    const epilogue_step *step = &folded->steps->step[i];
    if (step->op != DK_OP_BATCH_NORM) continue;
    float *scale = folded->step_scale[i], *shift = folded->step_shift[i];
    const float *bias = i == 0 && fold_takes_bias(schedule, folded) ? fold_bias(schedule, folded) : NULL;
    for (int32_t c = 0; c < folded->channels; c++) {
      affine sum = {1, bias ? bias[c] : 0};
      for (int32_t chain = 0; chain < folded->chain_length; chain++)
        if (folded->chain_step[chain] == i)
          sum = fold_node(schedule, &schedule->described.node[folded->chain[chain]], c, sum);
      scale[c] = (float)sum.scale;
      shift[c] = (float)sum.shift;
    }
  }
}

void fold_constants(dk_schedule *schedule) {
  if (schedule->version == schedule->network->version) return;
  for (int32_t i = 0; i < schedule->layers; i++) {
    const layer *folded = schedule->layer[i];
    fold_layer(schedule, folded);
    if (folded->prepared) constant_prepare(schedule->network, folded->form, folded->prepared);
  }
  schedule->version = schedule->network->version;
}

SMALL_FILE_END
