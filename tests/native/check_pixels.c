/* See check_pixels.h. Sizes lie around the edges of vectors. Arrays have any alignment. Values include every
 * special value. */
#include "check_pixels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/workspace.h"
#include "pixel_check.h"
#include "pixels/pixels.h"

/* ------------------------------------------------------------------------------ rgba_to_planes */

typedef struct statistics {
  float mean[3], std[3];
} statistics;

static statistics any_statistics(check *c) {
  static const statistics plain = {{0, 0, 0}, {1, 1, 1}};
  static const statistics imagenet = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
  statistics s;
  for (int i = 0; i < 3; i++) {
    s.mean[i] = uniform(c, -2, 2);
    s.std[i] = uniform(c, 0.01, 4);
  }
  int mode = below(c, 3);
  return mode == 0 ? plain : mode == 1 ? imagenet : s;
}

static double tolerance_of(const statistics *s, size_t channel) {
  return 1e-6 * (1.0 + fabsf(s->mean[channel])) / s->std[channel];
}

static void check_rgba_to_planes(check *c, size_t pixels, int32_t channels, statistics s) {
  size_t gap = (size_t)below(c, 9), stride = pixels + gap, offset = (size_t)below(c, 16);
  begin(c, "rgba_to_planes pixels=%zu channels=%d stride=%zu offset=%zu mean=%g,%g,%g std=%g,%g,%g", pixels,
        channels, stride, offset, s.mean[0], s.mean[1], s.mean[2], s.std[0], s.std[1], s.std[2]);
  size_t count = (size_t)(channels - 1) * stride + pixels;
  array rgba = random_bytes(c, 4 * pixels, offset);
  array planes = output_make(count * sizeof(float), 4 * (size_t)below(c, 4));
  float *expected = allocate(count * sizeof(float)), *got = (float *)planes.data;
  dk_rgba_to_planes(rgba.data, pixels, channels, s.mean, s.std, got, stride);
  rgba_to_planes_reference(rgba.data, pixels, channels, s.mean, s.std, expected, stride);
  for (size_t i = 0; i < count; i++) {
    size_t channel = i / stride;
    int plain = channels == 3 && s.mean[channel] == 0.0f && s.std[channel] == 1.0f;
    if (i % stride < pixels)
      expect_float(c, "planes", i, got[i], expected[i], plain ? 0.0 : tolerance_of(&s, channel));
    else if (!isnan(got[i]))
      mismatch(c, "planes[%zu], between two planes, was written", i);
  }
  expect_guards(c, &planes, "planes");
  free(rgba.memory), free(planes.memory), free(expected);
}

/* ------------------------------------------------------------------------------------- resize */

/* Leaves subnormal numbers in the workspace. Offsets that a convolution leaves there are subnormal numbers if
 * they are read as floats. */
static void plant_in_workspace(dk_context *context, int32_t src_W, int32_t W) {
  /* A source column takes 64 bytes, a target column 256 bytes, and the padding of 16 rows 28 * 64 bytes. The
   * rest is for the weights. */
  size_t bytes = 64 * (2 * (size_t)src_W + 5 * (size_t)W + 28);
  void *workspace = workspace_reserve(context, bytes);
  if (workspace) plant_subnormals(workspace, bytes);
}

static void check_resize(check *c, int32_t src_H, int32_t src_W, const dk_box *box, int32_t H, int32_t W,
                         int32_t channels, int32_t strip) {
  statistics s = any_statistics(c);
  const dk_box whole = {0, 0, src_W, src_H}, *part_of = box ? box : &whole;
  begin(c,
        "resize src=%dx%d box=%.17g,%.17g %.17gx%.17g to %dx%d channels=%d strips of up to %d mean=%g,%g,%g "
        "std=%g,%g,%g",
        src_H, src_W, part_of->x, part_of->y, part_of->width, part_of->height, H, W, channels, strip,
        s.mean[0], s.mean[1], s.mean[2], s.std[0], s.std[1], s.std[2]);
  size_t plane_size = (size_t)H * (size_t)W, count = (size_t)channels * plane_size;
  size_t row_bytes = 4 * (size_t)src_W;
  array rgba = random_bytes(c, (size_t)src_H * row_bytes, 0);
  array planes = output_make(count * sizeof(float), 4 * (size_t)below(c, 4));
  float *expected = allocate(count * sizeof(float)), *got = (float *)planes.data;
  dk_context *context = dk_context_create();
  int32_t parts = 0; /* blocks of up to 16 rows */
  for (int32_t row = 0, rows; row < src_H; row += rows) {
    rows = 1 + below(c, strip < src_H - row ? strip : src_H - row);
    array part = input_make((size_t)rows * row_bytes, (size_t)below(c, 16));
    memcpy(part.data, rgba.data + (size_t)row * row_bytes, part.bytes);
    plant_in_workspace(context, src_W, W);
    dk_status status =
        dk_resize_rows(context, part.data, row, rows, src_H, src_W, box, channels, s.mean, s.std, got, H, W);
    if (!met_no_subnormal("resize")) mismatch(c, "rows %d + %d: subnormal numbers", row, rows);
    if (status != DK_OK) mismatch(c, "rows %d + %d: status %d", row, rows, status);
    free(part.memory);
    parts += (rows + 15) / 16;
  }
  resize_reference(rgba.data, src_H, src_W, part_of, channels, s.mean, s.std, expected, H, W);
  /* An output row is the sum of about 2 * parts / H blocks. Its rounding error is a random walk in steps of
   * 2^-25. Four standard deviations are allowed. */
  double walk = 1.0 + 4.0 * sqrt(2.0 * parts / H) * 0.03; /* in millionths, like the tolerance */
  for (size_t i = 0; i < count; i++)
    expect_float(c, "planes", i, got[i], expected[i], walk * tolerance_of(&s, i / plane_size));
  if (!box && H == src_H && W == src_W) {
    dk_rgba_to_planes(rgba.data, plane_size, channels, s.mean, s.std, expected, plane_size);
    for (size_t i = 0; i < count; i++) expect_float(c, "same size", i, got[i], expected[i], 0.0);
  }
  expect_guards(c, &planes, "planes");
  dk_context_destroy(context);
  free(rgba.memory), free(planes.memory), free(expected);
}

static void check_resize_random(check *c) {
  int32_t src_H = any_size(c), src_W = any_size(c), H = any_size(c), W = any_size(c);
  int mode = below(c, 8);
  if (mode < 2) H = src_H;
  if (mode == 0 || mode == 2) W = src_W;
  if (mode == 3) src_H = 200 + below(c, 2000), src_W = 1 + below(c, 9), H = 1 + below(c, 5);
  if (mode == 4) src_W = 200 + below(c, 2000), src_H = 1 + below(c, 9), W = 1 + below(c, 5);
  if (mode == 5) src_H = 1 + below(c, 2), H = 100 + below(c, 400);
  check_resize(c, src_H, src_W, NULL, H, W, below(c, 2) ? 3 : 1, 1 + below(c, 40));
}

/* A side of a box: often at edges of the source or at whole pixels, sometimes far outside. */
static void any_side(check *c, int32_t size, double *start, double *length) {
  *start = below(c, 3) ? uniform(c, -2.0 * size, 2.0 * size) : below(c, 2) ? (double)below(c, size) : 0;
  *length = below(c, 3) ? uniform(c, 0.01, 3.0 * size) : below(c, 2) ? 1.0 + below(c, size) : size;
}

static void check_resize_box(check *c) {
  int32_t src_H = 1 + below(c, 40), src_W = 1 + below(c, 40), H = 1 + below(c, 40), W = 1 + below(c, 40);
  dk_box box;
  any_side(c, src_W, &box.x, &box.width);
  any_side(c, src_H, &box.y, &box.height);
  if (below(c, 4) == 0) H = src_H, W = src_W;
  check_resize(c, src_H, src_W, &box, H, W, below(c, 2) ? 3 : 1, 1 + below(c, 40));
}

/* A box outside the source needs no rows. */
static void check_resize_black(check *c) {
  statistics s = any_statistics(c);
  const dk_box box = {-5, 7.5, 3, 2.25};
  begin(c, "resize of nothing");
  array planes = output_make(3 * 20 * sizeof(float), 0);
  float expected[60], *got = (float *)planes.data;
  dk_context *context = dk_context_create();
  dk_status status = dk_resize_rows(context, NULL, 0, 0, 0, 0, &box, 3, s.mean, s.std, got, 4, 5);
  if (status != DK_OK) mismatch(c, "status %d", status);
  resize_reference(NULL, 0, 0, &box, 3, s.mean, s.std, expected, 4, 5);
  for (size_t i = 0; i < 60; i++) expect_float(c, "planes", i, got[i], expected[i], tolerance_of(&s, i / 20));
  expect_guards(c, &planes, "planes");
  dk_context_destroy(context);
  free(planes.memory);
}

typedef struct refusal {
  int32_t first_row, rows, src_H, src_W, channels, H, W;
  dk_status expected;
} refusal;

/* Checks that refused calls leave the planes unchanged. */
static void check_resize_refused(check *c) {
  static const refusal cases[] = {
      {0, 1, 0, 1, 3, 1, 1, DK_ERROR_SHAPE},        {0, 1, 1, 0, 3, 1, 1, DK_ERROR_SHAPE},
      {0, 1, 1, 1, 3, 0, 1, DK_ERROR_SHAPE},        {0, 1, 1, 1, 3, 1, 0, DK_ERROR_SHAPE},
      {0, 0, 1, 1, 3, 1, 1, DK_ERROR_SHAPE},        {0, 1, 1, 1, 2, 1, 1, DK_ERROR_SHAPE},
      {-1, 1, 2, 1, 3, 1, 1, DK_ERROR_SHAPE},       {1, 2, 2, 1, 3, 1, 1, DK_ERROR_SHAPE},
      {0, 1, 1, 1 << 28, 3, 1, 1, DK_ERROR_MEMORY}, /* 16 GB of workspace: refused on 32 bits only */
  };
  const float mean[3] = {0, 0, 0}, std[3] = {1, 1, 1};
  const uint8_t rgba[16] = {0};
  const refusal *end = cases + sizeof cases / sizeof *cases - (sizeof(size_t) > 4 ? 1 : 0);
  for (const refusal *r = cases; r < end; r++) {
    begin(c, "resize refuses first_row=%d rows=%d src=%dx%d channels=%d to %dx%d", r->first_row, r->rows,
          r->src_H, r->src_W, r->channels, r->H, r->W);
    array planes = output_make(0, 0);
    dk_context *context = dk_context_create();
    dk_status status = dk_resize_rows(context, rgba, r->first_row, r->rows, r->src_H, r->src_W, NULL,
                                      r->channels, mean, std, (float *)planes.data, r->H, r->W);
    if (status != r->expected) mismatch(c, "status %d, expected %d", status, r->expected);
    expect_guards(c, &planes, "planes");
    dk_context_destroy(context);
    free(planes.memory);
  }
}

static void check_boxes_refused(check *c) {
  static const dk_box boxes[] = {
      {0, 0, -1, 1},    {0, 0, 0, 1}, {0, 0, 1, 0}, {NAN, 0, 1, 1}, {0, -INFINITY, 1, INFINITY},
      {1e9, 0, 1e9, 1},
  };
  const float mean[3] = {0, 0, 0}, std[3] = {1, 1, 1};
  const uint8_t rgba[16] = {0};
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
    const dk_box *box = &boxes[i];
    begin(c, "resize refuses the box %g,%g %gx%g", box->x, box->y, box->width, box->height);
    array planes = output_make(0, 0);
    dk_context *context = dk_context_create();
    dk_status status =
        dk_resize_rows(context, rgba, 0, 1, 1, 1, box, 3, mean, std, (float *)planes.data, 1, 1);
    if (status != DK_ERROR_SHAPE) mismatch(c, "status %d, expected %d", status, DK_ERROR_SHAPE);
    expect_guards(c, &planes, "planes");
    dk_context_destroy(context);
    free(planes.memory);
  }
}

/* ----------------------------------------------------------- range, map_to_rgba, planes_to_rgba */

static void check_range(check *c, size_t count) {
  static const char *const modes[] = {"finite", "some not finite", "all NaN", "all infinite"};
  int mode = below(c, 4);
  size_t offset = 4 * (size_t)below(c, 4);
  begin(c, "range count=%zu offset=%zu values=%s", count, offset, modes[mode]);
  array x = input_make(count * sizeof(float), offset);
  double scale = ldexp(1.0, below(c, 200) - 100), shift = below(c, 3) - 1;
  for (size_t i = 0; i < count; i++) {
    float value = (float)(scale * (shift + uniform(c, -1, 1)));
    if (mode == 1 && below(c, 4) == 0) value = any_special(c);
    if (mode >= 2) value = mode == 2 ? NAN : below(c, 2) ? INFINITY : -INFINITY;
    memcpy(x.data + i * sizeof(float), &value, sizeof value);
  }
  array range = output_make(2 * sizeof(float), 0);
  float *got = (float *)range.data, expected[2];
  dk_range((const float *)x.data, count, got);
  range_reference((const float *)x.data, count, expected);
  expect_float(c, "range", 0, got[0], expected[0], 0.0);
  expect_float(c, "range", 1, got[1], expected[1], 0.0);
  expect_guards(c, &range, "range");
  free(x.memory), free(range.memory);
}

static void any_bounds(check *c, float *low, float *high) {
  static const float bounds[][2] = {
      {0, 1},           {-1, 1},          {1000, 1000.01f}, {-FLT_MAX, FLT_MAX}, {0, 1e-44f},   {3, 3},
      {2, -2},          {NAN, 1},         {0, NAN},         {-INFINITY, 1},      {0, INFINITY}, {0, FLT_MAX},
      {1e-38f, 2e-38f}, {-1e-30f, 1e30f}, {0, 255},
  };
  int choice = below(c, 20);
  *low = uniform(c, -5, 5);
  *high = *low + uniform(c, 0.001, 20);
  if (choice < 15) *low = bounds[choice][0], *high = bounds[choice][1];
}

static float any_value(check *c, float low, float high) {
  int choice = below(c, 24);
  if (choice < 8) return any_special(c);
  if (choice < 10) return choice == 8 ? low : high;
  double share = choice < 14 ? below(c, 511) / 510.0 : uniform(c, -0.2, 1.2); /* includes ties */
  return (float)(low + share * ((double)high - low));
}

static array any_values(check *c, size_t count, float low, float high) {
  array a = input_make(count * sizeof(float), 4 * (size_t)below(c, 4));
  for (size_t i = 0; i < count; i++) {
    float value = any_value(c, low, high);
    memcpy(a.data + i * sizeof(float), &value, sizeof value);
  }
  return a;
}

/* Whether a level is correct. If a value is half-way between two levels, SIMD may take either level. */
static int level_fits(float value, float low, float high, uint8_t got, uint8_t expected) {
  double level = level_reference(value, low, high);
  double from_tie = fabs(level - floor(level) - 0.5);
  return got == expected || (from_tie <= 1e-4 && fabs(level - got) <= 0.5 + 1e-4);
}

static void check_map_to_rgba(check *c, size_t pixels) {
  float low, high;
  any_bounds(c, &low, &high);
  size_t offset = (size_t)below(c, 16);
  begin(c, "map_to_rgba pixels=%zu offset=%zu range=%g..%g", pixels, offset, low, high);
  array palette = input_make(4 * 256, offset);
  int gray = below(c, 2); /* colours are computed without the palette, unless one byte differs */
  int other = below(c, 2) ? below(c, 4 * 256) : -1;
  for (int i = 0; i < 256; i++) { /* the first byte is the index */
    uint8_t index = (uint8_t)i;
    uint8_t colour[4] = {index, gray ? index : (uint8_t)below(c, 256), gray ? index : (uint8_t)below(c, 256),
                         255};
    memcpy(palette.data + 4 * i, colour, 4);
  }
  if (other % 4 > 0) palette.data[other] ^= 1;
  array map = any_values(c, pixels, low, high), rgba = output_make(4 * pixels, offset);
  const float *values = (const float *)map.data;
  uint8_t *expected = allocate(4 * pixels);
  dk_map_to_rgba(values, pixels, low, high, palette.data, rgba.data);
  map_to_rgba_reference(values, pixels, low, high, palette.data, expected);
  for (size_t i = 0; i < pixels; i++) {
    const uint8_t *got = rgba.data + 4 * i, *want = expected + 4 * i;
    int a_colour = memcmp(got, isnan(values[i]) ? want : palette.data + 4 * got[0], 4) == 0;
    if (!a_colour || !level_fits(values[i], low, high, got[0], want[0]))
      mismatch(c, "rgba[%zu] of %.9g: got %d,%d,%d,%d, expected %d,%d,%d,%d", i, values[i], got[0], got[1],
               got[2], got[3], want[0], want[1], want[2], want[3]);
  }
  expect_guards(c, &rgba, "rgba");
  free(palette.memory), free(map.memory), free(rgba.memory), free(expected);
}

/* Checks that each row matches dk_map_to_rgba, that the gap is 0, and that nothing else is written. */
static void check_map_to_rgba_rows(check *c, size_t rows, size_t width) {
  float low, high;
  any_bounds(c, &low, &high);
  size_t gap = (size_t)below(c, 9), stride = width + gap + (size_t)below(c, 9);
  begin(c, "map_to_rgba_rows rows=%zu width=%zu gap=%zu stride=%zu range=%g..%g", rows, width, gap, stride,
        low, high);
  array palette = random_bytes(c, 4 * 256, 0);
  array map = any_values(c, rows * width, low, high);
  size_t bytes = 4 * ((rows - 1) * stride + width + gap);
  array rgba = output_make(bytes, (size_t)below(c, 16)), expected = output_make(bytes, 0);
  const float *values = (const float *)map.data;
  dk_map_to_rgba_rows(values, rows, width, low, high, palette.data, rgba.data, stride, gap);
  for (size_t row = 0; row < rows; row++) {
    uint8_t *colours = expected.data + 4 * row * stride;
    dk_map_to_rgba(values + row * width, width, low, high, palette.data, colours);
    memset(colours + 4 * width, 0, 4 * gap);
  }
  for (size_t i = 0; i < bytes; i++)
    if (rgba.data[i] != expected.data[i])
      mismatch(c, "rgba[%zu]: got %d, expected %d", i, rgba.data[i], expected.data[i]);
  expect_guards(c, &rgba, "rgba");
  free(palette.memory), free(map.memory), free(rgba.memory), free(expected.memory);
}

static void check_planes_to_rgba(check *c, size_t pixels) {
  float low, high;
  any_bounds(c, &low, &high);
  size_t stride = pixels + (size_t)below(c, 9), offset = (size_t)below(c, 16);
  begin(c, "planes_to_rgba pixels=%zu stride=%zu offset=%zu range=%g..%g", pixels, stride, offset, low, high);
  array planes = any_values(c, 2 * stride + pixels, low, high);
  array rgba = output_make(4 * pixels, offset);
  const float *values = (const float *)planes.data;
  uint8_t *expected = allocate(4 * pixels);
  dk_planes_to_rgba(values, stride, pixels, low, high, rgba.data);
  planes_to_rgba_reference(values, stride, pixels, low, high, expected);
  for (size_t i = 0; i < 4 * pixels; i++) {
    float value = i % 4 < 3 ? values[i % 4 * stride + i / 4] : NAN;
    if (!level_fits(value, low, high, rgba.data[i], expected[i]))
      mismatch(c, "rgba[%zu] of %.9g: got %d, expected %d", i, value, rgba.data[i], expected[i]);
  }
  expect_guards(c, &rgba, "rgba");
  free(planes.memory), free(rgba.memory), free(expected);
}

int check_pixels(uint32_t seed, int count) {
  check c = {.random = {seed}};
  for (size_t pixels = 0; pixels <= 36; pixels++) {
    check_rgba_to_planes(&c, pixels, 3, any_statistics(&c));
    check_rgba_to_planes(&c, pixels, 1, any_statistics(&c));
    check_range(&c, pixels);
    check_map_to_rgba(&c, pixels);
    check_planes_to_rgba(&c, pixels);
  }
  check_rgba_to_planes(&c, 33, 3, (statistics){{0, 0, 0}, {0, 0, 0}}); /* outputs are infinity and NaN */
  check_resize(&c, 1, 1, NULL, 1, 1, 3, 1);
  check_resize(&c, 1, 1, NULL, 7, 9, 3, 1);
  check_resize(&c, 9, 7, NULL, 1, 1, 3, 4);
  check_resize(&c, 8000, 3, NULL, 3, 2, 3, 64);
  check_resize(&c, 8000, 3, NULL, 3, 2, 1, 1);
  check_resize(&c, 3, 8000, NULL, 2, 3, 3, 2);
  check_resize(&c, 5, 6, &(dk_box){-300.5, -200, 900, 700}, 7, 3, 3, 2);
  check_resize(&c, 5, 6, &(dk_box){2.25, 3.5, 1e-3, 1e-3}, 2, 3, 3, 5);
  check_resize_black(&c);
  check_resize_refused(&c);
  check_boxes_refused(&c);
  for (int i = 0; i < count; i++) {
    check_rgba_to_planes(&c, (size_t)any_size(&c), below(&c, 2) ? 3 : 1, any_statistics(&c));
    check_resize_random(&c);
    check_resize_box(&c);
    check_range(&c, (size_t)any_size(&c));
    check_map_to_rgba(&c, (size_t)any_size(&c));
    check_map_to_rgba_rows(&c, 1 + (size_t)below(&c, 5), (size_t)any_size(&c));
    check_planes_to_rgba(&c, (size_t)any_size(&c));
  }
  return c.failures;
}
