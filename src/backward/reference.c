/* See backward/reference.h. */
#include "backward/reference.h"

#include <string.h>

#include "base/attributes.h"

/* Called for each product of a convolution with the indices of its output, its input and its weight. */
typedef void reference_visitor(void *context, size_t y, size_t x, size_t w);

SMALL static void reference_visit_products(const geometry *s, reference_visitor *visit, void *context) {
  const int32_t group = s->C / s->G, outputs = s->O / s->G;
  for (int32_t o = 0; o < s->O; o++)
    for (int32_t c = 0; c < group; c++)
      for (int32_t r = 0; r < s->Rh; r++)
        for (int32_t q = 0; q < s->Rw; q++)
          for (int32_t oy = 0; oy < s->Ho; oy++)
            for (int32_t ox = 0; ox < s->Wo; ox++) {
              const int32_t iy = oy * s->stride_h - s->top + r * s->dilation_h;
              const int32_t ix = ox * s->stride_w - s->left + q * s->dilation_w;
              if (iy < 0 || iy >= s->H || ix < 0 || ix >= s->W) continue; /* zero padding */
              visit(context, ((size_t)o * s->Ho + oy) * s->Wo + ox,
                    ((size_t)(o / outputs * group + c) * s->H + iy) * s->W + ix,
                    (((size_t)o * group + c) * s->Rh + r) * s->Rw + q);
            }
}

typedef struct reference_arrays {
  const double *x, *w, *gy;
  double *y, *gx, *gw;
} reference_arrays;

static void reference_add_forward(void *context, size_t y, size_t x, size_t w) {
  const reference_arrays *t = context;
  t->y[y] += t->w[w] * t->x[x];
}

static void reference_add_backward(void *context, size_t y, size_t x, size_t w) {
  const reference_arrays *t = context;
  if (t->gx) t->gx[x] += t->w[w] * t->gy[y];
  t->gw[w] += t->x[x] * t->gy[y];
}

void convolution_reference_forward(const geometry *s, const double *x, const double *w, const double *b,
                                   double *y) {
  const size_t plane = (size_t)s->Ho * s->Wo;
  for (size_t i = 0; i < s->O * plane; i++) y[i] = b ? b[i / plane] : 0;
  reference_visit_products(s, reference_add_forward, &(reference_arrays){.x = x, .w = w, .y = y});
}

SMALL void convolution_reference_backward(const geometry *s, const double *x, const double *w,
                                          const double *gy, double *gx, double *gw) {
  reference_visit_products(s, reference_add_backward,
                           &(reference_arrays){.x = x, .w = w, .gy = gy, .gx = gx, .gw = gw});
}

size_t reference_kernel_size(const geometry *s) { return (size_t)s->O * (s->C / s->G) * s->Rh * s->Rw; }

uint64_t convolution_reference_workspace(const geometry *s) {
  const uint64_t inputs = (uint64_t)s->C * s->H * s->W, outputs = (uint64_t)s->O * s->Ho * s->Wo;
  return sizeof(double) * (2 * (uint64_t)reference_kernel_size(s) + 2 * inputs + outputs);
}

SMALL static void reference_widen(const float *values, size_t count, double *wide) {
  for (size_t i = 0; i < count; i++) wide[i] = values[i];
}

SMALL void convolution_reference_packed(const geometry *s, const packed_kernels *kernels,
                                        const dk_mixture *mixture, const float *x, const float *gy, float *gx,
                                        const packed_kernels *gw, void *workspace) {
  const size_t inputs = (size_t)s->C * s->H * s->W, outputs = (size_t)s->O * s->Ho * s->Wo;
  const size_t kernel = reference_kernel_size(s), depth = kernel / s->O;
  double *w = workspace, *wide_gw = w + kernel, *wide_x = wide_gw + kernel;
  double *wide_gx = wide_x + inputs, *wide_gy = wide_gx + inputs;
  for (size_t i = 0; i < kernel; i++) {
    /* Mix the kernels. */
    w[i] = wide_gw[i] = 0;
    for (int32_t k = 0; k < s->K; k++)
      w[i] += (double)(mixture->kernels ? mixture->kernels[k] : 1) *
              kernels_get(kernels, kernels_index(kernels, k, (int32_t)(i / depth), (int32_t)(i % depth)));
    w[i] *= mixture_scale(kernels, mixture, (int32_t)(i / depth), (int32_t)(i % depth));
  }
  reference_widen(x, inputs, wide_x);
  reference_widen(gy, outputs, wide_gy);
  memset(wide_gx, 0, sizeof(double) * inputs);
  convolution_reference_backward(s, wide_x, w, wide_gy, wide_gx, wide_gw);
  for (size_t i = 0; gx && i < inputs; i++) gx[i] = (float)wide_gx[i];
  for (size_t i = 0; i < kernel; i++)
    /* depth is not 0. NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    kernels_channel(gw, (int32_t)(i / depth))[i % depth * LANES] = (float)wide_gw[i];
}
