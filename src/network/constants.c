#include "network/constants.h"

#include "base/attributes.h"
#include "network/layers/layers.h"

SMALL_FILE

/* Packed kernels [K, O, C/G, Rh, Rw]; the first of `dimensions` lengths is K or O. */
static bool constant_pack_layout(const int32_t *lengths, int32_t dimensions, bool several,
                                 constant_form *form) {
  const int32_t K = several ? *lengths++ : 1, O = *lengths++;
  dimensions -= 1 + several;
  const int32_t C = *lengths * form->G;
  uint64_t taps = 1;
  for (int32_t i = 1; i < dimensions; i++) taps *= (uint32_t)lengths[i];
  form->kind = FORM_PACKED;
  form->C = C;
  return kernels_layout(K, O, form->G, (uint32_t)lengths[0], taps, C == form->G, &form->kernels);
}

dk_status constant_form_needed(const description *described, const node *user, int32_t input,
                               constant_form *form) {
  const value *used = node_input(described, user, input);
  *form = (constant_form){.kind = FORM_PLAIN, .G = 1};
  bool fits = true;
  if (user->op == DK_OP_CONV_TRANSPOSE2D && input == 1) {
    form->kind = FORM_TRANSPOSED;
    form->C = used->shape[0];
    form->G = user->attribute[8];
    fits = transposed_layout(form->C, used->shape[1] * form->G, form->G, used->shape[2], used->shape[3],
                             &form->kernels);
  } else if (user->op == DK_OP_DYNAMIC_CONV2D && input == 2) {
    form->G = user->attribute[8];
    fits = constant_pack_layout(used->shape, used->rank, true, form);
  } else if ((user->op == DK_OP_CONV2D && input == 1 && used->rank == 4) ||
             (user->op == DK_OP_LINEAR && input == 1)) {
    /* A weight that has kernels for each sample is packed at each run. */
    if (user->op == DK_OP_CONV2D) form->G = user->attribute[8];
    fits = constant_pack_layout(used->shape, used->rank, false, form);
  }
  return fits ? DK_OK : DK_ERROR_SHAPE;
}

constant_form *constant_find(const constant *searched, const constant_form *needed) {
  for (constant_form *form = searched->forms; form; form = form->next) {
    const packed_kernels *own = &form->kernels, *other = &needed->kernels;
    if (form->kind == needed->kind && form->C == needed->C && form->G == needed->G && own->K == other->K &&
        own->O == other->O && own->depth == other->depth)
      return form;
  }
  return NULL;
}

static size_t constant_elements(const constant *of) {
  size_t elements = 1;
  for (int32_t i = 0; i < of->rank; i++) elements *= (size_t)of->shape[i];
  return elements;
}

dk_status constant_add(dk_network *network, constant *changed, const constant_form *needed) {
  if (constant_find(changed, needed)) return DK_OK;
  constant_form *form = memory_take(&network->memory, 1, sizeof *form);
  if (!form) return DK_ERROR_MEMORY;
  *form = *needed;
  packed_kernels *kernels = &form->kernels;
  if (form->kind == FORM_PLAIN)
    form->plain = memory_take(&network->memory, constant_elements(changed), sizeof(float));
  else
    kernels->data = memory_take(&network->memory, (size_t)kernels->blocks * kernels->K * kernels->depth,
                                LANES * sizeof(float));
  form->next = changed->forms;
  changed->forms = form;
  return network->memory.failed ? DK_ERROR_MEMORY : DK_OK;
}

/* Elements of a form that lie at equal distances. */
typedef struct element_run {
  float *first;
  size_t count, distance;
} element_run;

/* The run that begins with an element. It has `most` elements at most. */
static element_run constant_run(const constant_form *form, size_t index, size_t most) {
  const packed_kernels *kernels = &form->kernels;
  if (form->kind == FORM_PLAIN) return (element_run){form->plain + index, most, 1};
  if (form->kind == FORM_TRANSPOSED)
    return (element_run){transposed_element(kernels, form->C, form->G, index), 1, 1};

  /* The rest of an output channel of a single kernel, or one weight of several. */
  const size_t depth = (size_t)kernels->depth, channel = index / depth, O = (size_t)kernels->O;
  const size_t left = kernels->K == 1 ? depth - index % depth : 1;
  float *first = kernels->data + kernels_index(kernels, (int32_t)(channel / O), (int32_t)(channel % O),
                                               (int32_t)(index % depth));
  return (element_run){first, left < most ? left : most, LANES};
}

static bool constant_has(const dk_network *network, int32_t index, size_t first, size_t count) {
  if (index < 0 || index >= network->constants) return false;
  const size_t elements = constant_elements(&network->constant[index]);
  return first <= elements && count <= elements - first;
}

dk_status dk_network_write(dk_network *network, int32_t index, size_t first, size_t count,
                           const float *elements) {
  DK_ASSERT(network && elements);
  if (!constant_has(network, index, first, count)) return DK_ERROR_CONFIG;
  for (const constant_form *form = network->constant[index].forms; form; form = form->next)
    for (size_t done = 0; done < count;) {
      const element_run run = constant_run(form, first + done, count - done);
      for (size_t i = 0; i < run.count; i++) run.first[i * run.distance] = elements[done++];
    }
  network->version++;
  return DK_OK;
}

dk_status dk_network_read(const dk_network *network, int32_t index, size_t first, size_t count,
                          float *elements) {
  DK_ASSERT(network && elements);
  if (!constant_has(network, index, first, count)) return DK_ERROR_CONFIG;
  const constant_form *form = network->constant[index].forms;
  for (size_t done = 0; done < count;) {
    const element_run run = constant_run(form, first + done, count - done);
    for (size_t i = 0; i < run.count; i++) elements[done++] = run.first[i * run.distance];
  }
  return DK_OK;
}

/* Adds the forms that the nodes need. A constant that no node uses is plain. */
static dk_status network_add_forms(dk_network *network, const description *described) {
  constant_form form;
  for (int32_t i = 0; i < described->nodes; i++) {
    const node *user = &described->node[i];
    for (int32_t input = 0; input < user->inputs; input++) {
      const value *used = node_input(described, user, input);
      if (!used || used->kind != VALUE_CONSTANT) continue;
      dk_status status = constant_form_needed(described, user, input, &form);
      if (!status) status = constant_add(network, &network->constant[used->index], &form);
      if (status) return status;
    }
  }
  form = (constant_form){.kind = FORM_PLAIN, .G = 1};
  for (int32_t i = 0; i < network->constants; i++)
    if (!network->constant[i].forms && constant_add(network, &network->constant[i], &form))
      return DK_ERROR_MEMORY;
  return DK_OK;
}

dk_status dk_network_create(const int32_t *words, size_t count, dk_network **network) {
  DK_ASSERT(words && network);
  *network = NULL;
  memory_list memory = {0};
  description described;
  dk_network *made = NULL;
  dk_status status = description_read(&memory, words, count, &described);
  if (!status) {
    made = dk_alloc(sizeof *made);
    if (made) *made = (dk_network){.constants = described.constants, .version = 1};
    if (made) made->constant = memory_take(&made->memory, (size_t)described.constants, sizeof(constant));
    if (!made || made->memory.failed) status = DK_ERROR_MEMORY;
  }
  for (int32_t i = 0; !status && i < described.constants; i++) {
    const value *listed = &described.value[described.constant[i]];
    made->constant[i].rank = listed->rank;
    memcpy(made->constant[i].shape, listed->shape, sizeof listed->shape);
  }
  if (!status) status = network_add_forms(made, &described);
  memory_free_all(&memory);
  if (status)
    dk_network_destroy(made);
  else
    *network = made;
  return status;
}

void dk_network_destroy(dk_network *network) {
  if (!network) return;
  memory_free_all(&network->memory);
  dk_free(network->arena);
  dk_free(network);
}

size_t dk_network_bytes(const dk_network *network) { return network->memory.bytes + network->arena_bytes; }

dk_status network_reserve(dk_network *network, size_t bytes) {
  if (bytes <= network->arena_bytes) return DK_OK;

  float *arena = dk_alloc(bytes);
  if (!arena) return DK_ERROR_MEMORY;

  /* Kept values of the latest run stay readable. */
  if (network->arena) memcpy(arena, network->arena, network->arena_bytes);
  dk_free(network->arena);
  network->arena = arena;
  network->arena_bytes = bytes;
  return DK_OK;
}

prepared_kernels *constant_prepared(dk_network *network, constant_form *form, const algorithm *chosen,
                                    const geometry *shape) {
  const uint64_t bytes = convolution_prepared_bytes(chosen, shape);
  if (bytes == 0) return NULL;

  /* The form has one set of channels. Transformed kernels do not depend on the size of images. */
  for (prepared_kernels *found = form->prepared; found; found = found->next)
    if (found->chosen == chosen && found->bytes == bytes) return found;

  /* Without the memory they are transformed at each run. That is no failure of the network. */
  prepared_kernels *made = memory_take(&network->memory, 1, sizeof *made);
  void *data = made ? memory_take(&network->memory, (size_t)bytes, 1) : NULL;
  network->memory.failed = false;
  if (!data) return NULL;
  made->data = data;
  made->chosen = chosen;
  made->bytes = bytes;
  made->shape = *shape;
  made->next = form->prepared;
  form->prepared = made;
  return made;
}

void constant_prepare(const dk_network *network, const constant_form *form, prepared_kernels *prepared) {
  if (prepared->version == network->version) return;
  convolution_prepare(prepared->chosen, &prepared->shape, &form->kernels, prepared->data);
  prepared->version = network->version;
}

SMALL_FILE_END
