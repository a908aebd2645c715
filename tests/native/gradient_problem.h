/* A random block with its data, and its gradients by the library and by the reference. */
#ifndef GRADIENT_PROBLEM_H
#define GRADIENT_PROBLEM_H

#include "block_reference.h"
#include "dynakernel.h"
#include "support.h"

/* The tensors that have gradients. Each head has a weight and a bias. */
enum {
  HIDDEN_WEIGHT,
  BN_WEIGHT,
  BN_BIAS,
  HEAD_WEIGHT,
  HEAD_BIAS = HEAD_WEIGHT + HEADS,
  WEIGHT = HEAD_BIAS + HEADS,
  BIAS,
  INPUT,
  TENSORS,
};

extern const char *const tensor_names[TENSORS];

typedef struct gradient_problem {
  dk_aggregation_config config;
  dk_attention_config branch;
  float temperature;
  int32_t N, H, W, training;
  int32_t Ho, Wo;
  size_t sizes[TENSORS]; /* 0 of those that there are not */
  size_t outputs;        /* number of values of y */
} gradient_problem;

typedef enum problem_size {
  SMALL,  /* central differences are quick */
  MIDDLE, /* around the edges of register blocks and panels */
  LARGE,  /* 3x3 with many channels, several strips of Winograd tiles */
} problem_size;

gradient_problem random_gradient_problem(random_state *random, problem_size size);
void print_gradient_problem(const gradient_problem *p, const char *what, uint32_t seed, int index);

typedef struct gradient_data {
  float *values[TENSORS];
  float *running_mean, *running_var, *grad_y;
} gradient_data;

gradient_data random_gradient_data(random_state *random, const gradient_problem *p);
void free_gradient_data(gradient_data *d);

dk_aggregation *make_aggregation(const gradient_problem *p, const gradient_data *d, dk_algorithm id);

/* Runs the library's forward and backward passes of the block by the given algorithm. The parameters'
 * gradients are `start` before. outputs and y, if they are not NULL, get those of the forward pass. Returns
 * gradients between guards. If a pass fails or a guard is overwritten, it prints why and returns NULL. Free
 * the gradients with free_gradients. */
float **library_gradients(dk_context *context, const gradient_problem *p, const gradient_data *d,
                          dk_algorithm id, float start, float *outputs, float *y);
void free_gradients(float **gradients);

/* The reference's values and gradients, in double precision. */
typedef struct reference_problem {
  block_reference block;
  double *values[TENSORS], *gradients[TENSORS];
  double *running_mean, *running_var, *grad_y, *y, *grad_outputs, *memory, *scratch;
  attend_tape tape;
} reference_problem;

reference_problem make_reference(const gradient_problem *p, const gradient_data *d);
void free_reference(reference_problem *r);
double reference_loss(reference_problem *r);    /* runs forward; returns the sum of y * grad_y */
void reference_gradients(reference_problem *r); /* call it after reference_loss */

#endif
