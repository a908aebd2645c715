/* See check_gradients.h. */
#include "check_gradients.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backward/backward.h"
#include "base/sizes.h"
#include "base/workspace.h"
#include "gradient_problem.h"

static const double TOLERANCE = 1e-4;        /* of gradients, times 1 + max|reference| */
static const double OUTPUT_TOLERANCE = 2e-5; /* of outputs */

enum { PLANTED = 1 << 20 }; /* the most bytes of the workspace that begin as subnormal numbers */

/* Whether no value is near ReLU's kink and no channel is nearly constant before batch norm. Otherwise central
 * differences are inaccurate, and so is a comparison of float32 with double precision. */
static bool well_conditioned(const reference_problem *r) {
  const geometry *s = &r->block.shape;
  const block_parameters *p = &r->block.parameters;
  const int32_t M = r->block.branch.hidden, batch_norm = r->block.branch.batch_norm;
  for (int32_t m = 0; m < M; m++) {
    if (batch_norm && r->tape.inverse[m] > 10) return false;
    for (int32_t n = 0; n < s->N; n++) {
      const double z = r->tape.normalised[n * M + m];
      if (fabs(batch_norm ? z * p->bn_weight[m] + p->bn_bias[m] : z) < 0.02) return false;
    }
  }
  return true;
}

/* Whether non-finite values reach the same gradients of the kernels as in the reference. */
static bool non_finite_agree(dk_context *context, random_state *random, const gradient_problem *p,
                             gradient_data *d) {
  static const float odd[] = {NAN, INFINITY, -INFINITY};
  const size_t count = p->sizes[WEIGHT], inputs = p->sizes[INPUT];
  const size_t factors = attend_outputs(p->branch.head, p->N, HEADS);
  float *x = malloc(sizeof(float) * inputs), *outputs = malloc(sizeof(float) * factors);
  float *weight[2];
  bool ok = x && outputs;
  if (!ok) abort();
  memcpy(x, d->values[INPUT], sizeof(float) * inputs);
  x[random_u32(random) % inputs] = odd[random_between(random, 0, 2)];
  random_fill(random, outputs, factors);
  const float *factor[HEADS];
  for (int32_t h = 0; h < HEADS; h++)
    factor[h] = p->branch.head[h] ? outputs + attend_outputs(p->branch.head, p->N, h) : NULL;
  const dk_mixture mixture = {factor[0], factor[1], factor[2], factor[3]};
  for (int i = 0; i < 2; i++) {
    dk_aggregation *aggregation = make_aggregation(p, d, i ? DK_ALGORITHM_REFERENCE : DK_ALGORITHM_AUTO);
    weight[i] = guarded_alloc(sizeof(float) * count);
    memset(weight[i], 0, sizeof(float) * count);
    ok &= dk_aggregation_backward(context, aggregation, x, &mixture, p->N, p->H, p->W, d->grad_y, NULL, NULL,
                                  &(dk_aggregation_gradients){.weight = weight[i]}) == DK_OK;
    dk_aggregation_destroy(aggregation);
  }
  ok &= close_to(weight[0], weight[1], count, TOLERANCE, "weight, not all finite");
  guarded_free(weight[0]), guarded_free(weight[1]);
  free(x), free(outputs);
  return ok;
}

/* A problem with its data and the reference's gradients. */
typedef struct drawn {
  gradient_problem problem;
  gradient_data data;
  reference_problem reference;
} drawn;

static drawn draw(random_state *random, problem_size size) {
  for (;;) {
    drawn d = {.problem = random_gradient_problem(random, size)};
    d.data = random_gradient_data(random, &d.problem);
    d.reference = make_reference(&d.problem, &d.data);
    attention_reference_forward(&d.reference.block, d.reference.values[INPUT], &d.reference.tape);
    if (well_conditioned(&d.reference)) {
      reference_loss(&d.reference);
      reference_gradients(&d.reference);
      return d;
    }
    free_gradient_data(&d.data);
    free_reference(&d.reference);
  }
}

static void discard(drawn *d) {
  free_gradient_data(&d->data);
  free_reference(&d->reference);
}

/* Whether the library's gradients are within tolerance * (unit + max|reference|) of the reference's. The
 * gradients of parameters were `start` before. */
static bool agree(const drawn *d, float *const *got, float start, double unit, double tolerance) {
  bool ok = true;
  for (int i = 0; i < TENSORS; i++) {
    const size_t count = d->problem.sizes[i];
    const double *want = d->reference.gradients[i], before = i == INPUT ? 0 : start;
    double largest = unit;
    for (size_t j = 0; j < count; j++) largest = fmax(largest, unit + fabs(want[j]));
    for (size_t j = 0; j < count; j++)
      if (!(fabs(got[i][j] - (want[j] + before)) <= tolerance * largest)) {
        printf("  %s[%zu]: got %.9g, expected %.9g, allowed difference %.3g\n", tensor_names[i], j,
               (double)got[i][j], want[j] + before, tolerance * largest);
        ok = false;
        break;
      }
  }
  return ok;
}

/* Whether the outputs of the forward pass are those of the reference. */
static bool outputs_agree(const drawn *d, const float *outputs, const float *y) {
  const size_t heads = attend_outputs(d->problem.branch.head, d->problem.N, HEADS);
  const size_t most = heads > d->problem.outputs ? heads : d->problem.outputs;
  float *want = malloc(sizeof(float) * most);
  if (!want) abort();
  for (size_t i = 0; i < heads; i++) want[i] = (float)d->reference.tape.outputs[i];
  bool ok = close_to(outputs, want, heads, OUTPUT_TOLERANCE, "outputs of the heads");
  for (size_t i = 0; i < d->problem.outputs; i++) want[i] = (float)d->reference.y[i];
  ok &= close_to(y, want, d->problem.outputs, OUTPUT_TOLERANCE, "y");
  free(want);
  return ok;
}

int check_gradients(uint32_t seed, int count) {
  random_state random = {seed};
  dk_context *context = dk_context_create();
  int failures = 0, winograd = 0;
  for (int i = 0; i < count; i++) {
    drawn d = draw(&random, i % 250 ? MIDDLE : LARGE);
    winograd += weight_gradient_winograd_pays(&d.reference.block.shape);
    const dk_algorithm ids[] = {DK_ALGORITHM_AUTO, DK_ALGORITHM_REFERENCE};
    dk_context_set_threads(context, 1 + i % 3); /* no workers: this thread computes all parts */
    for (int j = 0; j < 2; j++) {
      const float start = i % 2 ? 0.5f : 0; /* the library adds to the gradients */
      plant_subnormals(workspace_reserve(context, 1),
                       min_i32((int32_t)dk_context_workspace(context), PLANTED));
      float *outputs = malloc(sizeof(float) * attend_outputs(d.problem.branch.head, d.problem.N, HEADS));
      float *y = malloc(sizeof(float) * d.problem.outputs);
      float **got = library_gradients(context, &d.problem, &d.data, ids[j], start, outputs, y);
      const bool unmet = j || met_no_subnormal("gradients");
      if (!got || !unmet || !agree(&d, got, start, 1, TOLERANCE) || !outputs_agree(&d, outputs, y)) {
        print_gradient_problem(&d.problem, j ? "reference gradients" : "gradients", seed, i);
        failures++;
      }
      if (got) free_gradients(got);
      free(outputs), free(y);
    }
    if (!non_finite_agree(context, &random, &d.problem, &d.data)) {
      print_gradient_problem(&d.problem, "gradients, not all finite", seed, i);
      failures++;
    }
    discard(&d);
  }
  dk_context_destroy(context);
  printf("gradients  compared with the reference on %d configurations, %d of them by Winograd\n", count,
         winograd);
  if (count >= 250 && !winograd) failures++; /* the draws must include Winograd */
  return failures;
}

static const double STEP = 3e-4; /* of a central difference */

/* The error of a central difference that comes from rounding the loss. */
static double rounding(const reference_problem *r, size_t outputs) {
  double sum = 0;
  for (size_t i = 0; i < outputs; i++) sum += fabs(r->y[i] * r->grad_y[i]);
  return 4 * DBL_EPSILON * sum / STEP;
}

/* Returns the derivative of the loss along direction of one tensor, by fourth-order central differences. */
static double difference(reference_problem *r, int tensor, size_t count, const double *direction) {
  static const double at[] = {1, -1, 2, -2}, weight[] = {8, -8, -1, 1};
  double *values = r->values[tensor], sum = 0;
  double *kept = malloc(sizeof(double) * count);
  if (!kept) abort();
  memcpy(kept, values, sizeof(double) * count);
  for (int i = 0; i < 4; i++) {
    for (size_t j = 0; j < count; j++) values[j] = kept[j] + at[i] * STEP * direction[j];
    sum += weight[i] * reference_loss(r);
  }
  memcpy(values, kept, sizeof(double) * count);
  free(kept);
  return sum / (12 * STEP);
}

/* Compares the gradient with central differences along a few single values, and along one direction of
 * length 1 through all values. */
static bool differences_agree(random_state *random, drawn *d, int tensor) {
  enum { SINGLE = 3 };
  const size_t count = d->problem.sizes[tensor];
  const double *gradient = d->reference.gradients[tensor];
  double *direction = calloc(count + 1, sizeof(double)), length = 0, norm = 0;
  if (!direction) abort();
  bool ok = true;
  for (size_t i = 0; i < count; i++) norm += gradient[i] * gradient[i];
  for (int i = 0; count && i <= SINGLE; i++) {
    memset(direction, 0, sizeof(double) * count);
    if (i < SINGLE) {
      direction[random_u32(random) % count] = 1;
    } else {
      for (size_t j = 0; j < count; j++) {
        direction[j] = (double)random_float(random);
        length += direction[j] * direction[j];
      }
      for (size_t j = 0; j < count; j++) direction[j] /= sqrt(length);
    }
    double want = difference(&d->reference, tensor, count, direction), got = 0;
    for (size_t j = 0; j < count; j++) got += direction[j] * gradient[j];
    const double allowed = 1e-6 * sqrt(norm) + rounding(&d->reference, d->problem.outputs);
    if (!(fabs(got - want) <= allowed)) {
      printf("  %s: gradient %.12g, central difference %.12g, allowed difference %.3g\n",
             tensor_names[tensor], got, want, allowed);
      ok = false;
    }
  }
  free(direction);
  return ok;
}

int check_differences(uint32_t seed, int count) {
  random_state random = {seed};
  dk_context *context = dk_context_create();
  int failures = 0;
  for (int i = 0; i < count; i++) {
    drawn d = draw(&random, SMALL);
    bool ok = true;
    for (int tensor = 0; tensor < TENSORS; tensor++) ok &= differences_agree(&random, &d, tensor);
    float **got = library_gradients(context, &d.problem, &d.data, DK_ALGORITHM_AUTO, 0, NULL, NULL);
    ok &= got && agree(&d, got, 0, 1e-4, 1e-3);
    if (!ok) print_gradient_problem(&d.problem, "central differences", seed, i), failures++;
    if (got) free_gradients(got);
    discard(&d);
  }
  dk_context_destroy(context);
  return failures;
}
