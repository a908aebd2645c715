/* The backward pass of the attention branch: from the gradients of the heads' outputs through sigmoid or
 * softmax, the heads' products, ReLU, batch norm, the hidden product and pooling. It computes in double
 * precision, as the forward pass does. In training mode with few samples, the gradient of batch norm is a
 * small difference of large numbers. */
#include "attention_backward.h"

#include <string.h>

#include "base/assert.h"
#include "base/attributes.h"
#include "base/workspace.h"
#include "pool.h"

/* Adds a sum over the batch to gradient[i], with one rounding. Does nothing if gradient is NULL. */
SMALL static void attention_add(float *gradient, size_t i, double value) {
  if (gradient) gradient[i] = (float)((double)gradient[i] + value);
}

/* The outputs a [count] of one head and sample, and their gradient ga -> gl, the gradient of the logits
 * before they are divided by the temperature:
 *
 *     sigmoid  gl = a * (1 - a) * ga / T
 *     softmax  gl = a * (ga - sum of a * ga) / T */
SMALL static void attention_through_head(bool softmax, double temperature, int32_t count, const double *a,
                                         const float *ga, double *gl) {
  double common = 0;
  for (int32_t i = 0; softmax && i < count; i++) common += a[i] * ga[i];
  for (int32_t i = 0; i < count; i++) {
    gl[i] = softmax ? a[i] * (ga[i] - common) : ga[i] * a[i] * (1 - a[i]);
    gl[i] /= temperature;
  }
}

/* A product y [N, rows] = x [N, columns] times the transpose of weight [rows, columns]: adds the gradient of
 * x to gx, and that of the weight to grad_weight, unless it is NULL. */
SMALL static void attention_through_product(const float *weight, int32_t rows, int32_t columns, int32_t N,
                                            const double *x, const double *gy, double *gx,
                                            float *grad_weight) {
  /* Add the gradient of the weight, if it is wanted: this is most of the work here. */
  if (grad_weight)
    for (int32_t i = 0; i < rows; i++)
      for (int32_t j = 0; j < columns; j++) {
        double sum = 0;
        for (int32_t n = 0; n < N; n++) sum += gy[(size_t)n * rows + i] * x[(size_t)n * columns + j];
        attention_add(grad_weight, (size_t)i * columns + j, sum);
      }

  /* Go through the product to its input. */
  for (int32_t n = 0; n < N; n++)
    for (int32_t j = 0; j < columns; j++) {
      double sum = 0;
      for (int32_t i = 0; i < rows; i++)
        sum += (double)weight[(size_t)i * columns + j] * gy[(size_t)n * rows + i];
      gx[(size_t)n * columns + j] += sum;
    }
}

/* The gradients of the heads' outputs -> those of the heads' inputs, which are added to gx. gl holds the
 * gradient of one head's logits. Also adds the gradients of the heads' parameters. */
SMALL static void attention_through_heads(const attend_branch *branch, const attend_tape *tape, int32_t N,
                                          const float *grad_outputs, double *gl, double *gx,
                                          const dk_attention_gradients *gradients) {
  for (int32_t h = 0; h < HEADS; h++) {
    const int32_t rows = branch->head[h];
    if (!rows) continue;
    const size_t first = attend_outputs(branch->head, N, h);
    const bool softmax = h == DK_HEAD_KERNELS && branch->softmax;
    for (int32_t n = 0; n < N; n++) {
      const size_t i = (size_t)n * rows;
      attention_through_head(softmax, branch->temperature, rows, tape->outputs + first + i,
                             grad_outputs + first + i, gl + i);
    }

    /* Add the gradient of the biases. */
    for (int32_t i = 0; i < rows; i++) {
      double sum = 0;
      for (int32_t n = 0; n < N; n++) sum += gl[(size_t)n * rows + i];
      attention_add(gradients->bias[h], (size_t)i, sum);
    }
    attention_through_product(branch->weight[h], rows, attend_features(branch), N, tape->hidden, gl, gx,
                              gradients->weight[h]);
  }
}

/* gz [N, M], in place: the gradient of batch norm's output becomes that of its input. Means are over the
 * batch.
 *
 *     z^        normalised
 *     g         gz * weight
 *     eval      gz = g * inverse
 *     training  gz = inverse * (g - mean(g) - z^ * mean(g * z^))
 *
 * Also adds the gradients of batch norm's weight and bias. */
SMALL static void attention_through_batch_norm(const dk_attention *attention, int32_t training,
                                               const attend_tape *tape, int32_t N, double *gz,
                                               const dk_attention_gradients *gradients) {
  const int32_t M = attention->config.hidden;
  for (int32_t m = 0; m < M; m++) {
    const double scale = attention->bn_weight[m] * tape->inverse[m];

    /* Sum gz and gz * z^ over the batch. */
    double sum = 0, product = 0;
    for (int32_t n = 0; n < N; n++) {
      const size_t i = (size_t)n * M + m;
      sum += gz[i];
      product += gz[i] * tape->normalised[i];
    }
    attention_add(gradients->bn_bias, (size_t)m, sum);
    attention_add(gradients->bn_weight, (size_t)m, product);

    /* Compute the input's gradient. The scale includes the weight. */
    for (int32_t n = 0; n < N; n++) {
      const size_t i = (size_t)n * M + m;
      if (training) gz[i] -= sum / N + tape->normalised[i] * product / N;
      gz[i] *= scale;
    }
  }
}

size_t attention_backward_workspace(const dk_attention *attention, int32_t N) {
  /* gl, gz and gp are no larger than the tape. */
  return dk_attention_tape_bytes(attention, N);
}

SMALL const double *attention_backward_compute(const dk_attention *attention, int32_t training,
                                               const void *tape, int32_t N, const float *grad_outputs,
                                               const dk_attention_gradients *gradients, void *workspace) {
  static const dk_attention_gradients none = {0};
  DK_ASSERT(tape && grad_outputs);
  DK_ASSERT((uintptr_t)workspace % WORKSPACE_ALIGNMENT == 0);
  const attend_branch branch = attention_branch(attention);
  const attend_tape view = attend_tape_view(&branch, N, (void *)tape);
  const size_t hidden = (size_t)N * branch.M;
  double *gp = workspace;                 /* [N, C] */
  double *gz = gp + (size_t)N * branch.C; /* [N, M] */
  double *gl = gz + hidden;               /* [N, head] */
  if (!gradients) gradients = &none;
  memset(gp, 0, sizeof(double) * ((size_t)N * branch.C + hidden));
  attention_through_heads(&branch, &view, N, grad_outputs, gl, branch.M ? gz : gp, gradients);
  if (!branch.M) return gp;

  /* Go through the hidden layer: ReLU, batch norm, product. */
  for (size_t i = 0; i < hidden; i++)
    if (view.hidden[i] <= 0) gz[i] = 0;
  if (branch.bn_weight) attention_through_batch_norm(attention, training, &view, N, gz, gradients);
  attention_through_product(branch.hidden_weight, branch.M, branch.C, N, view.mean, gz, gp,
                            gradients->hidden_weight);
  return gp;
}

dk_status dk_attention_backward(dk_context *context, const dk_attention *attention, int32_t training,
                                const void *tape, int32_t N, int32_t H, int32_t W, const float *grad_outputs,
                                float *grad_x, const dk_attention_gradients *gradients) {
  dk_status status = attention_check(attention, training, N, H, W);
  if (status) return status;
  void *workspace = workspace_reserve(context, attention_backward_workspace(attention, N));
  if (!workspace) return workspace_refusal(context);
  const double *gp =
      attention_backward_compute(attention, training, tape, N, grad_outputs, gradients, workspace);
  if (!grad_x) return DK_OK;

  /* Pooling adds to grad_x, so it starts at zero. */
  const size_t planes = (size_t)N * attention->config.channels, pixels = (size_t)H * W;
  memset(grad_x, 0, sizeof(float) * planes * pixels);
  pool_add_gradient(gp, planes, pixels, grad_x);
  return DK_OK;
}
