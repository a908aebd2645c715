/* For each group a matrix product [O/G, depth] x [depth, Ho*Wo], depth = C/G * Rh*Rw. A row of the second
 * matrix is what one tap of one input channel reads: at Rh = Rw = 1, stride 1 and no padding a plane of the
 * input as it lies.
 *
 * For each group and panel of pixels:
 *
 *   1. copy      [depth][panel]     if a tap's pixels are apart, or planes are scattered; else x itself is
 * read
 *   2. for each three blocks of eight output channels
 *      a. mixed  [3][depth][8]      for each panel, unless those of all blocks fit a cache; a single kernel
 * is read where it lies b. y      the product (inner/matmul.h); the panel stays in a cache meanwhile */
#include "convolution/panels.h"

#include <string.h>

#include "inner/matmul.h"
#include "inner/matmul_lanes.h"
#include "inner/pad.h"

enum {
  PANEL_FLOATS = 384 * 1024 / 4, /* of input */
  COPY_FLOATS = 32 * 1024 / 4,   /* of a copied panel */
  LEAST_PANEL = 256,             /* pixels: mixing for fewer would show */
  MOST_COPY = 1024 * 1024 / 4,   /* floats of a copy with so many pixels: fits the second-level cache */
  LEAST_LARGE = 64,              /* pixels of a panel whose copy would not fit */
  COLUMNS = MATMUL_COLUMNS,
  LEAST_PIXELS = 4,            /* of a product whose vectors hold pixels */
  PRODUCT_BLOCKS = 3,          /* of a product: 24 rows, four tiles of six (inner/matmul.c) */
  MOST_MIXED = 256 * 1024 / 4, /* floats of mixed kernels that are kept */
  CACHE_SETS = 64,             /* of the first-level cache */
  CACHE_WAYS = 8,
  FEW_OUTPUTS = 2,  /* the panel is then read once, and a copy costs more than it saves */
  LINE_FLOATS = 16, /* of a cache line, on the processors with the shortest */
  PAGES = 64,       /* whose addresses the processor has at hand (the first-level TLB) */
  PAGE_FLOATS = 4096 / 4,
};

typedef struct panels_layout {
  int32_t pixels; /* of a panel: a multiple of 8, or whole rows if gathered, or all there are */
  bool copied;
  bool gathered; /* the copy is of pixels that are apart */
  size_t row;    /* floats from a tap to the next, of a copy */
} panels_layout;

/* Whether one pixel of every channel is more than its cache sets, or the TLB, can hold: the same pixel of all
 * channels falls into few sets if planes are a multiple of a large power of two apart. A copy is then
 * faster: 1.16 times as fast at 128 channels of 59x53 pixels, equally fast at 64 of 112x112. */
static bool panels_scattered(int32_t channels, int32_t pixels) {
  if (channels > PAGES && pixels > PAGE_FLOATS) return true;
  if (pixels % LINE_FLOATS) return false;
  int32_t sets = CACHE_SETS;
  for (int32_t lines = pixels / LINE_FLOATS; sets > 1 && lines % 2 == 0; lines /= 2) sets /= 2;
  return channels > sets * CACHE_WAYS;
}

static int32_t panels_depth(const geometry *shape) { return shape->C / shape->G * geometry_taps(shape); }

/* Pixels, a multiple of COLUMNS, whose values for all taps fit so many floats. */
static int32_t panels_fitting(const geometry *shape, int32_t floats) {
  return floats / panels_depth(shape) / COLUMNS * COLUMNS;
}

static panels_layout panels_layout_of(const geometry *shape) {
  const int32_t pixels = shape->Ho * shape->Wo;
  const bool gathered = geometry_taps(shape) > 1 || shape->stride_h > 1 || shape->stride_w > 1 ||
                        shape->top > 0 || shape->left > 0 || shape->bottom > 0 || shape->right > 0;
  const bool reread = shape->O / shape->G > FEW_OUTPUTS;
  const bool narrow = pixels < COLUMNS && pixels >= LEAST_PIXELS;
  const bool copied = gathered || narrow || (reread && panels_scattered(shape->C / shape->G, pixels));
  const int32_t least = max_i32(min_i32(LEAST_PANEL, panels_fitting(shape, MOST_COPY)), LEAST_LARGE);
  int32_t panel = max_i32(panels_fitting(shape, copied ? COPY_FLOATS : PANEL_FLOATS), least);
  panel = min_i32(panel, pixels);
  if (gathered) panel = max_i32(panel / shape->Wo, 1) * shape->Wo; /* a row at least, however long */
  return (panels_layout){panel, copied, gathered, round_up((size_t)panel, COLUMNS) + LINE_FLOATS};
}

/* How many blocks of one group are mixed at a time: all, so that they are mixed once for all panels, or as
 * many as a product takes, or as fit. */
static int32_t panels_mixed_blocks(const geometry *shape) {
  const int32_t blocks = (shape->O / shape->G - 1) / LANES + 1;
  const int32_t fitting = max_i32(MOST_MIXED / LANES / panels_depth(shape), 1);
  return min_i32(blocks, fitting >= blocks ? fitting : min_i32(fitting, PRODUCT_BLOCKS));
}

/* The workspace: mixed [blocks, depth, 8], copy [depth, row]. */
static size_t panels_mixed_floats(const geometry *shape) {
  return (size_t)panels_mixed_blocks(shape) * panels_depth(shape) * LANES;
}

uint64_t panels_workspace(const geometry *shape) {
  const panels_layout layout = panels_layout_of(shape);
  const uint64_t copy = layout.copied ? (uint64_t)panels_depth(shape) * layout.row : 0;
  return sizeof(float) * ((uint64_t)panels_mixed_floats(shape) + copy);
}

/* Along one axis, outputs begin .. end - 1 of a tap read the input: output i at i * stride + first. */
typedef struct tap_range {
  int32_t first, begin, end;
} tap_range;

static tap_range panels_tap_range(axis along, int32_t tap) {
  const int32_t first = tap * along.dilation - along.before;
  const int32_t end = first < along.inputs ? (along.inputs - 1 - first) / along.stride + 1 : 0;
  const int32_t begin = first < 0 ? (-first - 1) / along.stride + 1 : 0;
  return (tap_range){first, min_i32(begin, along.outputs), min_i32(end, along.outputs)};
}

/* What a tap of x [H, W] reads for `rows` rows of outputs from oy on: out [rows, Wo]. */
static void panels_gather(const geometry *shape, const float *x, int32_t tap, int32_t oy, int32_t rows,
                          float *out) {
  const tap_range down = panels_tap_range(geometry_down(shape), tap / shape->Rw);
  const tap_range across = panels_tap_range(geometry_across(shape), tap % shape->Rw);
  const int32_t count = across.end - across.begin;
  const int32_t column = across.begin * shape->stride_w + across.first; /* of x, if count > 0 */
  for (const int32_t end = oy + rows; oy < end; oy++, out += shape->Wo) {
    const bool inside = oy >= down.begin && oy < down.end && count > 0;
    if (!inside || count < shape->Wo) memset(out, 0, sizeof(float) * shape->Wo);
    if (inside)
      copy_row(x + (size_t)(oy * shape->stride_h + down.first) * shape->W + column, shape->stride_w, count,
               out + across.begin);
  }
}

/* Pixels first .. first + count - 1 of every tap of a group, planes x_plane floats apart, into copy. */
static void panels_copy(const geometry *shape, const panels_layout *layout, const float *x, size_t x_plane,
                        int32_t first, int32_t count, float *copy) {
  for (int32_t c = 0; c < shape->C / shape->G; c++, x += x_plane)
    for (int32_t tap = 0; tap < geometry_taps(shape); tap++, copy += layout->row) {
      if (layout->gathered)
        panels_gather(shape, x, tap, first / shape->Wo, count / shape->Wo, copy);
      else
        copy_row(x + first, 1, count, copy);
    }
}

/* The kernels of some blocks [count, depth, 8], mixed if need be. */
static const float *panels_kernels(const convolution *work, int32_t first, int32_t count, float *mixed) {
  const size_t floats = (size_t)work->kernels->depth * LANES;
  const float *w = convolution_kernels(work, first, 0, work->kernels->depth, mixed);
  if (w == mixed)
    for (int32_t i = 1; i < count; i++)
      convolution_kernels(work, first + i, 0, work->kernels->depth, mixed + i * floats);
  return w;
}

/* The prefix's operand for output channel o from pixel `first` on, or NULL. */
static const float *panels_operand(const convolution *work, int32_t o, int32_t first) {
  const epilogue_prefix *steps = work->steps;
  if (!steps->operand) return NULL;
  return steps->operand + (ptrdiff_t)work->sample * steps->stride[0] + (ptrdiff_t)o * steps->stride[1] +
         first;
}

/* The product for some blocks and the panel of pixels first .. first + columns - 1, which begins at x. */
static void panels_multiply(const convolution *work, int32_t block, int32_t blocks, const float *w,
                            const float *x, size_t x_row, int32_t first, int32_t columns) {
  const epilogue_prefix *steps = work->steps;
  const channel_block last = kernels_block(work->kernels, block + blocks - 1);
  const int32_t o = kernels_block(work->kernels, block).first, count = last.first + last.count - o;
  float bias[PRODUCT_BLOCKS * LANES], *y = work->y + o * work->y_channel + first;
  for (int32_t i = 0; i < blocks; i++) convolution_bias(work, block + i, bias + i * LANES);

  matmul(&(matmul_operands){.w = w,
                            .w_block = (size_t)work->kernels->depth * LANES,
                            .bias = bias,
                            .x = x,
                            .x_row = x_row,
                            .depth = work->kernels->depth,
                            .columns = columns,
                            .count = count,
                            .y = y,
                            .y_row = work->y_channel,
                            .operand = panels_operand(work, o, first),
                            .operand_row = steps->stride[1],
                            .clamp = steps->clamp});
  for (int32_t i = 0; i < count; i++) convolution_finish(work, o + i, (size_t)first, (size_t)columns);
}

/* The same for so few pixels that vectors hold output channels instead. */
static void panels_multiply_few(const convolution *work, int32_t block, const float *w, const float *x,
                                size_t x_row, int32_t first, int32_t pixels) {
  const channel_block channels = kernels_block(work->kernels, block);
  float bias[LANES], *y = work->y + channels.first * work->y_channel + first;
  convolution_bias(work, block, bias);
  matmul_lanes(&(matmul_lanes_operands){.w = w,
                                        .bias = bias,
                                        .x = x,
                                        .x_row = 1,
                                        .x_step = (ptrdiff_t)x_row,
                                        .depth = work->kernels->depth,
                                        .rows = pixels,
                                        .count = channels.count,
                                        .y = y,
                                        .y_row = 1,
                                        .y_step = (ptrdiff_t)work->y_channel});
  for (int32_t i = 0; i < channels.count; i++, y += work->y_channel) {
    const float *operand = panels_operand(work, channels.first + i, first);
    for (int32_t j = 0; j < pixels; j++)
      y[j] = clamp_float(operand ? y[j] + operand[j] : y[j], &work->steps->clamp);
    convolution_finish(work, channels.first + i, (size_t)first, (size_t)pixels);
  }
}

void panels_convolve(const algorithm *chosen, const convolution *work) {
  const geometry *shape = work->shape;
  const packed_kernels *kernels = work->kernels;
  const panels_layout layout = panels_layout_of(shape);
  const int32_t end = work->end_row * shape->Wo;
  const size_t x_plane = work->x_channel, block_floats = (size_t)kernels->depth * LANES;
  float *mixed = work->workspace, *copy = mixed + panels_mixed_floats(shape);
  assert_work(chosen, work);

  /* The product reads 8 columns even of a narrower panel. What was left there could be subnormal numbers, on
   * which processors are slow (26 times, measured). */
  if (layout.copied && layout.pixels < COLUMNS)
    memset(copy, 0, sizeof(float) * layout.row * (size_t)panels_depth(shape));

  for (int32_t g = first_group(work); g < end_group(work); g++) {
    const int32_t first_block = group_first_block(work, g), end_block = group_end_block(work, g);
    const float *group_x = work->x + (size_t)g * (shape->C / shape->G) * x_plane;

    /* Mix the kernels of all blocks, if there is room; else those of each product. */
    const int32_t held = panels_mixed_blocks(shape), step = min_i32(held, PRODUCT_BLOCKS);
    const bool all = held >= end_block - first_block;
    const float *w = all ? panels_kernels(work, first_block, end_block - first_block, mixed) : NULL;

    for (int32_t begin = work->first_row * shape->Wo; begin < end; begin += layout.pixels) {
      /* A last panel that is read in place, narrower than the 8 columns of the product, begins earlier. */
      const bool whole = layout.copied || layout.pixels < LEAST_PIXELS;
      const int32_t first = whole ? begin : min_i32(begin, end - COLUMNS);
      const int32_t columns = min_i32(begin + layout.pixels, end) - first;
      if (layout.copied) panels_copy(shape, &layout, group_x, x_plane, first, columns, copy);
      const float *x = layout.copied ? copy : group_x + first;
      const size_t x_row = layout.copied ? layout.row : x_plane;

      /* Multiply the panel by the kernels of a few blocks. */
      for (int32_t block = first_block; block < end_block; block += step) {
        const int32_t blocks = min_i32(step, end_block - block);
        const float *some =
            all ? w + (block - first_block) * block_floats : panels_kernels(work, block, blocks, mixed);
        if (columns >= LEAST_PIXELS)
          panels_multiply(work, block, blocks, some, x, x_row, first, columns);
        else
          for (int32_t i = 0; i < blocks; i++)
            panels_multiply_few(work, block + i, some + i * block_floats, x, x_row, first, columns);
      }
    }
  }
}
