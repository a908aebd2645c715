/* The backward pass of KernelAttention: from the gradient of a back through sigmoid, conv2, ReLU, batch norm,
 * conv1 and pooling. It computes in double precision, as the forward pass does: in training mode with few
 * samples, batch norm's gradient is a small difference of large numbers. */
#include "attention_backward.h"

#include <string.h>

#include "base/attributes.h"
#include "base/workspace.h"
#include "pool.h"

/* Adds a sum over the batch to the caller's float32 with one rounding. */
SMALL static void attention_add(float *gradient, size_t i, double value) {
  if (gradient) gradient[i] = (float)((double)gradient[i] + value);
}

/* ga -> gs [N, K], the gradient of the sigmoid's input. */
SMALL static void attention_through_sigmoid(const attention_tape *t, const float *ga, size_t count,
                                            double *gs) {
  for (size_t i = 0; i < count; i++) gs[i] = ga[i] * t->a[i] * (1 - t->a[i]);
}

/* gs -> gh [N, M], the gradient of the ReLU's input, and the gradients of conv2's parameters. */
SMALL static void attention_through_conv2(const dk_attention *attention, const attention_tape *t, int32_t N,
                                          const double *gs, double *gh,
                                          const dk_attention_gradients *gradients) {
  const int32_t M = attention->M, K = attention->K;
  for (int32_t k = 0; k < K; k++) {
    double bias = 0;
    for (int32_t n = 0; n < N; n++) bias += gs[(size_t)n * K + k];
    attention_add(gradients->conv2_bias, (size_t)k, bias);
    for (int32_t m = 0; m < M; m++) {
      double weight = 0;
      for (int32_t n = 0; n < N; n++) weight += gs[(size_t)n * K + k] * t->hidden[(size_t)n * M + m];
      attention_add(gradients->conv2_weight, (size_t)k * M + m, weight);
    }
  }
  for (int32_t n = 0; n < N; n++)
    for (int32_t m = 0; m < M; m++) {
      double sum = 0;
      for (int32_t k = 0; k < K; k++)
        sum += (double)attention->conv2_weight[(size_t)k * M + m] * gs[(size_t)n * K + k];
      gh[(size_t)n * M + m] = t->hidden[(size_t)n * M + m] <= 0 ? 0 : sum;
    }
}

/* gz [N, M], in place: from the gradient of batch norm's output to that of its input. With z^ = normalised,
 * g = gz * weight and means over the batch:
 *
 *     eval      gz = g * inverse
 *     training  gz = inverse * (g - mean(g) - z^ * mean(g * z^)) */
SMALL static void attention_through_batch_norm(const dk_attention *attention, int32_t training,
                                               const attention_tape *t, int32_t N, double *gz,
                                               const dk_attention_gradients *gradients) {
  const int32_t M = attention->M;
  for (int32_t m = 0; m < M; m++) {
    const double scale = attention->bn_weight[m] * t->inverse[m];
    double sum = 0, product = 0;
    for (int32_t n = 0; n < N; n++) {
      const size_t i = (size_t)n * M + m;
      sum += gz[i];
      product += gz[i] * t->normalised[i];
    }
    attention_add(gradients->bn_bias, (size_t)m, sum);
    attention_add(gradients->bn_weight, (size_t)m, product);
    for (int32_t n = 0; n < N; n++) {
      const size_t i = (size_t)n * M + m;
      if (training) gz[i] -= sum / N + t->normalised[i] * product / N;
      gz[i] *= scale;
    }
  }
}

/* gz -> gp [N, C], the gradient of the pooled input, and the gradient of conv1's weight. */
SMALL static void attention_through_conv1(const dk_attention *attention, const attention_tape *t, int32_t N,
                                          const double *gz, double *gp,
                                          const dk_attention_gradients *gradients) {
  const int32_t C = attention->C, M = attention->M;
  if (gradients->conv1_weight)
    for (int32_t m = 0; m < M; m++)
      for (int32_t c = 0; c < C; c++) {
        double weight = 0;
        for (int32_t n = 0; n < N; n++) weight += gz[(size_t)n * M + m] * t->p[(size_t)n * C + c];
        attention_add(gradients->conv1_weight, (size_t)m * C + c, weight);
      }
  for (int32_t n = 0; n < N; n++)
    for (int32_t c = 0; c < C; c++) {
      double sum = 0;
      for (int32_t m = 0; m < M; m++)
        sum += (double)attention->conv1_weight[(size_t)m * C + c] * gz[(size_t)n * M + m];
      gp[(size_t)n * C + c] = sum;
    }
}

size_t attention_gradient_workspace(const dk_attention *attention, int32_t N) {
  return dk_attention_tape_bytes(attention, N); /* gs, gz and gp need no more than the tape */
}

SMALL const double *attention_gradient(const dk_attention *attention, int32_t training, const void *tape,
                                       int32_t N, const float *grad_a,
                                       const dk_attention_gradients *gradients, void *workspace) {
  static const dk_attention_gradients none = {0};
  const attention_tape t = attention_tape_view(attention, N, (void *)tape);
  double *gs = workspace;                     /* [N, K] */
  double *gz = gs + (size_t)N * attention->K; /* [N, M] */
  double *gp = gz + (size_t)N * attention->M; /* [N, C] */
  if (!gradients) gradients = &none;
  attention_through_sigmoid(&t, grad_a, (size_t)N * attention->K, gs);
  attention_through_conv2(attention, &t, N, gs, gz, gradients);
  attention_through_batch_norm(attention, training, &t, N, gz, gradients);
  attention_through_conv1(attention, &t, N, gz, gp, gradients);
  return gp;
}

dk_status dk_attention_backward(dk_context *context, const dk_attention *attention, int32_t training,
                                const void *tape, int32_t N, int32_t H, int32_t W, const float *grad_a,
                                float *grad_x, const dk_attention_gradients *gradients) {
  dk_status status = attention_check(attention, training, N, H, W);
  if (status) return status;
  void *workspace = workspace_reserve(context, attention_gradient_workspace(attention, N));
  if (!workspace) return workspace_refusal(context);
  const double *gp = attention_gradient(attention, training, tape, N, grad_a, gradients, workspace);
  if (!grad_x) return DK_OK;
  const size_t planes = (size_t)N * attention->C, plane = (size_t)H * W;
  memset(grad_x, 0, sizeof(float) * planes * plane);
  pool_add_gradient(gp, planes, plane, grad_x);
  return DK_OK;
}
