/* The constants of a network. Kernels of convolutions are kept only in the packed order in which convolutions
 * read them; other constants as they are. A constant that is used in several ways is kept in each of them. */
#ifndef DK_CONSTANTS_H
#define DK_CONSTANTS_H

#include "convolution/convolution.h"
#include "network/description.h"

/* How the node that uses a constant needs it. */
typedef enum form_kind {
  FORM_PLAIN,      /* row by row */
  FORM_PACKED,     /* kernels [K, O, C/G, Rh, Rw] (convolution/mixing.h) */
  FORM_TRANSPOSED, /* kernels of a transposed convolution (network/layers/layers.h) */
} form_kind;

/* Kernels that an algorithm has transformed in advance. */
typedef struct prepared_kernels {
  struct prepared_kernels *next;
  const algorithm *chosen;
  geometry shape;
  void *data;
  uint64_t bytes;
  uint32_t version; /* of the network, at the time when they were computed */
} prepared_kernels;

typedef struct constant_form {
  struct constant_form *next;
  form_kind kind;
  int32_t C, G;           /* of the convolution */
  packed_kernels kernels; /* FORM_PACKED and FORM_TRANSPOSED */
  float *plain;           /* FORM_PLAIN */
  prepared_kernels *prepared;
} constant_form;

typedef struct constant {
  int32_t rank, shape[MAX_RANK];
  constant_form *forms; /* at least one */
} constant;

struct dk_network {
  memory_list memory;
  int32_t constants;
  constant *constant;
  uint32_t version; /* counts the writes */

  /* The inner values, shared by all schedules. */
  float *arena;
  size_t arena_bytes;
};

/* The form that input `input` of a node needs of a constant, without its data. Errors: SHAPE. */
dk_status constant_form_needed(const description *described, const node *user, int32_t input,
                               constant_form *form);

/* Returns the constant's form of that kind and layout, or NULL. */
constant_form *constant_find(const constant *searched, const constant_form *needed);

/* Adds the form unless the constant has it. Its elements are zero. Errors: MEMORY. */
dk_status constant_add(dk_network *network, constant *changed, const constant_form *needed);

/* Returns the kernels that the algorithm transforms in advance, which are computed by constant_prepare; NULL
 * if there are none, or if memory is short. */
prepared_kernels *constant_prepared(dk_network *network, constant_form *form, const algorithm *chosen,
                                    const geometry *shape);

/* Transforms the kernels again if the constants have changed since the last time. */
void constant_prepare(const dk_network *network, const constant_form *form, prepared_kernels *prepared);

/* Makes room for inner values, and keeps those that are there. Errors: MEMORY. */
dk_status network_reserve(dk_network *network, size_t bytes);

#endif
