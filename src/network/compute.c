/* Computes one layer: one function for each kind. */
#include "base/assert.h"
#include "base/attributes.h"
#include "network/job.h"

SMALL_FILE

/* A window of `kernel` v, h, whose other attributes begin at attribute[0]. */
static void compute_window(const int32_t *attribute, const int32_t *kernel, sliding_window *made) {
  memcpy(made->kernel, kernel, sizeof made->kernel);
  memcpy(made->stride, attribute, sizeof made->stride);
  memcpy(made->padding, attribute + 2, sizeof made->padding);
  memcpy(made->dilation, attribute + 6, sizeof made->dilation);
}

/* ------------------------------------------------------------------------- convolutions */

/* Packs the kernels [O, C/G, Rh, Rw] that a layer before has computed. With no memory, only the layout is
 * written. */
static void compute_packed(const layer *of, const float *weight, float *memory, packed_kernels *kernels) {
  const geometry *shape = &of->shape;
  kernels_layout(1, shape->O, shape->G, (uint64_t)(shape->C / shape->G), (uint64_t)geometry_taps(shape),
                 shape->C == shape->G, kernels);
  kernels->data = memory;
  if (!memory) return;
  memset(memory, 0, (size_t)kernels->blocks * kernels->depth * LANES * sizeof(float));
  kernels_pack(kernels, 0, 0, shape->O, weight);
}

static size_t compute_packed_bytes(const layer *of) {
  packed_kernels kernels;
  if (of->form) return 0;
  compute_packed(of, NULL, NULL, &kernels);
  return (size_t)round_up((uint64_t)kernels.blocks * kernels.depth * LANES * sizeof(float), 64);
}

/* How far apart samples (axis 0) or channels (1) are. The stride of an axis of length 1 says nothing. */
static size_t compute_distance(const view *planes, int32_t axis) {
  size_t inner = 1;
  for (int32_t i = axis + 1; i < planes->rank; i++) inner *= (size_t)planes->shape[i];
  return planes->shape[axis] == 1 ? inner : (size_t)planes->stride[axis];
}

/* The factors of a dynamic convolution's kernels; those that are left out are NULL. */
static dk_mixture compute_mixture(const layer_job *job) {
  return (dk_mixture){.kernels = job_input(job, 1),
                      .outputs = job_input(job, 4),
                      .inputs = job_input(job, 5),
                      .taps = job_input(job, 6)};
}

static void compute_convolution(const layer_job *job) {
  const layer *of = job->layer;
  const size_t packed_bytes = compute_packed_bytes(of);
  convolution_call call = {.chosen = of->chosen,
                           .shape = &of->shape,
                           .prepared = of->prepared ? of->prepared->data : NULL,
                           .bias = job_bias(job),
                           .x = job->x.data,
                           .x_sample = compute_distance(&job->x, 0),
                           .x_channel = compute_distance(&job->x, 1),
                           .y = job->y.data,
                           .y_sample = compute_distance(&job->y, 0),
                           .y_channel = compute_distance(&job->y, 1),
                           .steps = of->steps,
                           .workspace = job->workspace + packed_bytes};
  if (of->op == DK_OP_DYNAMIC_CONV2D) call.mixture = compute_mixture(job);
  if (of->form) {
    call.kernels = &of->form->kernels;
    convolve_batch(job->context, &call);
    return;
  }
  /* Kernels that were computed: those of all samples, or of one sample after the other. */
  const int32_t samples = job->second.rank == 5 ? job->second.shape[0] : 1;
  const size_t each = view_elements(&job->second) / (size_t)samples;
  packed_kernels kernels;
  call.kernels = &kernels;
  for (; call.first_sample < samples; call.first_sample++) {
    compute_packed(of, job->second.data + (size_t)call.first_sample * each, (float *)job->workspace,
                   &kernels);
    convolve_batch(job->context, &call);
    call.x += call.x_sample;
    call.y += call.y_sample;
  }
}

static uint64_t convolution_workspace(const layer_job *job) {
  return batch_workspace(job->context, job->layer->chosen, &job->layer->shape) +
         compute_packed_bytes(job->layer);
}

static void compute_transposed_window(const layer_job *job, sliding_window *how) {
  const value *kernels = node_input(&job->schedule->described, job->first, 1);
  DK_ASSERT(kernels);
  compute_window(job->attribute, kernels->shape + 2, how);
}

static void compute_transposed(const layer_job *job) {
  sliding_window how;
  compute_transposed_window(job, &how);
  transposed_run(job->context, &how, job->attribute[8], &job->layer->form->kernels, job_bias(job),
                 job->layer->steps, &job->x, &job->y, job->workspace);
}

static uint64_t transposed_layer_workspace(const layer_job *job) {
  sliding_window how;
  compute_transposed_window(job, &how);
  return transposed_workspace(job->context, &how, job->attribute[8], &job->x, &job->y);
}

/* --------------------------------------------------------------------------- attention */

static void compute_attention_branch(const layer_job *job, attend_branch *branch) {
  const description *described = &job->schedule->described;
  const value *hidden = node_input(described, job->first, 1);
  *branch = (attend_branch){.C = job->x.shape[1],
                            .M = hidden ? hidden->shape[0] : 0,
                            .softmax = job->attribute[2] != 0,
                            .eps = (double)node_float(job->first, 0),
                            .temperature = (double)node_float(job->first, 1),
                            .hidden_weight = job_constant(job, 1),
                            .bn_weight = job_constant(job, 2),
                            .bn_bias = job_constant(job, 3),
                            .bn_mean = job_constant(job, 4),
                            .bn_variance = job_constant(job, 5)};
  for (int32_t h = 0; h < HEADS; h++) {
    const int32_t input = ATTENTION_HEADS + 2 * h;
    const value *weight = node_input(described, job->first, input);
    branch->head[h] = weight ? weight->shape[0] : 0;
    branch->weight[h] = job_constant(job, input);
    branch->bias[h] = job_constant(job, input + 1);
  }
}

static void compute_attention(const layer_job *job) {
  attend_branch branch;
  compute_attention_branch(job, &branch);
  float *outputs[HEADS] = {NULL};
  int32_t output = 0;
  for (int32_t h = 0; h < HEADS; h++) {
    view of_head;
    if (!branch.head[h]) continue;
    place_view_of(job->schedule, job->layer->output[output++], &of_head);
    outputs[h] = of_head.data;
  }
  network_attention_run(job->context, &branch, &job->x, outputs, job->workspace);
}

static uint64_t attention_workspace(const layer_job *job) {
  attend_branch branch;
  compute_attention_branch(job, &branch);
  return network_attention_workspace(&branch, &job->x);
}

/* ---------------------------------------------------------------------------- products */

/* Merges all axes but the last. */
static void compute_rows(view *of) {
  const int32_t features = of->shape[of->rank - 1];
  of->shape[0] = (int32_t)(view_elements(of) / (size_t)features);
  of->shape[1] = of->stride[0] = features;
  of->stride[1] = 1;
  of->rank = 2;
}

static void compute_linear(const layer_job *job) {
  view x = job->x, y = job->y;
  compute_rows(&x);
  compute_rows(&y);
  linear_run(job->context, &job->layer->form->kernels, job_bias(job), job->layer->steps, &x, &y);
}

/* Broadcasts an operand to y, by strides of 0; the last `own` axes keep their lengths. */
static void compute_broadcast(view *of, const view *y, int32_t own) {
  view made = {.data = of->data, .rank = y->rank};
  for (int32_t axis = 0; axis < y->rank; axis++) {
    const int32_t from = axis - (y->rank - of->rank), length = from < 0 ? 1 : of->shape[from];
    made.shape[axis] = axis < y->rank - own ? y->shape[axis] : length;
    made.stride[axis] = length == 1 && axis < y->rank - own ? 0 : of->stride[from];
  }
  *of = made;
}

static void compute_matmul(const layer_job *job) {
  view a = job->x, b = job->second;
  compute_broadcast(&a, &job->y, 2);
  compute_broadcast(&b, &job->y, 2);
  matmul_run(job->context, &a, &b, &job->y, job->workspace);
}

static uint64_t matmul_layer_workspace(const layer_job *job) {
  view a = job->x, b = job->second;
  compute_broadcast(&a, &job->y, 2);
  compute_broadcast(&b, &job->y, 2);
  return matmul_workspace(job->context, &a, &b, &job->y);
}

/* ------------------------------------------------------------------ element by element */

/* A layer of steps, or an operation of two values that no step can be. */
static void compute_elementwise(const layer_job *job) {
  view x = job->x, y = job->y;
  if (job->layer->steps) {
    job_planes(job, &x);
    job_planes(job, &y);
    chain_run(job->context, job->layer->steps, &x, &y);
    return;
  }
  view second = job->second;
  compute_broadcast(&x, &y, 0);
  compute_broadcast(&second, &y, 0);
  binary_run(job->context, job->layer->op, &x, &second, &y);
}

/* -------------------------------------------------------------------------------- sums */

static void compute_softmax(const layer_job *job) {
  softmax_run(job->context, job->attribute[0], &job->x, &job->y);
}

/* Axes that the output lacks get the length 1. */
static void compute_reduce(const layer_job *job) {
  const uint32_t axes = (uint32_t)job->attribute[0];
  view kept = {.data = job->y.data, .rank = job->x.rank};
  int32_t stride = 1;
  for (int32_t axis = kept.rank - 1; axis >= 0; axis--) {
    kept.shape[axis] = axes >> axis & 1 ? 1 : job->x.shape[axis];
    kept.stride[axis] = stride;
    stride *= kept.shape[axis];
  }
  reduce_run(job->context, job->layer->op, axes, &job->x, &kept);
}

static void compute_pool(const layer_job *job) {
  sliding_window how;
  compute_window(job->attribute + 2, job->attribute, &how);
  const bool counts = job->layer->op == DK_OP_AVERAGE_POOL && job->attribute[10];
  window_pool_run(job->context, job->layer->op, &how, counts, &job->x, &job->y);
}

static void compute_lrn(const layer_job *job) {
  const node *first = job->first;
  lrn_run(job->context, job->attribute[0], node_float(first, 1), node_float(first, 2), node_float(first, 3),
          &job->x, &job->y);
}

/* -------------------------------------------------------------------------- rearranging */

static void compute_copy(const layer_job *job) { copy_run(job->context, &job->x, &job->y); }

static void compute_pad(const layer_job *job) {
  pad_run(job->context, job->attribute[0], node_float(job->first, 1), job->attribute + 2, &job->x, &job->y);
}

static void compute_resize(const layer_job *job) {
  const resizing how = resize_of_node(job->first);
  resize_run(job->context, &how, &job->x, &job->y, job->workspace);
}

static uint64_t resize_layer_workspace(const layer_job *job) {
  const resizing how = resize_of_node(job->first);
  return resize_workspace(&how, &job->x, &job->y);
}

/* ------------------------------------------------------------------------------- table */

typedef struct computing {
  void (*compute)(const layer_job *job);
  uint64_t (*workspace)(const layer_job *job); /* NULL: none */
} computing;

/* Ops that are not listed are element by element. */
static const computing computing_of[DK_OP_LRN + 1] = {
    [DK_OP_COPY] = {compute_copy, NULL},
    [DK_OP_CONV2D] = {compute_convolution, convolution_workspace},
    [DK_OP_DYNAMIC_CONV2D] = {compute_convolution, convolution_workspace},
    [DK_OP_ATTENTION] = {compute_attention, attention_workspace},
    [DK_OP_CONV_TRANSPOSE2D] = {compute_transposed, transposed_layer_workspace},
    [DK_OP_LINEAR] = {compute_linear, NULL},
    [DK_OP_MATMUL] = {compute_matmul, matmul_layer_workspace},
    [DK_OP_SOFTMAX] = {compute_softmax, NULL},
    [DK_OP_REDUCE_MEAN] = {compute_reduce, NULL},
    [DK_OP_REDUCE_SUM] = {compute_reduce, NULL},
    [DK_OP_REDUCE_MAX] = {compute_reduce, NULL},
    [DK_OP_AVERAGE_POOL] = {compute_pool, NULL},
    [DK_OP_MAX_POOL] = {compute_pool, NULL},
    [DK_OP_CHANNEL_SHUFFLE] = {compute_copy, NULL},
    [DK_OP_PAD] = {compute_pad, NULL},
    [DK_OP_RESIZE] = {compute_resize, resize_layer_workspace},
    [DK_OP_DEPTH_TO_SPACE] = {compute_copy, NULL},
    [DK_OP_SPACE_TO_DEPTH] = {compute_copy, NULL},
    [DK_OP_LRN] = {compute_lrn, NULL},
};

uint64_t layer_workspace(dk_context *context, const dk_schedule *schedule, const layer *of) {
  layer_job job;
  if (!computing_of[of->op].workspace) return 0;
  job_bind(context, schedule, of, NULL, &job);
  return computing_of[of->op].workspace(&job);
}

void layer_compute(dk_context *context, const dk_schedule *schedule, const layer *of, void *workspace) {
  layer_job job;
  job_bind(context, schedule, of, workspace, &job);
  (computing_of[of->op].compute ? computing_of[of->op].compute : compute_elementwise)(&job);
}

SMALL_FILE_END
