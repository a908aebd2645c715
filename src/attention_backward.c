/* The backward pass of KernelAttention: from the gradient of a through sigmoid, conv2, ReLU, batch norm,
 * conv1 and pooling. It computes in double precision, as the forward pass does. In training mode with few
 * samples, the gradient of batch norm is a small difference of large numbers. */
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

/* ga [N, K] -> gs [N, K], the gradient of the sigmoid's input. */
SMALL static void attention_through_sigmoid(const attention_tape *tape, const float *ga, size_t count,
                                            double *gs) {
  for (size_t i = 0; i < count; i++) gs[i] = ga[i] * tape->a[i] * (1 - tape->a[i]);
}

/* gs [N, K] -> gh [N, M], the gradient of the ReLU's input. Also adds the gradients of conv2's parameters. */
SMALL static void attention_through_conv2(const dk_attention *attention, const attention_tape *tape,
                                          int32_t N, const double *gs, double *gh,
                                          const dk_attention_gradients *gradients) {
  const int32_t M = attention->M, K = attention->K;

  /* Add the gradients of conv2's parameters. */
  for (int32_t k = 0; k < K; k++) {
    double bias = 0;
    for (int32_t n = 0; n < N; n++) bias += gs[(size_t)n * K + k];
    attention_add(gradients->conv2_bias, (size_t)k, bias);
    for (int32_t m = 0; m < M; m++) {
      double weight = 0;
      for (int32_t n = 0; n < N; n++) weight += gs[(size_t)n * K + k] * tape->hidden[(size_t)n * M + m];
      attention_add(gradients->conv2_weight, (size_t)k * M + m, weight);
    }
  }

  /* Go through conv2 to its input, and through the ReLU. */
  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++) {
      double sum = 0;
      for (int32_t k = 0; k < K; k++)
        sum += (double)attention->conv2_weight[(size_t)k * M + m] * gs[(size_t)n * K + k];
      gh[(size_t)n * M + m] = tape->hidden[(size_t)n * M + m] <= 0 ? 0 : sum;
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
                                               const attention_tape *tape, int32_t N, double *gz,
                                               const dk_attention_gradients *gradients) {
  const int32_t M = attention->M;
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

/* gz [N, M] -> gp [N, C], the gradient of the pooled input. Also adds the gradient of conv1's weight. */
SMALL static void attention_through_conv1(const dk_attention *attention, const attention_tape *tape,
                                          int32_t N, const double *gz, double *gp,
                                          const dk_attention_gradients *gradients) {
  const int32_t C = attention->C, M = attention->M;

  /* Add the gradient of conv1's weight, if it is wanted: this is most of the work here. */
  if (gradients->conv1_weight)
    for (int32_t m = 0; m < M; m++)
      for (int32_t c = 0; c < C; c++) {
        double weight = 0;
        for (int32_t n = 0; n < N; n++) weight += gz[(size_t)n * M + m] * tape->mean[(size_t)n * C + c];
        attention_add(gradients->conv1_weight, (size_t)m * C + c, weight);
      }

  /* Go through conv1 to its input. */
  for (int32_t n = 0; n < N; n++)
    for (int32_t c = 0; c < C; c++) {
      double sum = 0;
      for (int32_t m = 0; m < M; m++)
        sum += (double)attention->conv1_weight[(size_t)m * C + c] * gz[(size_t)n * M + m];
      gp[(size_t)n * C + c] = sum;
    }
}

size_t attention_backward_workspace(const dk_attention *attention, int32_t N) {
  /* gs, gz and gp are no larger than the tape. */
  return dk_attention_tape_bytes(attention, N);
}

SMALL const double *attention_backward_compute(const dk_attention *attention, int32_t training,
                                               const void *tape, int32_t N, const float *grad_a,
                                               const dk_attention_gradients *gradients, void *workspace) {
  static const dk_attention_gradients none = {0};
  DK_ASSERT(tape && grad_a);
  DK_ASSERT((uintptr_t)workspace % WORKSPACE_ALIGNMENT == 0);
  const attention_tape view = attention_tape_view(attention, N, (void *)tape);
  double *gs = workspace;                     /* [N, K] */
  double *gz = gs + (size_t)N * attention->K; /* [N, M] */
  double *gp = gz + (size_t)N * attention->M; /* [N, C] */
  if (!gradients) gradients = &none;
  attention_through_sigmoid(&view, grad_a, (size_t)N * attention->K, gs);
  attention_through_conv2(attention, &view, N, gs, gz, gradients);
  attention_through_batch_norm(attention, training, &view, N, gz, gradients);
  attention_through_conv1(attention, &view, N, gz, gp, gradients);
  return gp;
}

dk_status dk_attention_backward(dk_context *context, const dk_attention *attention, int32_t training,
                                const void *tape, int32_t N, int32_t H, int32_t W, const float *grad_a,
                                float *grad_x, const dk_attention_gradients *gradients) {
  dk_status status = attention_check(attention, training, N, H, W);
  if (status) return status;
  void *workspace = workspace_reserve(context, attention_backward_workspace(attention, N));
  if (!workspace) return workspace_refusal(context);
  const double *gp = attention_backward_compute(attention, training, tape, N, grad_a, gradients, workspace);
  if (!grad_x) return DK_OK;

  /* Pooling adds to grad_x, so it starts at zero. */
  const size_t planes = (size_t)N * attention->C, pixels = (size_t)H * W;
  memset(grad_x, 0, sizeof(float) * planes * pixels);
  pool_add_gradient(gp, planes, pixels, grad_x);
  return DK_OK;
}
