/* A description (dynakernel.h), checked and split into tables. */
#ifndef DK_DESCRIPTION_H
#define DK_DESCRIPTION_H

#include <string.h>

#include "base/sizes.h"
#include "base/view.h"
#include "dynakernel.h"
#include "network/memory.h"

typedef enum value_kind { VALUE_CONSTANT, VALUE_INPUT, VALUE_INNER } value_kind;

typedef struct value {
  value_kind kind;
  int32_t index;  /* among the constants or inputs */
  int32_t node;   /* that makes an inner value */
  int32_t output; /* index among the outputs of the network, or -1 */
  int32_t uses;   /* how many inputs of nodes it is */
  bool kept;
  int32_t rank, shape[MAX_RANK];
} value;

typedef struct node {
  dk_op op;
  int32_t inputs, outputs;
  const int32_t *input, *output; /* indices of values; -1: an optional input is left out */
  const int32_t *attribute;
} node;

/* The inputs of an attention: x, the hidden weight, four parameters of batch norm, then the weight and the
 * bias of each head. */
enum { ATTENTION_HEADS = 6, ATTENTION_INPUTS = 14 };

typedef struct description {
  int32_t values, constants, inputs, outputs, kept, nodes;
  value *value;
  node *node;
  const int32_t *constant, *input, *output, *keep; /* indices of values */
} description;

/* Copies and checks a description. Everything in it is taken from `memory`. Errors: CONFIG, SHAPE, MEMORY. */
dk_status description_read(memory_list *memory, const int32_t *words, size_t count, description *made);

/* Whether the shapes, inputs and attributes of a node fit its op. `attributes` is how many it has. Errors:
 * CONFIG, SHAPE. */
dk_status description_check_node(const description *described, const node *checked, int32_t attributes);

static inline const value *node_input(const description *described, const node *of, int32_t i) {
  return i < of->inputs && of->input[i] >= 0 ? &described->value[of->input[i]] : NULL;
}
static inline const value *node_output(const description *described, const node *of, int32_t i) {
  return &described->value[of->output[i]];
}

/* An attribute that is a float. */
static inline float node_float(const node *of, int32_t i) {
  float number;
  memcpy(&number, &of->attribute[i], sizeof number);
  return number;
}

static inline size_t value_elements(const value *of) {
  size_t elements = 1;
  for (int32_t i = 0; i < of->rank; i++) elements *= (size_t)of->shape[i];
  return elements;
}

static inline bool is_unary(dk_op op) { return op >= DK_OP_RELU && op <= DK_OP_ERF; }
static inline bool is_binary(dk_op op) { return op >= DK_OP_ADD && op <= DK_OP_PRELU; }
static inline bool is_convolution(dk_op op) { return op == DK_OP_CONV2D || op == DK_OP_DYNAMIC_CONV2D; }

#endif
