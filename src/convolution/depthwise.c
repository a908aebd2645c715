/* Depthwise convolution: every output channel reads one input channel (C/G = 1), any multiplier, kernel size,
 * stride and dilation.
 *
 * Nearly all depthwise kernels are 3x3 with a stride of 1 or 2 and a padding of 0 or 1: these read a channel
 * where it lies (inner/plane_depthwise_3x3.h). For others a channel is written out with its padding in strips
 * of rows, which stay in the first-level cache (inner/strip.h), and strips are convolved
 * (inner/plane_depthwise.h). If no column is padded, as with kernels of one column, only the rows at the
 * upper and lower edge are written out: copying all takes as long as several taps. */
#include "convolution/convolution.h"
#include "inner/plane_depthwise.h"
#include "inner/plane_depthwise_3x3.h"
#include "inner/strip.h"

enum {
  STRIP_FLOATS = 24 * 1024 / 4, /* of padded input */
  SMALL_PLANE = 768,            /* floats: eight of them stay in the first-level cache */
};

/* Whether rows of the channel are convolved where they lie. That does not pay if many are at an edge. */
static bool depthwise_reads_rows(const geometry *shape) {
  return shape->left == 0 && shape->right == 0 && shape->stride_w == 1 && shape->Wo >= DEPTHWISE_COLUMNS &&
         4 * (shape->top + shape->bottom) <= shape->Ho;
}

static strip depthwise_layout_of(const geometry *shape) {
  strip layout = strip_layout(shape, 1, DEPTHWISE_COLUMNS, DEPTHWISE_ROWS, STRIP_FLOATS);
  /* Rows that are written out then look like the others. */
  if (depthwise_reads_rows(shape)) layout.width = layout.row = shape->W;
  return layout;
}

/* The workspace: offsets [Rh*Rw], mixed [Rh*Rw, 8], padded strip. */
static size_t depthwise_offset_floats(const geometry *shape) {
  return round_up((size_t)shape->Rh * shape->Rw, 16);
}
static size_t depthwise_mixed_floats(const geometry *shape) {
  return round_up((size_t)shape->Rh * shape->Rw * LANES, 16);
}

static uint64_t depthwise_workspace(const geometry *shape) {
  return (uint64_t)sizeof(float) *
         (depthwise_offset_floats(shape) + depthwise_mixed_floats(shape) + depthwise_layout_of(shape).plane);
}

/* Whether inner/plane_depthwise_3x3.h covers the shape. */
static bool depthwise_reads_planes(const geometry *shape) {
  return shape->Rh == 3 && shape->Rw == 3 && shape->stride_h <= 2 && shape->stride_w <= 2 &&
         shape->dilation_h == 1 && shape->dilation_w == 1 && shape->top <= 1 && shape->left <= 1 &&
         shape->bottom <= 1 && shape->right <= 1 && shape->Wo > 4;
}

/* Output rows begin .. end - 1 have all their taps in the image. */
typedef struct inside_rows {
  int32_t begin, end;
} inside_rows;

static inside_rows depthwise_inside_rows(const geometry *shape) {
  const int32_t last = shape->H - 1 - shape->dilation_h * (shape->Rh - 1) + shape->top;
  return (inside_rows){(shape->top + shape->stride_h - 1) / shape->stride_h,
                       last < 0 ? 0 : last / shape->stride_h + 1};
}

/* One output channel, strip by strip. */
static void depthwise_convolve_strips(const convolution *work, const strip *layout, const float *x,
                                      const int32_t *offset, const float *weight, float bias, float *y,
                                      float *padded) {
  const geometry *shape = work->shape;
  const bool reads_rows = depthwise_reads_rows(shape);
  const inside_rows inside = depthwise_inside_rows(shape);
  int32_t rows;
  for (int32_t oy = work->first_row; oy < work->end_row; oy += rows) {
    /* The rest of the rows, those that are inside, or as many as a strip has. */
    const bool in_place = reads_rows && oy >= inside.begin && oy < inside.end;
    rows = work->end_row - oy;
    if (in_place)
      rows = min_i32(rows, inside.end - oy);
    else if (reads_rows && oy < inside.begin)
      rows = min_i32(rows, inside.begin - oy);
    if (!in_place) {
      rows = min_i32(rows, layout->rows_out);
      strip_fill(shape, layout, x, oy, rows, padded);
    }
    const float *input = in_place ? x + (size_t)(oy * shape->stride_h - shape->top) * shape->W : padded;
    plane_depthwise_convolve(&(depthwise_strip){.input = input,
                                                .row = layout->row,
                                                .Rh = shape->Rh,
                                                .Rw = shape->Rw,
                                                .stride_h = shape->stride_h,
                                                .stride_w = shape->stride_w,
                                                .dilation_h = shape->dilation_h,
                                                .dilation_w = shape->dilation_w,
                                                .offset = offset,
                                                .weight = weight,
                                                .bias = bias,
                                                .y = y + (size_t)oy * shape->Wo,
                                                .rows = rows,
                                                .Wo = shape->Wo,
                                                .clamp = work->steps->clamp});
  }
}

/* `count` output channels from o on, whose input channels follow each other. */
static void depthwise_convolve_planes(const convolution *work, const float *x, int32_t o, int32_t count,
                                      const float *weight, const float *bias) {
  const geometry *shape = work->shape;
  depthwise_3x3_convolve(&(depthwise_3x3_planes){.channels = count,
                                                 .x = x,
                                                 .x_channel = work->x_channel,
                                                 .y_channel = work->y_channel,
                                                 .H = shape->H,
                                                 .W = shape->W,
                                                 .top = shape->top,
                                                 .left = shape->left,
                                                 .stride_h = shape->stride_h,
                                                 .stride_w = shape->stride_w,
                                                 .weight = weight,
                                                 .bias = bias,
                                                 .y = work->y + o * work->y_channel,
                                                 .Wo = shape->Wo,
                                                 .first_row = work->first_row,
                                                 .end_row = work->end_row,
                                                 .clamp = work->steps->clamp});
}

static void depthwise_convolve(const convolution *work) {
  const geometry *shape = work->shape;
  const packed_kernels *kernels = work->kernels;
  const strip layout = depthwise_layout_of(shape);
  const int32_t multiplier = shape->O / shape->G, rows = work->end_row - work->first_row;
  const bool reads_planes = depthwise_reads_planes(shape);
  /* Small planes go eight channels at a time, since beginning takes as long as computing them. */
  const bool together = reads_planes && multiplier == 1 && shape->H * shape->W <= SMALL_PLANE;
  int32_t *offset = work->workspace;
  float *mixed = (float *)work->workspace + depthwise_offset_floats(shape);
  float *padded = mixed + depthwise_mixed_floats(shape);
  assert_work(&depthwise_algorithm, work);
  if (!reads_planes) strip_taps(shape, &layout, 1, offset);

  for (int32_t block = work->first_block; block < work->end_block; block++) {
    /* Mix the kernels of eight output channels. */
    const channel_block channels = kernels_block(kernels, block);
    float bias[LANES];
    const float *weight = convolution_kernels(work, block, 0, kernels->depth, mixed);
    convolution_bias(work, block, bias);

    /* Convolve each with its input channel. */
    const int32_t step = together ? channels.count : 1;
    for (int32_t lane = 0; lane < channels.count; lane += step) {
      const int32_t o = channels.first + lane;
      const float *x = work->x + (o / multiplier) * work->x_channel;
      if (reads_planes)
        depthwise_convolve_planes(work, x, o, step, weight + lane, bias + lane);
      else
        depthwise_convolve_strips(work, &layout, x, offset, weight + lane, bias[lane],
                                  work->y + o * work->y_channel, padded);
      convolution_finish_rows(work, (channel_block){o, step}, work->first_row, rows);
    }
  }
}

static bool depthwise_covers(const geometry *shape) { return shape->C == shape->G; }

/* One input channel in all is no depthwise convolution: direct convolution shares its loads. */
static double depthwise_cost(const geometry *shape) { return shape->G > 1 ? UNLESS_ALWAYS : NEVER; }

const algorithm depthwise_algorithm = {.id = DK_ALGORITHM_DEPTHWISE,
                                       .name = "depthwise",
                                       .tile = 1,
                                       .prefix = PREFIX_SCALE | PREFIX_CLAMP,
                                       .specialised = true,
                                       .covers = depthwise_covers,
                                       .cost = depthwise_cost,
                                       .workspace = depthwise_workspace,
                                       .convolve = depthwise_convolve};
