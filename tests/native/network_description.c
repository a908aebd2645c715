/* See network_description.h. */
#include "network_description.h"

#include <string.h>

size_t described_elements(const described_value *of) {
  size_t elements = 1;
  for (int32_t i = 0; i < of->rank; i++) elements *= (size_t)of->shape[i];
  return elements;
}

static int32_t add_value(described_network *to, int32_t rank, const int32_t *shape) {
  described_value *added = &to->value[to->values];
  *added = (described_value){.rank = rank};
  memcpy(added->shape, shape, sizeof(int32_t) * (size_t)rank);
  return to->values++;
}

static int32_t add_constant(described_network *to, int32_t rank, const int32_t *shape) {
  const int32_t index = add_value(to, rank, shape);
  to->value[index].constant = true;
  return index;
}

/* Adds a node. Its outputs are new values of these shapes. Returns the first. */
static int32_t add_node(described_network *to, dk_op op, int32_t inputs, const int32_t *input,
                        int32_t outputs, const described_value *shapes, int32_t attributes,
                        const int32_t *attribute) {
  int32_t *word = to->word + to->words;
  *word++ = (int32_t)op;
  *word++ = inputs;
  *word++ = outputs;
  *word++ = attributes;
  for (int32_t i = 0; i < inputs; i++) {
    if (input[i] >= 0) to->value[input[i]].uses++;
    *word++ = input[i];
  }
  const int32_t first = to->values;
  for (int32_t i = 0; i < outputs; i++) {
    const int32_t index = add_value(to, shapes[i].rank, shapes[i].shape);
    to->value[index].made = true;
    *word++ = index;
  }
  for (int32_t i = 0; i < attributes; i++) *word++ = attribute[i];
  to->words = (int32_t)(word - to->word);
  to->nodes++;
  return first;
}

static int32_t bits(float number) {
  int32_t word;
  memcpy(&word, &number, sizeof word);
  return word;
}

/* A random value that is no constant, of the rank; -1: none. */
static int32_t pick(random_state *random, const described_network *from, int32_t rank) {
  int32_t found = -1, seen = 0;
  for (int32_t i = 0; i < from->values; i++)
    if (!from->value[i].constant && (rank < 0 || from->value[i].rank == rank) &&
        random_between(random, 0, seen++) == 0)
      found = i;
  return found;
}

/* Another value of the same shape, or a value or a constant that broadcasts to it. */
static int32_t pick_operand(random_state *random, described_network *from, int32_t like) {
  const described_value shape = from->value[like];
  int32_t found = -1, seen = 0;
  for (int32_t i = 0; i < from->values; i++) {
    const described_value *other = &from->value[i];
    bool fits = !other->constant && other->rank == shape.rank;
    for (int32_t axis = 0; fits && axis < shape.rank; axis++)
      fits = other->shape[axis] == shape.shape[axis] || other->shape[axis] == 1;
    if (fits && random_between(random, 0, seen++) == 0) found = i;
  }
  if (found >= 0 && random_between(random, 0, 2)) return found;

  /* A constant that has one element, one for each channel, or all. */
  int32_t lengths[MAX_RANK];
  const int32_t kind = random_between(random, 0, 3);
  for (int32_t axis = 0; axis < shape.rank; axis++)
    lengths[axis] = kind == 3 || (kind == 1 && axis == 1) || (kind == 2 && axis > 0) ? shape.shape[axis] : 1;
  return add_constant(from, shape.rank, lengths);
}

/* Adds an attention of x with these heads. Their outputs follow each other from the value that is returned.
 */
static int32_t add_attention_of(random_state *random, described_network *to, int32_t x,
                                const int32_t head[4]) {
  static const float temperatures[] = {1, 1, 0.5f, 34};
  const int32_t N = to->value[x].shape[0], C = to->value[x].shape[1];
  const int32_t M = random_between(random, 0, 3) ? random_between(random, 1, 5) : 0;
  const bool batch_norm = M && random_between(random, 0, 2);
  described_value made[4];
  int32_t outputs = 0, input[14] = {x, M ? add_constant(to, 2, (int32_t[]){M, C}) : -1};
  for (int32_t i = 2; i < 6; i++) input[i] = batch_norm ? add_constant(to, 1, &M) : -1;
  for (int32_t h = 0; h < 4; h++) {
    int32_t *of_head = input + 6 + 2 * h;
    of_head[0] = head[h] ? add_constant(to, 2, (int32_t[]){head[h], M ? M : C}) : -1;
    of_head[1] = head[h] && random_between(random, 0, 3) ? add_constant(to, 1, &head[h]) : -1;
    if (head[h]) made[outputs++] = (described_value){.rank = 2, .shape = {N, head[h]}};
  }
  const int32_t attribute[] = {bits(1e-5f), bits(temperatures[random_between(random, 0, 3)]),
                               random_between(random, 0, 1)};
  return add_node(to, DK_OP_ATTENTION, 14, input, outputs, made, 3, attribute);
}

/* An attention with any heads, whose outputs other nodes may use. */
static void add_attention(random_state *random, described_network *to) {
  int32_t head[4] = {0};
  head[random_between(random, 0, 3)] = random_between(random, 1, 9);
  for (int32_t h = 0; h < 4; h++)
    if (random_between(random, 0, 1)) head[h] = random_between(random, 1, 9);
  add_attention_of(random, to, pick(random, to, 4), head);
}

/* A dynamic convolution with its attention. Each factor is a head, a constant, or left out; a may be left out
 * only if K is 1. */
static void add_dynamic(random_state *random, described_network *to, int32_t x, const int32_t *kernel,
                        bool biased, const described_value *out, const int32_t *attribute) {
  const int32_t N = to->value[x].shape[0], C = to->value[x].shape[1], K = kernel[0];
  const int32_t length[4] = {K, kernel[1], C, kernel[3] * kernel[4]};
  int32_t head[4] = {0}, factor[4] = {-1, -1, -1, -1};
  for (int32_t h = 0; h < 4; h++) {
    const int32_t kind = h == 0 && K > 1 ? 0 : random_between(random, 0, 3);
    if (kind == 0) head[h] = length[h];
    if (kind == 1) factor[h] = add_constant(to, 2, (int32_t[]){N, length[h]});
  }
  if (head[0] || head[1] || head[2] || head[3]) {
    int32_t next = add_attention_of(random, to, x, head);
    for (int32_t h = 0; h < 4; h++)
      if (head[h]) factor[h] = next++;
  }
  const int32_t weight = add_constant(to, 5, kernel), bias = biased ? add_constant(to, 2, kernel) : -1;
  add_node(to, DK_OP_DYNAMIC_CONV2D, 7,
           (int32_t[]){x, factor[0], weight, bias, factor[1], factor[2], factor[3]}, 1, out, 9, attribute);
}

static void add_convolution(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, 4);
  const described_value in = to->value[x];
  const int32_t C = in.shape[1], N = in.shape[0];
  const int32_t groups[] = {1, 1, C, C % 2 ? 1 : 2}, G = random_of(random, groups, 4);
  const int32_t O = G * random_between(random, 1, G > 2 ? 2 : 10);
  const int32_t R[] = {random_between(random, 1, 3), random_between(random, 1, 3)};
  const int32_t taps[] = {1, 3}, square = random_of(random, taps, 2);
  const bool uniform = random_between(random, 0, 3) > 0;
  const int32_t Rh = uniform ? square : R[0], Rw = uniform ? square : R[1];
  const int32_t stride = random_between(random, 1, 2), padding = Rh / 2 + (Rw > Rh);
  const int32_t attribute[] = {stride, uniform ? stride : 1, padding, padding, padding, padding, 1, 1, G};
  described_value out = {.rank = 4, .shape = {N, O}};
  out.shape[2] = (in.shape[2] + 2 * padding - Rh) / attribute[0] + 1;
  out.shape[3] = (in.shape[3] + 2 * padding - Rw) / attribute[1] + 1;
  const int32_t kind = random_between(random, 0, 3), K = random_between(random, 1, 5);
  const int32_t kernel[] = {K, O, C / G, Rh, Rw};
  const bool biased = random_between(random, 0, 1);
  if (kind == 0) {
    add_dynamic(random, to, x, kernel, biased, &out, attribute);
    return;
  }
  int32_t weight = add_constant(to, 4, kernel + 1);
  if (kind == 1) {
    /* Kernels that are computed: the constant's halves, or one set for each sample. */
    const described_value computed = {.rank = 4, .shape = {O, C / G, Rh, Rw}};
    weight = add_node(to, DK_OP_NEGATE, 1, &weight, 1, &computed, 0, NULL);
    if (random_between(random, 0, 1)) {
      const described_value each = {.rank = 5, .shape = {N, O, C / G, Rh, Rw}};
      weight = add_node(to, DK_OP_EXPAND, 1, &weight, 1, &each, 0, NULL);
    }
  }
  const int32_t bias = biased ? add_constant(to, 1, &O) : -1;
  add_node(to, DK_OP_CONV2D, 3, (int32_t[]){x, weight, bias}, 1, &out, 9, attribute);
}

static void add_transposed(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, 4);
  const described_value in = to->value[x];
  if (in.shape[2] * in.shape[3] > 400) return;
  const int32_t C = in.shape[1], G = C % 2 ? 1 : 2, each = random_between(random, 1, 3);
  const int32_t R = random_between(random, 1, 3), stride = random_between(random, 1, 2);
  const int32_t attribute[] = {stride, stride, 0, R > 1, R > 1, 0, 1, 1, G};
  const int32_t O = each * G;
  described_value out = {.rank = 4, .shape = {in.shape[0], O}};
  for (int32_t i = 0; i < 2; i++) out.shape[2 + i] = (in.shape[2 + i] - 1) * stride + R - (R > 1);
  const int32_t weight = add_constant(to, 4, (int32_t[]){C, each, R, R}), bias = add_constant(to, 1, &O);
  add_node(to, DK_OP_CONV_TRANSPOSE2D, 3, (int32_t[]){x, weight, bias}, 1, &out, 9, attribute);
}

static void add_batch_norm(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, random_between(random, 0, 4) ? 4 : -1);
  const described_value in = to->value[x];
  if (in.rank < 2) return;
  int32_t input[5] = {x};
  for (int32_t i = 1; i < 5; i++) input[i] = add_constant(to, 1, &in.shape[1]);
  const int32_t eps = bits(1e-3f);
  add_node(to, DK_OP_BATCH_NORM, 5, input, 1, &in, 1, &eps);
}

static void add_unary(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, -1);
  /* Without those that grow, or are undefined for some numbers. */
  static const int32_t ops[] = {DK_OP_RELU,         DK_OP_CLIP,       DK_OP_LEAKY_RELU, DK_OP_ELU,
                                DK_OP_HARD_SIGMOID, DK_OP_HARD_SWISH, DK_OP_SIGMOID,    DK_OP_TANH,
                                DK_OP_SILU,         DK_OP_GELU,       DK_OP_GELU_TANH,  DK_OP_NEGATE,
                                DK_OP_ABS,          DK_OP_ERF,        DK_OP_RELU,       DK_OP_RELU};
  const dk_op op = (dk_op)random_of(random, ops, 16);
  const int32_t attribute[] = {bits(op == DK_OP_CLIP ? -0.3f : 0.2f), bits(0.5f)};
  const int32_t count = op == DK_OP_CLIP || op == DK_OP_HARD_SIGMOID ? 2
                        : op == DK_OP_LEAKY_RELU || op == DK_OP_ELU  ? 1
                                                                     : 0;
  add_node(to, op, 1, &x, 1, &to->value[x], count, attribute);
}

static void add_binary(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, random_between(random, 0, 2) ? 4 : -1);
  const described_value out = to->value[x];
  const int32_t other = pick_operand(random, to, x);
  static const int32_t ops[] = {DK_OP_ADD,     DK_OP_SUBTRACT, DK_OP_MULTIPLY,
                                DK_OP_MINIMUM, DK_OP_MAXIMUM,  DK_OP_PRELU};
  const dk_op op = (dk_op)random_of(random, ops, 6);
  const bool swapped = op != DK_OP_PRELU && random_between(random, 0, 1);
  add_node(to, op, 2, swapped ? (int32_t[]){other, x} : (int32_t[]){x, other}, 1, &out, 0, NULL);
}

static void add_sums(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, random_between(random, 0, 2) ? 4 : -1);
  described_value out = to->value[x];
  if (out.rank == 0) return;
  const int32_t axis = random_between(random, 0, out.rank - 1);
  if (random_between(random, 0, 1)) {
    add_node(to, DK_OP_SOFTMAX, 1, &x, 1, &out, 1, &axis);
    return;
  }
  const int32_t axes = out.rank == 4 && random_between(random, 0, 1) ? 12 : 1 << axis;
  for (int32_t i = 0; i < out.rank; i++)
    if (axes >> i & 1) out.shape[i] = 1;
  add_node(to, random_between(random, 0, 1) ? DK_OP_REDUCE_MEAN : DK_OP_REDUCE_MAX, 1, &x, 1, &out, 1, &axes);
}

static void add_pool(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, 4);
  described_value out = to->value[x];
  const int32_t R = random_between(random, 1, 3), stride = random_between(random, 1, 2);
  if (out.shape[2] < R || out.shape[3] < R) return;
  const int32_t attribute[] = {R, R, stride, stride, R / 2, 0, R / 2, 0, 1, 1, random_between(random, 0, 1)};
  out.shape[2] = (out.shape[2] + 2 * (R / 2) - R) / stride + 1;
  out.shape[3] = (out.shape[3] - R) / stride + 1;
  const bool average = random_between(random, 0, 1);
  add_node(to, average ? DK_OP_AVERAGE_POOL : DK_OP_MAX_POOL, 1, &x, 1, &out, average ? 11 : 10, attribute);
}

static void add_concat(random_state *random, described_network *to) {
  const int32_t first = pick(random, to, 4);
  described_value out = to->value[first];
  const int32_t axis = random_between(random, 0, 4) ? 1 : random_between(random, 0, 3);
  int32_t input[4], count = 1;
  input[0] = first;
  for (int32_t i = 0; i < to->values && count < 4; i++) {
    const described_value *other = &to->value[i];
    bool fits = !other->constant && other->rank == 4 && random_between(random, 0, 1);
    for (int32_t k = 0; fits && k < 4; k++) fits = k == axis || other->shape[k] == to->value[first].shape[k];
    if (!fits) continue;
    input[count++] = i;
    out.shape[axis] += other->shape[axis];
  }
  if (described_elements(&out) > 30000) return;
  const int32_t whole = add_node(to, DK_OP_CONCAT, count, input, 1, &out, 1, &axis);
  const int32_t groups = count > 1 && out.shape[1] % 2 == 0 ? 2 : 1;
  if (random_between(random, 0, 1)) add_node(to, DK_OP_CHANNEL_SHUFFLE, 1, &whole, 1, &out, 1, &groups);
}

static void add_split(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, 4),
                axis = random_between(random, 0, 3) ? 1 : random_between(random, 0, 3);
  described_value parts[2] = {to->value[x], to->value[x]};
  const int32_t length = parts[0].shape[axis];
  if (length < 2) return;
  parts[0].shape[axis] = random_between(random, 1, length - 1);
  parts[1].shape[axis] = length - parts[0].shape[axis];
  if (random_between(random, 0, 1)) {
    add_node(to, DK_OP_SPLIT, 1, &x, 2, parts, 1, &axis);
    return;
  }
  /* Or a slice, perhaps backwards. */
  int32_t attribute[8] = {0, 0, 0, 0, 1, 1, 1, 1};
  const bool backwards = random_between(random, 0, 3) == 0;
  attribute[axis] = backwards ? length - 1 : length - parts[0].shape[axis];
  if (backwards) attribute[4 + axis] = -1;
  add_node(to, DK_OP_SLICE, 1, &x, 1, parts, 8, attribute);
}

static void add_rearranged(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, -1), kind = random_between(random, 0, 4);
  const described_value in = to->value[x];
  described_value out = in;
  if (kind == 0 && in.rank == 4) {
    out = (described_value){.rank = 3, .shape = {in.shape[0], in.shape[1], in.shape[2] * in.shape[3]}};
    add_node(to, DK_OP_RESHAPE, 1, &x, 1, &out, 0, NULL);
  } else if (kind == 1 && in.rank >= 2) {
    int32_t order[MAX_RANK];
    for (int32_t i = 0; i < in.rank; i++) order[i] = i;
    const int32_t swapped = random_between(random, 0, in.rank - 2);
    order[swapped] = swapped + 1;
    order[swapped + 1] = swapped;
    for (int32_t i = 0; i < in.rank; i++) out.shape[i] = in.shape[order[i]];
    add_node(to, DK_OP_TRANSPOSE, 1, &x, 1, &out, in.rank, order);
  } else if (kind == 2 && in.rank == 4) {
    const int32_t mode = random_between(random, 0, 2);
    int32_t attribute[6] = {mode, bits(0.5f), 0, 0, random_between(random, -1, 1), 1};
    for (int32_t i = 0; i < 4; i++) out.shape[i] += 2 * attribute[2 + i];
    for (int32_t i = 0; i < 4; i++)
      if (out.shape[i] < 1 || in.shape[i] < 3) return;
    add_node(to, DK_OP_PAD, 1, &x, 1, &out, 6, attribute);
  } else if (kind == 3 && in.rank == 4) {
    const int32_t factor = random_between(random, 1, 2);
    for (int32_t i = 2; i < 4; i++) out.shape[i] *= factor;
    if (described_elements(&out) > 30000) return;
    const int32_t attribute[] = {random_between(random, 0, 1), random_between(random, 0, 3), 0,
                                 bits((float)factor), bits((float)factor)};
    add_node(to, DK_OP_RESIZE, 1, &x, 1, &out, 5, attribute);
  } else if (in.rank == 3) {
    out = (described_value){.rank = 4, .shape = {in.shape[0], in.shape[1], in.shape[2], 1}};
    add_node(to, DK_OP_RESHAPE, 1, &x, 1, &out, 0, NULL);
  } else if (in.rank == 4 && in.shape[1] % 4 == 0) {
    const int32_t attribute[] = {2, random_between(random, 0, 1)};
    out = (described_value){4, {in.shape[0], in.shape[1] / 4, 2 * in.shape[2], 2 * in.shape[3]}, 0, 0, 0};
    add_node(to, DK_OP_DEPTH_TO_SPACE, 1, &x, 1, &out, 2, attribute);
  }
}

static void add_product(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, random_between(random, 0, 1) ? 3 : -1);
  if (x < 0) return;
  const described_value in = to->value[x];
  described_value out = in;
  if (in.rank < 2) return;
  if (random_between(random, 0, 1)) {
    const int32_t O = random_between(random, 1, 12), I = in.shape[in.rank - 1];
    out.shape[in.rank - 1] = O;
    const int32_t weight = add_constant(to, 2, (int32_t[]){O, I}), bias = add_constant(to, 1, &O);
    add_node(to, DK_OP_LINEAR, 3, (int32_t[]){x, weight, bias}, 1, &out, 0, NULL);
    return;
  }
  /* x times its transpose. */
  described_value turned = in;
  int32_t order[MAX_RANK] = {0, 1, 2, 3, 4, 5};
  order[in.rank - 1] = in.rank - 2;
  order[in.rank - 2] = in.rank - 1;
  turned.shape[in.rank - 1] = in.shape[in.rank - 2];
  turned.shape[in.rank - 2] = in.shape[in.rank - 1];
  out.shape[in.rank - 1] = in.shape[in.rank - 2];
  if (described_elements(&out) > 30000) return;
  const int32_t b = add_node(to, DK_OP_TRANSPOSE, 1, &x, 1, &turned, in.rank, order);
  add_node(to, DK_OP_MATMUL, 2, (int32_t[]){x, b}, 1, &out, 0, NULL);
}

/* The value that a resize to the nearest by a factor makes of x. */
static int32_t add_enlarged(described_network *to, int32_t x, int32_t factor) {
  described_value out = to->value[x];
  for (int32_t i = 2; i < 4; i++) out.shape[i] *= factor;
  const int32_t attribute[] = {0, 2, 0, bits((float)factor), bits((float)factor)};
  add_node(to, DK_OP_RESIZE, 1, &x, 1, &out, 5, attribute);
  return to->values - 1;
}

/* A value of x's rank and size made of others, which is a layer of its own. */
static int32_t add_changed(described_network *to, int32_t x) {
  const described_value out = to->value[x];
  add_node(to, DK_OP_SIGMOID, 1, &x, 1, &out, 0, NULL);
  return to->values - 1;
}

/* Operations with values that are enlarged before: one by a factor, and perhaps one by a part of it. */
static void add_enlarged_operands(random_state *random, described_network *to) {
  const int32_t x = pick(random, to, 4), factor = random_between(random, 1, 4);
  described_value out = to->value[x];
  for (int32_t i = 2; i < 4; i++) out.shape[i] *= factor;
  if (described_elements(&out) > 30000) return;
  int32_t sum = add_changed(to, add_enlarged(to, x, factor)), operand[2], operands = 0;
  if (factor == 4 && random_between(random, 0, 2))
    operand[operands++] = add_enlarged(to, add_changed(to, add_enlarged(to, x, 2)), 2);
  operand[operands++] = add_enlarged(to, x, factor);
  for (int32_t i = 0; i < operands; i++) {
    const dk_op op = random_between(random, 0, 3) ? DK_OP_ADD : DK_OP_MULTIPLY;
    const bool swapped = random_between(random, 0, 1);
    add_node(to, op, 2, swapped ? (int32_t[]){operand[i], sum} : (int32_t[]){sum, operand[i]}, 1, &out, 0,
             NULL);
    sum = to->values - 1;
  }
}

/* Concatenations of which each has the parts of the one before first. */
static void add_dense(random_state *random, described_network *to) {
  int32_t part[4] = {pick(random, to, 4)};
  const int32_t axis = random_between(random, 0, 3) ? 1 : random_between(random, 0, 3);
  described_value whole = to->value[part[0]];
  for (int32_t count = 2; count <= random_between(random, 2, 4); count++) {
    const described_value *added = &to->value[part[0]];
    part[count - 1] = add_changed(to, part[count - 2]);
    whole.shape[axis] += added->shape[axis];
    if (described_elements(&whole) > 30000) return;
    add_node(to, DK_OP_CONCAT, count, part, 1, &whole, 1, &axis);
    add_changed(to, to->values - 1);
  }
}

void describe_random(random_state *random, described_network *made) {
  *made = (described_network){0};
  const int32_t N = random_between(random, 1, 2), C = random_between(random, 1, 12);
  const int32_t sides[] = {1, 2, 5, 8, 13, 16}, H = random_of(random, sides, 6),
                W = random_of(random, sides, 6);
  add_value(made, 4, (int32_t[]){N, C, H, W});
  if (random_between(random, 0, 2) == 0) add_value(made, 4, (int32_t[]){N, C, H, W});
  static void (*const add[])(random_state *, described_network *) = {add_convolution, add_convolution,
                                                                     add_convolution, add_batch_norm,
                                                                     add_batch_norm,  add_unary,
                                                                     add_unary,       add_unary,
                                                                     add_binary,      add_binary,
                                                                     add_binary,      add_sums,
                                                                     add_pool,        add_concat,
                                                                     add_concat,      add_split,
                                                                     add_rearranged,  add_rearranged,
                                                                     add_product,     add_transposed,
                                                                     add_attention,   add_enlarged_operands,
                                                                     add_dense};
  const int32_t steps = random_between(random, 2, 24);
  for (int32_t i = 0; i < steps || made->nodes == 0; i++)
    add[random_between(random, 0, (int32_t)(sizeof add / sizeof *add) - 1)](random, made);

  /* What nothing uses is an output, and now and then what something uses too. */
  for (int32_t i = 0; i < made->values; i++)
    if (made->value[i].made && (made->value[i].uses == 0 || random_between(random, 0, 9) == 0))
      made->output[made->outputs++] = i;
}

int32_t describe_words(const described_network *described, bool keep, int32_t *words) {
  int32_t *word = words + 7, count[4] = {0};
  for (int32_t i = 0; i < described->values; i++) {
    *word++ = described->value[i].rank;
    for (int32_t axis = 0; axis < described->value[i].rank; axis++) *word++ = described->value[i].shape[axis];
  }
  for (int32_t list = 0; list < 4; list++)
    for (int32_t i = 0; i < (list == 2 ? described->outputs : described->values); i++) {
      const int32_t index = list == 2 ? described->output[i] : i;
      const described_value *of = &described->value[index];
      const bool listed = list == 0   ? of->constant
                          : list == 1 ? !of->constant && !of->made
                          : list == 2 ? true
                                      : keep && of->made;
      if (!listed) continue;
      *word++ = index;
      count[list]++;
    }
  memcpy(word, described->word, sizeof(int32_t) * (size_t)described->words);
  word += described->words;
  memcpy(words,
         (int32_t[]){DK_DESCRIPTION, described->values, count[0], count[1], count[2], count[3],
                     described->nodes},
         7 * sizeof(int32_t));
  return (int32_t)(word - words);
}
