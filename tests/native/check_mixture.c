/* See check_mixture.h. The reference follows the formulas in dynakernel.h, element by element. */
#include "check_mixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation.h"
#include "backward/reference.h"
#include "support.h"
#include "windows.h"

static const double TOLERANCE = 1e-4; /* of gradients */
static const double OUTPUT_TOLERANCE = 2e-5;

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof *(array)))

/* The tensors that have gradients, in the order in which they are compared. */
enum { KERNELS, OUTPUTS, INPUTS, TAPS, WEIGHT, BIAS, X, TENSORS };
static const char *const names[TENSORS] = {"a", "f", "s", "q", "weight", "bias", "x"};

typedef struct mixture_problem {
  dk_aggregation_config config;
  geometry shape;
  bool has[TENSORS];     /* a mixture may lack factors, and a module biases */
  size_t sizes[TENSORS]; /* of all samples */
  float *value[TENSORS];
  float *grad_y;
  size_t outputs; /* of y */
} mixture_problem;

/* -------------------------------------------------------------------------------- problems */

static void draw_channels(random_state *random, dk_aggregation_config *c) {
  const int32_t kind = random_between(random, 0, 3);
  c->groups = kind == 0 ? random_between(random, 1, 19) : kind == 1 ? random_between(random, 2, 3) : 1;
  c->in_channels = c->groups * (kind == 0 ? 1 : random_between(random, 1, 18));
  c->out_channels = c->groups * (kind == 0 ? random_between(random, 1, 3) : random_between(random, 1, 18));
}

/* Draws until the kernel fits. runtime: K = 1 and no factors, as for kernels that come from elsewhere. */
static mixture_problem random_mixture(random_state *random, bool runtime) {
  static const int32_t kernel_sizes[] = {1, 1, 2, 3, 3, 3, 5, 7};
  mixture_problem p = {0};
  dk_aggregation_config *c = &p.config;
  for (bool fits = false; !fits;) {
    draw_channels(random, c);
    random_window(random, c, kernel_sizes, COUNT(kernel_sizes), 2);
    for (int i = 0, same = random_between(random, 0, 3) == 0; same && i < 4; i++)
      c->padding[i] = DK_SAME_PADDING;
    c->num_kernels = runtime || !random_between(random, 0, 3) ? 1 : random_between(random, 2, 6);
    c->bias = !runtime && random_between(random, 0, 1);
    dk_aggregation *made;
    if (dk_aggregation_create(c, &made)) abort();
    fits = aggregation_geometry(made, random_between(random, 1, 3), random_between(random, 1, 14),
                                random_between(random, 1, 14), &p.shape) == DK_OK;
    dk_aggregation_destroy(made);
  }
  const geometry *s = &p.shape;
  const size_t N = (size_t)s->N, kernel = reference_kernel_size(s), K = (size_t)s->K, O = (size_t)s->O;
  const size_t sizes[TENSORS] = {N * K,
                                 N * O,
                                 N * s->C,
                                 N * geometry_taps(s),
                                 runtime ? N * kernel : K * kernel,
                                 runtime ? N * O : K * O,
                                 N * s->C * s->H * s->W};
  for (int i = 0; i < TENSORS; i++) {
    p.has[i] = i >= WEIGHT || (!runtime && random_between(random, 0, 2) > 0);
    p.sizes[i] = sizes[i];
    p.value[i] = malloc(sizeof(float) * sizes[i]);
    random_fill(random, p.value[i], sizes[i]);
  }
  if (K > 1) p.has[KERNELS] = true;
  if (runtime) p.has[BIAS] = random_between(random, 0, 1);
  if (!runtime) p.has[BIAS] = c->bias;
  p.outputs = N * O * s->Ho * s->Wo;
  p.grad_y = malloc(sizeof(float) * p.outputs);
  random_fill(random, p.grad_y, p.outputs);
  return p;
}

static void free_mixture(mixture_problem *p) {
  for (int i = 0; i < TENSORS; i++) free(p->value[i]);
  free(p->grad_y);
}

static void print_mixture(const mixture_problem *p, const char *what, uint32_t seed, int index) {
  const geometry *s = &p->shape;
  printf(
      "FAILED %s: N=%d C=%d O=%d G=%d K=%d R=%dx%d stride=%dx%d dilation=%dx%d padding=%d %d %d %d H=%d W=%d",
      what, s->N, s->C, s->O, s->G, s->K, s->Rh, s->Rw, s->stride_h, s->stride_w, s->dilation_h,
      s->dilation_w, s->top, s->left, s->bottom, s->right, s->H, s->W);
  for (int i = 0; i <= TAPS; i++) printf(" %s=%d", names[i], p->has[i]);
  printf(" bias=%d (seed %u, number %d)\n", p->has[BIAS], seed, index);
}

/* ------------------------------------------------------------------------------- reference */

/* Factor `which` of sample n for weight i of output channel o; *place: its index in the tensor. */
static double factor_of(const mixture_problem *p, int which, int32_t n, int32_t o, int32_t i, size_t *place) {
  const geometry *s = &p->shape;
  const int32_t taps = geometry_taps(s), c = o / (s->O / s->G) * (s->C / s->G) + i / taps;
  *place = which == OUTPUTS  ? (size_t)n * s->O + o
           : which == INPUTS ? (size_t)n * s->C + c
                             : (size_t)n * taps + i % taps;
  return p->has[which] ? (double)p->value[which][*place] : 1;
}

static double attention_of(const mixture_problem *p, int32_t n, int32_t k) {
  return p->has[KERNELS] ? (double)p->value[KERNELS][n * p->shape.K + k] : 1;
}

typedef struct reference_results {
  double *gradient[TENSORS];
  double *y;
} reference_results;

static double *doubles(const float *from, size_t count) {
  double *made = calloc(count + 1, sizeof(double));
  for (size_t i = 0; from && i < count; i++) made[i] = from[i];
  return made;
}

/* One sample's kernel w and bias b: u [O, depth] is the mixture without f, s and q. runtime: they are given.
 */
static void reference_mix(const mixture_problem *p, bool runtime, int32_t n, double *u, double *w,
                          double *b) {
  const geometry *s = &p->shape;
  const size_t kernel = reference_kernel_size(s), depth = kernel / s->O;
  for (int32_t o = 0; o < s->O; o++) {
    b[o] = 0;
    for (int32_t k = 0; p->has[BIAS] && k < s->K; k++)
      b[o] += attention_of(p, n, k) * p->value[BIAS][(size_t)(runtime ? n : k) * s->O + o];
    for (size_t i = 0; i < depth; i++) {
      double sum = 0, scale = 1;
      size_t place;
      for (int32_t k = 0; k < s->K; k++)
        sum += attention_of(p, n, k) * p->value[WEIGHT][(runtime ? n : k) * kernel + o * depth + i];
      for (int f = OUTPUTS; f <= TAPS; f++) scale *= factor_of(p, f, n, o, (int32_t)i, &place);
      u[o * depth + i] = sum;
      w[o * depth + i] = scale * sum;
    }
  }
}

/* From the gradients of w and b of one sample to those of everything that they are made of. */
static void reference_mix_backward(const mixture_problem *p, bool runtime, int32_t n, const double *u,
                                   const double *gw, const double *gb, reference_results *r) {
  const geometry *s = &p->shape;
  const size_t kernel = reference_kernel_size(s), depth = kernel / s->O;
  for (int32_t o = 0; o < s->O; o++) {
    for (int32_t k = 0; p->has[BIAS] && k < s->K; k++) {
      const size_t at = (size_t)(runtime ? n : k) * s->O + o;
      r->gradient[BIAS][at] += attention_of(p, n, k) * gb[o];
      r->gradient[KERNELS][n * s->K + k] += gb[o] * p->value[BIAS][at];
    }
    for (size_t i = 0; i < depth; i++) {
      size_t place[TENSORS];
      double factor[TENSORS], scale = 1;
      const double g = gw[o * depth + i];
      for (int f = OUTPUTS; f <= TAPS; f++) {
        factor[f] = factor_of(p, f, n, o, (int32_t)i, &place[f]);
        scale *= factor[f];
      }
      for (int f = OUTPUTS; f <= TAPS; f++) {
        double others = 1;
        for (int other = OUTPUTS; other <= TAPS; other++)
          if (other != f) others *= factor[other];
        r->gradient[f][place[f]] += g * u[o * depth + i] * others;
      }
      for (int32_t k = 0; k < s->K; k++) {
        const size_t at = (runtime ? n : k) * kernel + o * depth + i;
        r->gradient[WEIGHT][at] += g * scale * attention_of(p, n, k);
        r->gradient[KERNELS][n * s->K + k] += g * scale * p->value[WEIGHT][at];
      }
    }
  }
}

static reference_results reference_compute(const mixture_problem *p, bool runtime) {
  const geometry *s = &p->shape;
  const size_t kernel = reference_kernel_size(s), pixels = (size_t)s->Ho * s->Wo;
  const size_t inputs = (size_t)s->C * s->H * s->W, outputs = s->O * pixels;
  reference_results r = {.y = doubles(NULL, p->outputs)};
  for (int i = 0; i < TENSORS; i++) r.gradient[i] = doubles(NULL, p->sizes[i]);
  double *x = doubles(p->value[X], p->sizes[X]), *gy = doubles(p->grad_y, p->outputs);
  double *u = doubles(NULL, kernel), *w = doubles(NULL, kernel), *b = doubles(NULL, (size_t)s->O);
  for (int32_t n = 0; n < s->N; n++) {
    double *gw = doubles(NULL, kernel), *gb = doubles(NULL, (size_t)s->O);
    reference_mix(p, runtime, n, u, w, b);
    convolution_reference_forward(s, x + n * inputs, w, b, r.y + n * outputs);
    convolution_reference_backward(s, x + n * inputs, w, gy + n * outputs, r.gradient[X] + n * inputs, gw);
    for (size_t i = 0; i < outputs; i++) gb[i / pixels] += gy[n * outputs + i];
    reference_mix_backward(p, runtime, n, u, gw, gb, &r);
    free(gw), free(gb);
  }
  free(x), free(gy), free(u), free(w), free(b);
  return r;
}

static void free_results(reference_results *r) {
  for (int i = 0; i < TENSORS; i++) free(r->gradient[i]);
  free(r->y);
}

/* ------------------------------------------------------------------------------ comparison */

static bool agree(const float *got, const double *want, size_t count, double tolerance, const char *what) {
  double largest = 1;
  for (size_t i = 0; i < count; i++) largest = fmax(largest, 1 + fabs(want[i]));
  for (size_t i = 0; i < count; i++)
    if (!(fabs(got[i] - want[i]) <= tolerance * largest)) {
      printf("  %s[%zu]: got %.9g, expected %.9g, allowed difference %.3g\n", what, i, (double)got[i],
             want[i], tolerance * largest);
      return false;
    }
  return true;
}

/* Results of the library, between guards. */
typedef struct library_results {
  float *gradient[TENSORS], *y;
} library_results;

static library_results make_results(const mixture_problem *p) {
  library_results r = {.y = guarded_alloc(sizeof(float) * p->outputs)};
  for (int i = 0; i < TENSORS; i++) {
    r.gradient[i] = guarded_alloc(sizeof(float) * p->sizes[i]);
    /* Gradients of parameters are added to. All others must be written: they begin as NaN. */
    if (i == WEIGHT || i == BIAS) memset(r.gradient[i], 0, sizeof(float) * p->sizes[i]);
  }
  return r;
}

static void free_library(library_results *r) {
  for (int i = 0; i < TENSORS; i++) guarded_free(r->gradient[i]);
  guarded_free(r->y);
}

static bool compare(const mixture_problem *p, const library_results *got, const reference_results *want) {
  bool ok = agree(got->y, want->y, p->outputs, OUTPUT_TOLERANCE, "y") &&
            guards_hold(got->y, sizeof(float) * p->outputs, "y");
  for (int i = 0; i < TENSORS; i++) {
    if (p->has[i]) ok &= agree(got->gradient[i], want->gradient[i], p->sizes[i], TOLERANCE, names[i]);
    ok &= guards_hold(got->gradient[i], sizeof(float) * p->sizes[i], names[i]);
  }
  return ok;
}

static dk_aggregation *make_aggregation(const mixture_problem *p, dk_algorithm id) {
  dk_aggregation_config config = p->config;
  dk_aggregation *made;
  config.algorithm = (int32_t)id;
  if (dk_aggregation_create(&config, &made)) abort();
  return made;
}

static bool run_mixture(dk_context *context, const mixture_problem *p, dk_algorithm id, library_results *r) {
  const geometry *s = &p->shape;
  dk_aggregation *aggregation = make_aggregation(p, id);
  for (int32_t k = 0; k < s->K; k++)
    dk_aggregation_write(aggregation, k, 0, s->O, p->value[WEIGHT] + k * reference_kernel_size(s));
  if (p->has[BIAS]) memcpy(dk_aggregation_bias(aggregation), p->value[BIAS], sizeof(float) * p->sizes[BIAS]);
  float *factors[TENSORS] = {0}, *gradients[TENSORS] = {0};
  for (int i = KERNELS; i <= TAPS; i++)
    if (p->has[i]) factors[i] = p->value[i], gradients[i] = r->gradient[i];
  const dk_mixture mixture = {factors[KERNELS], factors[OUTPUTS], factors[INPUTS], factors[TAPS]};
  const dk_mixture_gradients into = {gradients[KERNELS], gradients[OUTPUTS], gradients[INPUTS],
                                     gradients[TAPS]};
  const dk_aggregation_gradients parameters = {r->gradient[WEIGHT], r->gradient[BIAS]};
  const bool ok =
      !dk_aggregation_forward(context, aggregation, p->value[X], &mixture, s->N, s->H, s->W, r->y) &&
      !dk_aggregation_backward(context, aggregation, p->value[X], &mixture, s->N, s->H, s->W, p->grad_y,
                               r->gradient[X], &into, &parameters);
  dk_aggregation_destroy(aggregation);
  return ok;
}

static bool run_runtime(dk_context *context, const mixture_problem *p, dk_algorithm id, library_results *r) {
  const geometry *s = &p->shape;
  dk_aggregation *aggregation = make_aggregation(p, id);
  const float *bias = p->has[BIAS] ? p->value[BIAS] : NULL;
  const bool ok =
      !dk_convolution_forward(context, aggregation, p->value[X], p->value[WEIGHT], bias, s->N, s->H, s->W,
                              r->y) &&
      !dk_convolution_backward(context, aggregation, p->value[X], p->value[WEIGHT], s->N, s->H, s->W,
                               p->grad_y, r->gradient[X], r->gradient[WEIGHT], r->gradient[BIAS]);
  dk_aggregation_destroy(aggregation);
  return ok;
}

static int check_all(uint32_t seed, int count, bool runtime) {
  const char *what = runtime ? "runtime convolution" : "mixture";
  random_state random = {seed};
  dk_context *context = dk_context_create();
  int failures = 0;
  for (int i = 0; i < count; i++) {
    mixture_problem p = random_mixture(&random, runtime);
    reference_results want = reference_compute(&p, runtime);
    dk_context_set_threads(context, 1 + i % 3); /* no workers: this thread computes all parts */
    for (int id = DK_ALGORITHM_AUTO; id <= DK_ALGORITHM_REFERENCE; id++) {
      library_results got = make_results(&p);
      const bool ran = (runtime ? run_runtime : run_mixture)(context, &p, (dk_algorithm)id, &got);
      if (!ran || !compare(&p, &got, &want)) {
        print_mixture(&p, what, seed, i);
        failures++;
      }
      free_library(&got);
    }
    free_results(&want);
    free_mixture(&p);
  }
  dk_context_destroy(context);
  printf("%-10s compared with the reference on %d configurations\n", what, count);
  return failures;
}

int check_mixtures(uint32_t seed, int count) { return check_all(seed, count, false); }

int check_runtime_convolutions(uint32_t seed, int count) { return check_all(seed, count, true); }
