/* A schedule: the layers of a network for one set of input sizes, and the places of all values. It is made in
 * four steps: fuse.c joins nodes to layers, place.c says where values lie, waves.c orders layers, arena.c
 * shares memory among values that do not live at the same time. Then fold.c and run.c compute. */
#ifndef DK_SCHEDULE_H
#define DK_SCHEDULE_H

#include "network/constants.h"
#include "network/layers/layers.h"
#include "network/views.h"

/* ------------------------------------------------------------------------------- fuse.c */

enum { LAYER_INPUTS = 7, LAYER_OUTPUTS = 4, MAX_CHAIN = 12 };

/* How a layer's output is divided into planes (n, c) of pixels, for its steps. */
typedef enum step_planes {
  BY_CHANNEL, /* [N, C, pixels]; a matrix counts as [1, rows, columns], a vector as [1, 1, elements] */
  BY_FEATURE, /* [rows, features, 1]: the last axis is c */
} step_planes;

typedef struct layer {
  dk_op op; /* of the first node; COPY: a copy */
  int32_t first_node, last_node;
  int32_t input[LAYER_INPUTS];   /* places; -1: none */
  int32_t output[LAYER_OUTPUTS]; /* places; -1: none. Only an attention has several */
  int32_t output_value;          /* the value that the layer writes, of several the first */
  int32_t wave;                  /* see waves.c */
  float multiply_adds;
  float cost; /* about how long it takes, in multiply-adds */

  /* The nodes that are fused into the layer, and the step that each belongs to. */
  step_planes planes;
  int32_t chain_length;
  int32_t chain[MAX_CHAIN], chain_step[MAX_CHAIN];
  epilogue *steps;               /* NULL if there are none */
  int32_t step_value[MAX_STEPS]; /* the value of each operand; -1: none */
  int32_t step_place[MAX_STEPS];
  int32_t channels; /* of a scale and a shift */
  float *step_scale[MAX_STEPS], *step_shift[MAX_STEPS];

  /* Of convolutions, transposed ones and linear layers. */
  geometry shape;
  const algorithm *chosen;
  constant_form *form; /* of the kernels; NULL if they are computed */
  prepared_kernels *prepared;
  int32_t bias_input; /* the input of the first node that is the bias; 0: it has none */
} layer;

/* Whether a node makes no layer of its own if its output can be a view of its input. */
bool is_view(dk_op op);

/* How a resize node resizes. */
static inline resizing resize_of_node(const node *of) {
  return (resizing){
      of->attribute[0], of->attribute[1], of->attribute[2], {node_float(of, 3), node_float(of, 4)}};
}

/* Joins nodes to layers. layer_ending[i] is the layer whose last node is node i, or NULL; nodes that make no
 * layer (views and concat) have none. Errors: MEMORY. */
dk_status fuse_nodes(memory_list *memory, const description *described, layer **layer_ending);

/* ------------------------------------------------------------------------------ place.c */

/* Memory that is no part of the arena: inputs, then outputs, then constants. */
typedef struct place {
  int32_t storage; /* index of a storage of the arena, or -1 */
  int32_t root;    /* otherwise: an index of dk_schedule's roots */
  layout layout;
} place;

/* A part of the arena. */
typedef struct storage {
  int32_t floats;
  int32_t first, last; /* the waves that use it first and last */
  int32_t pending;     /* while places are given: the reads that are still to come */
  size_t offset;       /* in floats */
} storage;

struct dk_schedule {
  dk_network *network;
  memory_list memory;
  description described;
  int32_t layers, places, storages;
  layer **layer; /* in the order of execution */
  place *place;  /* those of the values, then those of copies */
  storage *storage;
  size_t arena_floats;
  float **root;              /* the memory of inputs, outputs and constants */
  uint32_t version;          /* of the network, when what depends on constants was computed */
  int32_t workspace_threads; /* for which workspace was computed */
  uint64_t workspace;
  double cost;             /* of all layers */
  size_t thread_workspace; /* of a thread that computes a layer alone */
};

/* Gives each value a place, and writes the list of layers with the copies that are needed. Errors: MEMORY. */
dk_status place_values(dk_schedule *schedule, layer **layer_ending);

/* ------------------------------------------------------------------------------ waves.c */

/* Orders the layers by waves, and writes when each storage is in use. Errors: MEMORY. */
dk_status waves_order(dk_schedule *schedule);

/* ------------------------------------------------------------------------------ arena.c */

/* Writes the offsets of the storages and the size of the arena. */
dk_status arena_assign(dk_schedule *schedule);

/* ------------------------------------------------------------------------- plan_layer.c */

/* Chooses the algorithm of a convolution, and counts multiply-adds. */
void schedule_plan_layer(dk_schedule *schedule, layer *planned);

/* ---------------------------------------------------------------------------- compute.c */

/* The workspace that a layer needs, in bytes. */
uint64_t layer_workspace(dk_context *context, const dk_schedule *schedule, const layer *of);

/* Computes a layer. workspace: layer_workspace bytes, aligned to 64. */
void layer_compute(dk_context *context, const dk_schedule *schedule, const layer *computed, void *workspace);

#endif
