/* See check_training.h. */
#include "check_training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/elementary.h"
#include "convolution/mixing.h"
#include "inner/correlate.h"
#include "support.h"
#include "training/loss.h"
#include "training/optimizer.h"

int check_losses(uint32_t seed, int count) {
  random_state random = {seed};
  int failures = 0;
  for (int i = 0; i < count; i++) {
    const size_t n = (size_t)random_between(&random, 1, i % 10 ? 40 : 5000);
    const double delta = 0.1 + fabs((double)random_float(&random));
    float *y = guarded_alloc(sizeof(float) * n), *target = guarded_alloc(sizeof(float) * n);
    float *grad = guarded_alloc(sizeof(float) * n), *want = guarded_alloc(sizeof(float) * n);
    random_fill(&random, y, n), random_fill(&random, target, n);
    target[0] = y[0];
    if (i % 16 == 0) y[n - 1] = NAN;
    for (int kind = 0; kind < 3; kind++) {
      const double expected = kind == 0   ? loss_mse_reference(y, target, n, want)
                              : kind == 1 ? loss_l1_reference(y, target, n, want)
                                          : loss_huber_reference(y, target, n, delta, want);
      const double loss = kind == 0   ? dk_loss_mse(y, target, n, grad)
                          : kind == 1 ? dk_loss_l1(y, target, n, grad)
                                      : dk_loss_huber(y, target, n, delta, grad);
      const double alone = kind == 0   ? dk_loss_mse(y, target, n, NULL)
                           : kind == 1 ? dk_loss_l1(y, target, n, NULL)
                                       : dk_loss_huber(y, target, n, delta, NULL);
      const float narrow[] = {(float)loss, (float)alone}, wide[] = {(float)expected, (float)expected};
      for (size_t j = 0; j < n; j++) grad[j] *= (float)n, want[j] *= (float)n;
      if (!close_to(narrow, wide, 2, 1e-6, "loss") || !close_to(grad, want, n, 1e-6, "gradient") ||
          !guards_hold(grad, sizeof(float) * n, "gradient")) {
        printf("FAILED loss %d: count=%zu delta=%g (seed %u, number %d)\n", kind, n, delta, seed, i);
        failures++;
      }
    }
    guarded_free(y), guarded_free(target), guarded_free(grad), guarded_free(want);
  }
  return failures;
}

/* Whether the library and the reference update an optimizer's state in the same way. */
static bool optimizers_agree(random_state *random, bool adam, size_t n) {
  enum { PARAMETER, M, V, ARRAYS, STEPS = 4 };
  float *got[ARRAYS], *want[ARRAYS], *gradient = guarded_alloc(sizeof(float) * n);
  const double lr = 0.05, momentum = random_between(random, 0, 1) * 0.9;
  const double decay = random_between(random, 0, 1) * 0.01;
  for (int i = 0; i < ARRAYS; i++) {
    got[i] = guarded_alloc(sizeof(float) * n), want[i] = guarded_alloc(sizeof(float) * n);
    if (i == PARAMETER || !adam) random_fill(random, got[i], n);
    if (i != PARAMETER && adam) memset(got[i], 0, sizeof(float) * n);
    memcpy(want[i], got[i], sizeof(float) * n);
  }
  bool ok = true;
  for (int32_t step = 1; step <= STEPS; step++) {
    random_fill(random, gradient, n);
    if (adam) {
      dk_adam_step(got[PARAMETER], gradient, got[M], got[V], n, lr, 0.9, 0.999, 1e-8, decay, step);
      adam_step_reference(want[PARAMETER], gradient, want[M], want[V], n, lr, 0.9, 0.999, 1e-8, decay, step);
    } else {
      dk_sgd_step(got[PARAMETER], gradient, momentum != 0 ? got[M] : NULL, n, lr, momentum, decay, step);
      sgd_step_reference(want[PARAMETER], gradient, momentum != 0 ? want[M] : NULL, n, lr, momentum, decay,
                         step);
    }
  }
  for (int i = 0; i < ARRAYS; i++) {
    ok &= close_to(got[i], want[i], n, 2e-6, i == PARAMETER ? "parameter" : "state") &&
          guards_hold(got[i], sizeof(float) * n, "optimizer");
    guarded_free(got[i]), guarded_free(want[i]);
  }
  guarded_free(gradient);
  return ok;
}

int check_optimizers(uint32_t seed, int count) {
  random_state random = {seed};
  int failures = 0;
  for (int i = 0; i < count; i++) {
    const size_t n = (size_t)random_between(&random, 1, 40);
    if (optimizers_agree(&random, i % 2, n)) continue;
    printf("FAILED %s: count=%zu (seed %u, number %d)\n", i % 2 ? "Adam" : "SGD", n, seed, i);
    failures++;
  }
  return failures;
}

int check_correlate(uint32_t seed, int count) {
  random_state random = {seed};
  int failures = 0;
  for (int i = 0; i < count; i++) {
    correlation work = {.rows = random_between(&random, 1, 3),
                        .columns = random_between(&random, 4, 21),
                        .taps = random_between(&random, 1, 20),
                        .count = random_between(&random, 1, 4)};
    const size_t plane = (size_t)work.rows * work.columns;
    work.x_row = work.columns + random_between(&random, 0, 5);
    const size_t inputs = (size_t)work.x_row * work.rows + 40;
    const size_t packed_floats = correlate_packed_floats(work.rows, work.columns, work.count);
    const size_t sums_bytes = sizeof(float) * work.taps * LANES;
    float *g = guarded_alloc(sizeof(float) * plane * work.count), *x = guarded_alloc(sizeof(float) * inputs);
    float *packed = guarded_alloc(sizeof(float) * packed_floats);
    float *got = guarded_alloc(sums_bytes), *want = guarded_alloc(sums_bytes);
    int32_t offset[20];
    for (int32_t t = 0; t < work.taps; t++) offset[t] = random_between(&random, 0, 40 - 1);
    random_fill(&random, g, plane * work.count), random_fill(&random, x, inputs);
    random_fill(&random, got, sums_bytes / sizeof(float));
    memcpy(want, got, sums_bytes);
    correlate_pack(g, plane, work.rows, work.columns, work.count, packed);
    work.g = packed, work.x = x, work.offset = offset;
    correlate(&work, got);
    correlate_reference(&work, want);
    if (!close_to(got, want, sums_bytes / sizeof(float), 1e-6, "sums") ||
        !guards_hold(got, sums_bytes, "sums") ||
        !guards_hold(packed, sizeof(float) * packed_floats, "packed gradients")) {
      printf("FAILED correlate: rows=%d columns=%d taps=%d count=%d (seed %u, number %d)\n", work.rows,
             work.columns, work.taps, work.count, seed, i);
      failures++;
    }
    guarded_free(g), guarded_free(x), guarded_free(packed), guarded_free(got), guarded_free(want);
  }
  return failures;
}

/* Whether two values are within four units in the last place. */
static bool same_double(double got, double want) {
  return got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= 1e-15 * fabs(want);
}

int check_elementary(uint32_t seed, int count) {
  static const double edges[] = {0, -0.0, 1, -1, 709.3, -707.9, 1000, -1000, INFINITY, -INFINITY, NAN};
  random_state random = {seed};
  int failures = 0;
  for (int i = 0; i < count; i++) {
    const bool edge = i < (int)(sizeof edges / sizeof *edges);
    const double x = edge ? edges[i] : (i % 2 ? 700 : 20) * (double)random_float(&random);
    const double y = exp((i % 2 ? 700 : 1) * (double)random_float(&random));
    if (same_double(exponential(x), exp(x)) && same_double(logarithm(y), log(y))) continue;
    printf("FAILED exponential(%.17g) = %.17g or logarithm(%.17g) = %.17g (seed %u, number %d)\n", x,
           exponential(x), y, logarithm(y), seed, i);
    failures++;
  }
  return failures;
}
