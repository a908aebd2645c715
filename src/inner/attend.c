/* See inner/attend.h. */
#include "inner/attend.h"

#include <math.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/elementary.h"
#include "inner/sums.h"

SMALL_FILE

uint64_t attend_tape_values(const attend_branch *branch, int32_t N) {
  const uint64_t M = (uint32_t)branch->M;
  uint64_t each = (uint32_t)branch->C + 2 * M;
  for (int32_t h = 0; h < HEADS; h++) each += (uint32_t)branch->head[h];
  return (uint32_t)N * each + M;
}

attend_tape attend_tape_view(const attend_branch *branch, int32_t N, double *memory) {
  DK_ASSERT(memory && (uintptr_t)memory % sizeof(double) == 0);
  const size_t hidden = (size_t)N * branch->M;
  attend_tape tape;
  tape.mean = memory;
  tape.normalised = tape.mean + (size_t)N * branch->C;
  tape.hidden = branch->M ? tape.normalised + hidden : tape.mean;
  tape.outputs = tape.normalised + 2 * hidden;
  tape.inverse = tape.outputs + attend_outputs(branch->head, N, HEADS);
  return tape;
}

/* y [N, rows] = x [N, columns] times the transpose of weight [rows, columns]. */
static void attend_product(const float *weight, int32_t rows, int32_t columns, const double *x, int32_t N,
                           double *y) {
  for (int32_t n = 0; n < N; n++)
    for (int32_t i = 0; i < rows; i++)
      y[(size_t)n * rows + i] = dot_doubles(weight + (size_t)i * columns, x + (size_t)n * columns, columns);
}

void attend_project(dk_context *context, const attend_branch *branch, const float *x, int32_t N,
                    size_t x_sample, size_t x_channel, size_t pixels, const attend_tape *tape) {
  plane_means(context, x, N, x_sample, branch->C, x_channel, pixels, tape->mean);
  attend_product(branch->hidden_weight, branch->M, branch->C, tape->mean, N, tape->normalised);
}

void attend_normalise(const attend_branch *branch, int32_t N, const attend_tape *tape) {
  const int32_t M = branch->M;
  for (int32_t m = 0; m < M; m++) {
    tape->inverse[m] = 1 / sqrt(branch->bn_variance[m] + branch->eps);
    for (int32_t n = 0; n < N; n++) {
      double *const value = tape->normalised + (size_t)n * M + m;
      *value = (*value - branch->bn_mean[m]) * tape->inverse[m];
    }
  }
}

/* tape->hidden = ReLU of tape->normalised, after the weight and bias of batch norm. Does nothing without a
 * hidden layer. */
static void attend_relu(const attend_branch *branch, int32_t N, const attend_tape *tape) {
  const int32_t M = branch->M;
  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++) {
      const size_t i = (size_t)n * M + m;
      double value = tape->normalised[i];
      if (branch->bn_weight) value = value * branch->bn_weight[m] + branch->bn_bias[m];
      tape->hidden[i] = value < 0 ? 0 : value;
    }
}

/* The softmax of one sample's logits [count], in place. The greatest is subtracted first, so that no
 * exponential overflows. If one logit is NaN, all results are NaN: the sum has it. */
static void attend_softmax(double *values, int32_t count) {
  double greatest = values[0], sum = 0;
  for (int32_t i = 1; i < count; i++) greatest = values[i] > greatest ? values[i] : greatest;
  for (int32_t i = 0; i < count; i++) sum += values[i] = exponential(values[i] - greatest);
  for (int32_t i = 0; i < count; i++) values[i] /= sum;
}

void attend_heads(const attend_branch *branch, int32_t N, const attend_tape *tape,
                  float *const outputs[HEADS]) {
  DK_ASSERT(branch->temperature > 0);
  attend_relu(branch, N, tape);
  for (int32_t h = 0; h < HEADS; h++) {
    const int32_t rows = branch->head[h];
    if (!rows) continue;
    double *const exact = tape->outputs + attend_outputs(branch->head, N, h);
    attend_product(branch->weight[h], rows, attend_features(branch), tape->hidden, N, exact);

    for (int32_t n = 0; n < N; n++) {
      double *const values = exact + (size_t)n * rows;
      const bool softmax = h == DK_HEAD_KERNELS && branch->softmax;
      for (int32_t i = 0; i < rows; i++) {
        if (branch->bias[h]) values[i] += branch->bias[h][i];
        values[i] /= branch->temperature;
        if (!softmax) values[i] = 1 / (1 + exponential(-values[i]));
      }
      if (softmax) attend_softmax(values, rows);
    }
    for (size_t i = 0; i < (size_t)N * rows; i++) outputs[h][i] = (float)exact[i];
  }
}

SMALL_FILE_END
