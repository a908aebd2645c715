/* See check_call.h. Each call is computed by the reference without steps, on contiguous planes; then the
 * steps' reference follows. All algorithms must agree with that, and leave what is between planes as it was.
 */
#include "check_call.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convolution/convolution.h"
#include "inner/matmul_lanes.h"
#include "support.h"

static const double TOLERANCE = 2e-5;

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof *(array)))

/* More than the number of algorithms. */
enum { MOST_ALGORITHMS = 32 };

/* A tensor [N, channels, plane] with gaps between planes and between samples. */
typedef struct apart {
  int32_t N, channels;
  size_t plane, channel, sample, floats;
  float *data;
} apart;

static apart apart_alloc(random_state *random, int32_t N, int32_t channels, size_t plane) {
  apart t = {.N = N, .channels = channels, .plane = plane};
  t.channel = plane + (size_t)random_between(random, 0, 1) * (size_t)random_between(random, 1, 9);
  t.sample =
      channels * t.channel + (size_t)random_between(random, 0, 1) * (size_t)random_between(random, 1, 9);
  t.floats = (N - 1) * t.sample + (channels - 1) * t.channel + plane;
  t.data = guarded_alloc(sizeof(float) * t.floats);
  return t;
}

static float *apart_plane(const apart *t, int32_t n, int32_t c) {
  return t->data + n * t->sample + c * t->channel;
}

/* Between planes guarded_alloc's NaN stay. */
static void apart_write(const apart *t, const float *contiguous) {
  for (int32_t i = 0; i < t->N * t->channels; i++)
    memcpy(apart_plane(t, i / t->channels, i % t->channels), contiguous + i * t->plane,
           sizeof(float) * t->plane);
}

/* Copies the planes out, and overwrites them with the bits of an untouched tensor's first value. */
static void apart_take(const apart *t, float *contiguous, const float *untouched) {
  for (int32_t i = 0; i < t->N * t->channels; i++) {
    float *plane = apart_plane(t, i / t->channels, i % t->channels);
    memcpy(contiguous + i * t->plane, plane, sizeof(float) * t->plane);
    for (size_t j = 0; j < t->plane; j++) memcpy(plane + j, untouched, sizeof(float));
  }
}

enum { FACTORS = 3 };

typedef struct call_problem {
  geometry shape;
  packed_kernels kernels;
  float *weight, *bias, *a, *x; /* contiguous */
  float *factors[FACTORS];      /* f, s and q of dk_mixture, or NULL */
  epilogue steps;
  float *operands[MAX_STEPS][2]; /* what the steps point to */
  size_t x_floats, y_floats;
} call_problem;

/* Draws the window's part of the shape along one axis: R, stride, dilation, padding and lengths. */
static axis random_axis(random_state *random, const axis *like) {
  static const int32_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 16, 17, 24, 25, 31, 33};
  static const int32_t kernel_sizes[] = {1, 1, 1, 1, 2, 3, 3, 3, 5, 7, 9};
  axis d;
  do {
    if (like) {
      d = *like;
    } else {
      d.R = random_of(random, kernel_sizes, COUNT(kernel_sizes));
      d.stride = random_between(random, 0, 2) ? 1 : random_between(random, 2, 3);
      d.dilation = d.R == 1 || random_between(random, 0, 3) ? 1 : 2;
    }
    d.before = random_between(random, 0, 1) ? d.R / 2 * d.dilation : 0;
    d.after = random_between(random, 0, 3) ? d.before : random_between(random, 0, 3);
    d.inputs = random_of(random, sizes, COUNT(sizes));
    d.outputs = (d.inputs + d.before + d.after - d.dilation * (d.R - 1) - 1) / d.stride + 1;
  } while (d.dilation * (d.R - 1) + 1 > d.inputs + d.before + d.after);
  return d;
}

static geometry random_shape(random_state *random, bool is_static) {
  static const int32_t channels[] = {1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 23, 24, 25, 33, 47, 48, 50};
  const int32_t kind = random_between(random, 0, 5), N = random_between(random, 1, 3);
  int32_t C = random_of(random, channels, COUNT(channels)), O = random_of(random, channels, COUNT(channels));
  int32_t G = 1;
  if (kind == 0) { /* depthwise, with a multiplier */
    G = C;
    O = C * random_between(random, 1, 2);
  } else if (kind == 1) { /* grouped */
    G = random_between(random, 2, 3);
    C = G * random_between(random, 1, 9);
    O = G * random_between(random, 1, 20);
  }
  /* Mostly the same in both directions, as some algorithms want it. */
  axis down = random_axis(random, NULL),
       across = random_axis(random, random_between(random, 0, 3) ? &down : NULL);
  if (random_between(random, 0, 20) == 0) { /* several chunks and panels */
    across.inputs += 520 * across.stride;
    across.outputs += 520;
  }
  return (geometry){
      .N = N,
      .C = C,
      .O = O,
      .G = G,
      .K = is_static ? 1 : random_between(random, 1, 5),
      .Rh = down.R,
      .Rw = across.R,
      .stride_h = down.stride,
      .stride_w = across.stride,
      .dilation_h = down.dilation,
      .dilation_w = across.dilation,
      .top = down.before,
      .left = across.before,
      .bottom = down.after,
      .right = across.after,
      .H = down.inputs,
      .W = across.inputs,
      .Ho = down.outputs,
      .Wo = across.outputs,
  };
}

static float *random_floats(random_state *random, size_t count) {
  float *values = malloc(sizeof(float) * count);
  random_fill(random, values, count);
  return values;
}

/* f [N, O], s [N, C] and q [N, Rh*Rw]: often none, else each with or without the others. */
static void random_factors(random_state *random, const geometry *shape, float *factors[FACTORS]) {
  const int32_t sizes[FACTORS] = {shape->O, shape->C, geometry_taps(shape)};
  const int32_t which = random_between(random, 0, 1) ? random_between(random, 0, 7) : 0;
  for (int i = 0; i < FACTORS; i++)
    if (which >> i & 1) factors[i] = random_floats(random, (size_t)shape->N * sizes[i]);
}

static dk_mixture call_mixture(const call_problem *p, bool mixed) {
  return (dk_mixture){mixed ? p->a : NULL, p->factors[0], p->factors[1], p->factors[2]};
}

static bool is_scaled(const call_problem *p) { return p->factors[0] || p->factors[1] || p->factors[2]; }

/* One step, whose operands are allocated. Steps that would amplify small differences are left out. */
static epilogue_step random_step(random_state *random, const geometry *shape, float *operands[2]) {
  static const dk_op unary[] = {DK_OP_RELU, DK_OP_RELU,       DK_OP_RELU,         DK_OP_CLIP,
                                DK_OP_CLIP, DK_OP_LEAKY_RELU, DK_OP_HARD_SWISH,   DK_OP_SIGMOID,
                                DK_OP_TANH, DK_OP_SILU,       DK_OP_HARD_SIGMOID, DK_OP_NEGATE};
  static const dk_op binary[] = {DK_OP_ADD,      DK_OP_ADD,     DK_OP_ADD,     DK_OP_SUBTRACT,
                                 DK_OP_MULTIPLY, DK_OP_MINIMUM, DK_OP_MAXIMUM, DK_OP_PRELU};
  const int32_t pixels = shape->Ho * shape->Wo;
  epilogue_step step = {.p = {random_float(random) - 0.5f, random_float(random) + 0.5f}};
  switch (random_between(random, 0, 3)) {
  case 0:
    step.op = DK_OP_BATCH_NORM;
    for (int i = 0; i < 2; i++)
      if (random_between(random, 0, 3)) operands[i] = random_floats(random, (size_t)shape->O);
    step.scale = operands[0];
    step.shift = operands[1];
    return step;
  case 1:
    step.op = binary[random_between(random, 0, COUNT(binary) - 1)];
    if (random_between(random, 0, 1)) { /* a value for each pixel, planes apart */
      step.stride[1] = pixels + random_between(random, 0, 5);
      step.stride[2] = 1;
    } else { /* for each channel */
      step.stride[1] = random_between(random, 1, 3);
    }
    step.stride[0] = shape->O * step.stride[1] + random_between(random, 0, 5);
    step.reversed = random_between(random, 0, 2) == 0;
    operands[0] = random_floats(random, (size_t)shape->N * step.stride[0]);
    step.operand = operands[0];
    return step;
  default:
    step.op = unary[random_between(random, 0, COUNT(unary) - 1)];
    return step;
  }
}

static call_problem random_call(random_state *random, int index) {
  call_problem p = {.shape = random_shape(random, index % 2)};
  geometry *s = &p.shape;
  const size_t depth = (size_t)(s->C / s->G) * geometry_taps(s);
  kernels_layout(s->K, s->O, s->G, (uint64_t)(s->C / s->G), (uint64_t)geometry_taps(s), s->C == s->G,
                 &p.kernels);
  const size_t packed = (size_t)p.kernels.blocks * s->K * depth * LANES;
  p.kernels.data = calloc(packed, sizeof(float));
  p.weight = random_floats(random, s->K * s->O * depth);
  for (int32_t k = 0; k < s->K; k++) kernels_pack(&p.kernels, k, 0, s->O, p.weight + k * s->O * depth);
  p.bias = random_between(random, 0, 1) ? random_floats(random, (size_t)s->K * s->O) : NULL;
  p.a = random_floats(random, (size_t)s->N * s->K);
  random_factors(random, s, p.factors);
  p.x_floats = (size_t)s->N * s->C * s->H * s->W;
  p.y_floats = (size_t)s->N * s->O * s->Ho * s->Wo;
  p.x = random_floats(random, p.x_floats);
  if (random_between(random, 0, 15) == 0) { /* a value that is not finite */
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    p.x[random_u32(random) % p.x_floats] = odd[random_between(random, 0, 2)];
  }
  p.steps.count = random_between(random, 0, 4);
  for (int32_t i = 0; i < p.steps.count; i++) p.steps.step[i] = random_step(random, s, p.operands[i]);
  return p;
}

static void free_call(call_problem *p) {
  free(p->kernels.data), free(p->weight), free(p->bias), free(p->a), free(p->x);
  for (int i = 0; i < FACTORS; i++) free(p->factors[i]);
  for (int32_t i = 0; i < MAX_STEPS; i++) free(p->operands[i][0]), free(p->operands[i][1]);
}

static void print_call(const call_problem *p, const char *what, uint32_t seed, int index) {
  const geometry *s = &p->shape;
  printf("FAILED call, %s: N=%d C=%d O=%d G=%d K=%d R=%dx%d stride=%dx%d dilation=%dx%d padding=%d %d %d %d "
         "H=%d W=%d "
         "steps",
         what, s->N, s->C, s->O, s->G, s->K, s->Rh, s->Rw, s->stride_h, s->stride_w, s->dilation_h,
         s->dilation_w, s->top, s->left, s->bottom, s->right, s->H, s->W);
  for (int32_t i = 0; i < p->steps.count; i++) printf(" %d", (int)p->steps.step[i].op);
  printf(" factors f=%d s=%d q=%d", p->factors[0] != NULL, p->factors[1] != NULL, p->factors[2] != NULL);
  printf(" (seed %u, number %d)\n", seed, index);
}

/* How the kernels reach a call. */
typedef enum source { MIXED, AS_THEY_ARE, PREPARED } source;

/* y of the problem by one algorithm: planes apart, steps in the call. */
static bool run_call(dk_context *context, random_state *random, const call_problem *p,
                     const algorithm *chosen, source kernels, float *y) {
  const geometry *s = &p->shape;
  const apart x = apart_alloc(random, s->N, s->C, (size_t)s->H * s->W);
  const apart out = apart_alloc(random, s->N, s->O, (size_t)s->Ho * s->Wo);
  float *untouched = guarded_alloc(sizeof(float) * out.floats);
  apart_write(&x, p->x);
  const size_t bytes = (size_t)batch_workspace(context, chosen, s);
  void *workspace = aligned_alloc(64, round_up(bytes, 64));
  const size_t prepared_bytes = (size_t)convolution_prepared_bytes(chosen, s);
  void *prepared = NULL;
  if (kernels == PREPARED) {
    prepared = aligned_alloc(64, round_up(prepared_bytes, 64));
    plant_subnormals(prepared, prepared_bytes);
    convolution_prepare(chosen, s, &p->kernels, prepared);
  }
  plant_subnormals(workspace, bytes);
  convolve_batch(context, &(convolution_call){.chosen = chosen,
                                              .shape = s,
                                              .kernels = &p->kernels,
                                              .bias = p->bias,
                                              .prepared = prepared,
                                              .mixture = call_mixture(p, kernels == MIXED),
                                              .x = x.data,
                                              .x_sample = x.sample,
                                              .x_channel = x.channel,
                                              .y = out.data,
                                              .y_sample = out.sample,
                                              .y_channel = out.channel,
                                              .steps = p->steps.count ? &p->steps : NULL,
                                              .workspace = workspace});
  /* Some activations make subnormal numbers. */
  bool ok = (p->steps.count || met_no_subnormal(chosen->name)) &&
            guards_hold(out.data, sizeof(float) * out.floats, chosen->name);
  apart_take(&out, y, untouched);
  if (memcmp(out.data, untouched, sizeof(float) * out.floats) != 0) {
    printf("%s wrote between planes\n", chosen->name);
    ok = false;
  }
  free(workspace), free(prepared);
  guarded_free(untouched), guarded_free(out.data), guarded_free(x.data);
  return ok;
}

static double largest(const float *values, size_t count) {
  double most = 0;
  for (size_t i = 0; i < count; i++)
    if (isfinite(values[i])) most = fmax(most, fabs((double)values[i]));
  return most;
}

/* What all algorithms are compared with. Returns the tolerance for close_to: that of the convolution, whose
 * outputs the steps may make smaller. A step's slope is 1.5 at most. */
static double reference_call(dk_context *context, const call_problem *p, float *y) {
  const geometry *s = &p->shape;
  const algorithm *reference = plan_convolution(s, DK_ALGORITHM_REFERENCE);
  void *workspace = aligned_alloc(64, round_up(batch_workspace(context, reference, s), 64));
  const dk_mixture mixture = call_mixture(p, true);
  const convolution_call call =
      contiguous_call(reference, s, &p->kernels, p->bias, p->x, &mixture, y, workspace);
  convolve_batch(context, &call);
  const size_t pixels = (size_t)s->Ho * s->Wo;
  const double before = 1 + largest(y, p->y_floats);
  for (int32_t i = 0; i < s->N * s->O; i++)
    epilogue_apply_reference(&p->steps, i / s->O, i % s->O, 0, pixels, y + i * pixels, y + i * pixels);
  free(workspace);
  if (!p->steps.count) return TOLERANCE;
  return 1.5 * TOLERANCE * fmax(1, before / (1 + largest(y, p->y_floats)));
}

static int check_call(dk_context *context, random_state *random, const call_problem *p, uint32_t seed,
                      int index, int compared[MOST_ALGORITHMS], int *prepared) {
  float *want = malloc(sizeof(float) * p->y_floats), *y = malloc(sizeof(float) * p->y_floats);
  float *fixed = malloc(sizeof(float) * p->y_floats);
  int failures = 0;
  const bool is_static = p->shape.K == 1;
  if (is_static)
    for (int32_t n = 0; n < p->shape.N; n++) p->a[n] = 1;
  const double tolerance = reference_call(context, p, want);
  for (int32_t id = 0; dk_algorithm_name(id); id++) {
    const algorithm *chosen = plan_convolution(&p->shape, (dk_algorithm)id);
    if (!chosen) continue;
    bool ok = run_call(context, random, p, chosen, MIXED, y) &&
              close_to(y, want, p->y_floats, tolerance, chosen->name);
    /* Static kernels give the same numbers as an attention of 1. */
    if (ok && is_static)
      ok = run_call(context, random, p, chosen, AS_THEY_ARE, fixed) &&
           close_to(fixed, y, p->y_floats, 0, "static kernels");
    /* So do prepared ones, unless batch norm is applied in another order. */
    if (ok && !is_scaled(p) && convolution_prepared_bytes(chosen, &p->shape)) {
      const bool scaled = p->steps.count && p->steps.step[0].op == DK_OP_BATCH_NORM;
      ok = run_call(context, random, p, chosen, PREPARED, fixed) &&
           close_to(fixed, scaled ? want : y, p->y_floats, scaled ? tolerance : 0, "prepared kernels");
      *prepared += 1;
    }
    if (!ok) {
      print_call(p, chosen->name, seed, index);
      failures++;
    }
    compared[id ? (int32_t)chosen->id : 0]++;
  }
  free(want), free(y), free(fixed);
  return failures;
}

int check_calls(uint32_t seed, int count) {
  random_state random = {seed};
  int failures = 0, prepared = 0, compared[MOST_ALGORITHMS] = {0};
  dk_context *context = dk_context_create();
  for (int i = 0; i < count; i++) {
    call_problem p = random_call(&random, i);
    dk_context_set_threads(context, 1 + i % 4); /* no workers: the caller computes all parts */
    failures += check_call(context, &random, &p, seed, i, compared, &prepared);
    free_call(&p);
  }
  dk_context_destroy(context);
  for (int32_t id = 0; dk_algorithm_name(id); id++)
    if (count >= 200 && !compared[id]) {
      printf("FAILED %s: no random call was one that it covers\n", dk_algorithm_name(id));
      failures++;
    }
  if (count >= 200 && !prepared) {
    printf("FAILED prepared kernels: no random call had any\n");
    failures++;
  }
  printf("%d calls with steps and planes apart, %d with prepared kernels\n", count, prepared);
  return failures;
}

int check_matmul_lanes(uint32_t seed) {
  random_state random = {seed};
  int failures = 0;
  for (int32_t rows = 1; rows <= 9; rows++)
    for (int32_t depth = 1; depth <= 13; depth++)
      for (int32_t count = 1; count <= LANES; count++) {
        /* Either rows or elements lie side by side, in x and in y. */
        const bool x_by_rows = random_between(&random, 0, 1), y_by_rows = random_between(&random, 0, 1);
        matmul_lanes_operands work = {.x_row = x_by_rows ? depth + 3 : 1,
                                      .x_step = x_by_rows ? 1 : rows + 2,
                                      .depth = depth,
                                      .rows = rows,
                                      .count = count,
                                      .y_row = y_by_rows ? count + 2 : 1,
                                      .y_step = y_by_rows ? 1 : rows + 3};
        const size_t xs = (size_t)((rows - 1) * work.x_row + (depth - 1) * work.x_step + 1);
        const size_t ys = (size_t)((rows - 1) * work.y_row + (count - 1) * work.y_step + 1);
        float *w = guarded_alloc(sizeof(float) * depth * LANES), *x = guarded_alloc(sizeof(float) * xs);
        float *y = guarded_alloc(sizeof(float) * ys), *want = guarded_alloc(sizeof(float) * ys), bias[LANES];
        random_fill(&random, w, (size_t)depth * LANES), random_fill(&random, x, xs);
        random_fill(&random, bias, LANES);
        work.w = w, work.x = x, work.y = y;
        work.bias = random_between(&random, 0, 1) ? bias : NULL;
        matmul_lanes(&work);
        for (int32_t i = 0; i < rows; i++)
          for (int32_t m = 0; m < count; m++) {
            double sum = work.bias ? (double)bias[m] : 0;
            for (int32_t c = 0; c < depth; c++)
              sum += (double)w[c * LANES + m] * (double)x[i * work.x_row + c * work.x_step];
            want[i * work.y_row + m * work.y_step] = (float)sum;
          }
        if (!close_to(y, want, ys, 1e-6, "matmul_lanes") ||
            !guards_hold(y, sizeof(float) * ys, "matmul_lanes")) {
          printf("FAILED matmul_lanes: rows=%d depth=%d count=%d (seed %u)\n", rows, depth, count, seed);
          failures++;
        }
        guarded_free(w), guarded_free(x), guarded_free(y), guarded_free(want);
      }
  return failures;
}
