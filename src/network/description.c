/* Reads the words of a description. Nothing in them is trusted: each count is compared with the words that
 * are left, and each index with the table that it points into. */
#include "network/description.h"

#include "base/attributes.h"

SMALL_FILE

enum { HEAD = 7 }; /* words before the values */

/* The words that are still to be read. */
typedef struct word_reader {
  const int32_t *at, *end;
} word_reader;

/* Returns the next `count` words, or NULL if there are not so many. */
static const int32_t *description_take(word_reader *reader, int32_t count) {
  if (count < 0 || count > reader->end - reader->at) return NULL;
  const int32_t *words = reader->at;
  reader->at += count;
  return words;
}

/* Whether all of these are indices of values. With `optional`, -1 is allowed too. */
static bool description_are_values(const description *described, const int32_t *indices, int32_t count,
                                   bool optional) {
  for (int32_t i = 0; i < count; i++)
    if (indices[i] >= described->values || indices[i] < (optional ? -1 : 0)) return false;
  return true;
}

/* Reads the shape of each value. */
static dk_status description_read_values(description *made, word_reader *reader) {
  for (int32_t i = 0; i < made->values; i++) {
    value *read = &made->value[i];
    const int32_t *rank = description_take(reader, 1);
    if (!rank || *rank < 0 || *rank > MAX_RANK) return DK_ERROR_CONFIG;
    const int32_t *shape = description_take(reader, *rank);
    if (!shape) return DK_ERROR_CONFIG;

    /* A tensor has at most MAX_ELEMENTS elements. */
    int64_t elements = 1;
    for (int32_t axis = 0; axis < *rank; axis++) {
      if (shape[axis] < 1) return DK_ERROR_SHAPE;
      elements *= shape[axis];
      if (elements > MAX_ELEMENTS) return DK_ERROR_SHAPE;
      read->shape[axis] = shape[axis];
    }
    read->rank = *rank;
    read->kind = VALUE_INNER;
    read->node = read->output = -1;
  }
  return DK_OK;
}

/* Reads the lists of constants, inputs, outputs and kept values. A value is a constant or an input at most
 * once, and at most one output. */
static dk_status description_read_lists(description *made, word_reader *reader) {
  made->constant = description_take(reader, made->constants);
  made->input = description_take(reader, made->inputs);
  made->output = description_take(reader, made->outputs);
  made->keep = description_take(reader, made->kept);
  if (!made->constant || !made->input || !made->output || !made->keep) return DK_ERROR_CONFIG;
  if (!description_are_values(made, made->constant, made->constants, false) ||
      !description_are_values(made, made->input, made->inputs, false) ||
      !description_are_values(made, made->output, made->outputs, false) ||
      !description_are_values(made, made->keep, made->kept, false))
    return DK_ERROR_CONFIG;

  for (int32_t i = 0; i < made->constants + made->inputs; i++) {
    const bool constant = i < made->constants;
    value *listed = &made->value[constant ? made->constant[i] : made->input[i - made->constants]];
    if (listed->kind != VALUE_INNER) return DK_ERROR_CONFIG;
    listed->kind = constant ? VALUE_CONSTANT : VALUE_INPUT;
    listed->index = constant ? i : i - made->constants;
  }
  for (int32_t i = 0; i < made->outputs; i++) {
    value *listed = &made->value[made->output[i]];
    if (listed->kind != VALUE_INNER || listed->output >= 0) return DK_ERROR_CONFIG;
    listed->output = i;
  }
  for (int32_t i = 0; i < made->kept; i++) {
    value *listed = &made->value[made->keep[i]];
    if (listed->kind != VALUE_INNER) return DK_ERROR_CONFIG;
    listed->kept = true;
  }
  return DK_OK;
}

/* Reads a node. Its inputs are constants, inputs, or made by nodes before it. */
static dk_status description_read_node(description *made, word_reader *reader, int32_t index) {
  const int32_t *head = description_take(reader, 4);
  if (!head) return DK_ERROR_CONFIG;
  node *read = &made->node[index];
  *read = (node){.op = (dk_op)head[0],
                 .inputs = head[1],
                 .outputs = head[2],
                 .input = description_take(reader, head[1]),
                 .output = description_take(reader, head[2]),
                 .attribute = description_take(reader, head[3])};
  if (!read->input || !read->output || !read->attribute || head[0] <= DK_OP_COPY || head[0] > DK_OP_LRN)
    return DK_ERROR_CONFIG;
  if (!description_are_values(made, read->input, read->inputs, true) ||
      !description_are_values(made, read->output, read->outputs, false))
    return DK_ERROR_CONFIG;

  for (int32_t i = 0; i < read->inputs; i++) {
    if (read->input[i] < 0) continue;
    value *used = &made->value[read->input[i]];
    if (used->kind == VALUE_INNER && used->node < 0) return DK_ERROR_CONFIG;
    used->uses++;
  }
  for (int32_t i = 0; i < read->outputs; i++) {
    value *written = &made->value[read->output[i]];
    if (written->kind != VALUE_INNER || written->node >= 0) return DK_ERROR_CONFIG;
    written->node = index;
  }
  return description_check_node(made, read, head[3]);
}

dk_status description_read(memory_list *memory, const int32_t *words, size_t count, description *made) {
  if (count < HEAD || count > MAX_ELEMENTS || words[0] != DK_DESCRIPTION) return DK_ERROR_CONFIG;
  *made = (description){words[1], words[2], words[3], words[4], words[5], words[6],
                        NULL,     NULL,     NULL,     NULL,     NULL,     NULL};

  /* Each value and node takes a word or more: larger counts would only claim memory. */
  const size_t left = count - HEAD;
  for (int32_t i = 1; i < HEAD; i++)
    if (words[i] < 0 || (size_t)words[i] > left) return DK_ERROR_CONFIG;
  if (made->inputs < 1 || made->outputs < 1 || made->nodes < 1) return DK_ERROR_CONFIG;

  /* The tables point into a copy of the words. */
  int32_t *copy = memory_take(memory, left, sizeof(int32_t));
  made->value = memory_take(memory, (size_t)made->values, sizeof(value));
  made->node = memory_take(memory, (size_t)made->nodes, sizeof(node));
  if (memory->failed) return DK_ERROR_MEMORY;
  memcpy(copy, words + HEAD, left * sizeof(int32_t));
  word_reader reader = {copy, copy + left};
  dk_status status = description_read_values(made, &reader);
  if (!status) status = description_read_lists(made, &reader);
  for (int32_t i = 0; !status && i < made->nodes; i++) status = description_read_node(made, &reader, i);
  if (!status && reader.at != reader.end) status = DK_ERROR_CONFIG;

  /* A node makes each output and each kept value. */
  for (int32_t i = 0; !status && i < made->values; i++) {
    const value *read = &made->value[i];
    if ((read->output >= 0 || read->kept) && read->node < 0) status = DK_ERROR_CONFIG;
  }
  return status;
}

SMALL_FILE_END
