/* From planes of floats to their range, and to RGBA bytes. The reference is in pixels/pixels_reference.c. */
#include "pixels/pixels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/attributes.h"

/* ------------------------------------------------------------------------------------- range */

/* pmin(a, b) is b < a ? b : a, so that a NaN in b never replaces a. */
static inline void to_rgba_widen(v128_t *low, v128_t *high, v128_t x) {
  *low = wasm_f32x4_pmin(*low, x);
  *high = wasm_f32x4_pmax(*high, x);
}

/* If finite_only, infinite values do not count. */
APART SMALL static void to_rgba_find_range(const float *x, size_t count, float *range, bool finite_only) {
  v128_t low0 = wasm_f32x4_splat(INFINITY), high0 = wasm_f32x4_splat(-INFINITY);
  v128_t low1 = low0, low2 = low0, low3 = low0, high1 = high0, high2 = high0, high3 = high0;
  size_t i = 0;
  /* Four chains hide the latency of pmin and pmax. The second pass is rare and does without. */
#pragma clang loop unroll(disable)
  for (; !finite_only && i + 16 <= count; i += 16) {
    to_rgba_widen(&low0, &high0, wasm_v128_load(x + i));
    to_rgba_widen(&low1, &high1, wasm_v128_load(x + i + 4));
    to_rgba_widen(&low2, &high2, wasm_v128_load(x + i + 8));
    to_rgba_widen(&low3, &high3, wasm_v128_load(x + i + 12));
  }
#pragma clang loop unroll(disable)
  for (; i < count; i += 4) {
    v128_t four;
    if (count - i >= 4) {
      four = wasm_v128_load(x + i);
    } else {
      float rest[4] = {NAN, NAN, NAN, NAN};
      memcpy(rest, x + i, (count - i) * sizeof(float));
      four = wasm_v128_load(rest);
    }
    /* x + (x - x) turns infinite values into NaN and leaves the others. */
    if (finite_only) four = wasm_f32x4_add(four, wasm_f32x4_sub(four, four));
    to_rgba_widen(&low0, &high0, four);
  }

  float lows[4], highs[4], low = INFINITY, high = -INFINITY;
  wasm_v128_store(lows, wasm_f32x4_pmin(wasm_f32x4_pmin(low0, low1), wasm_f32x4_pmin(low2, low3)));
  wasm_v128_store(highs, wasm_f32x4_pmax(wasm_f32x4_pmax(high0, high1), wasm_f32x4_pmax(high2, high3)));
  for (int lane = 0; lane < 4; lane++) {
    low = lows[lane] < low ? lows[lane] : low;
    high = highs[lane] > high ? highs[lane] : high;
  }
  range[0] = low;
  range[1] = high;
}

SMALL void dk_range(const float *x, size_t count, float *range) {
  to_rgba_find_range(x, count, range, false);
  if (range[0] == -INFINITY || range[1] == INFINITY) to_rgba_find_range(x, count, range, true);
  if (range[0] > range[1]) range[0] = range[1] = 0.0f;
}

/* ------------------------------------------------------------------------------------- levels */

/* level = (v * unit - origin) * scale, with v clamped to low .. high. unit is the power of two that brings
 * high - low close to 1: the widest range does not overflow, and the narrowest does not underflow. */
typedef struct spread {
  float low, high, unit, origin, scale;
} spread;

SMALL static spread to_rgba_spread_make(float low, float high) {
  double width = (double)high - low;
  if (!(width > 0.0 && width < INFINITY)) return (spread){0.0f, 0.0f, 1.0f, -128.0f, 1.0f};
  int exponent = ilogb(width);
  double unit = ldexp(1.0, exponent < -126 ? 126 : exponent > 126 ? -126 : -exponent);
  return (spread){low, high, (float)unit, (float)(low * unit), (float)(255.0 / (width * unit))};
}

/* A spread in registers. */
typedef struct levels {
  v128_t low, high, unit, origin, scale;
} levels;

static inline levels to_rgba_levels_make(const spread *s) {
  return (levels){wasm_f32x4_splat(s->low), wasm_f32x4_splat(s->high), wasm_f32x4_splat(s->unit),
                  wasm_f32x4_splat(s->origin), wasm_f32x4_splat(s->scale)};
}

/* NaN stays NaN: pmax(a, b) is a < b ? b : a. */
static inline v128_t to_rgba_level_of(v128_t value, const levels *s) {
  value = wasm_f32x4_pmin(wasm_f32x4_pmax(value, s->low), s->high);
  return wasm_f32x4_mul(wasm_f32x4_sub(wasm_f32x4_mul(value, s->unit), s->origin), s->scale);
}

/* 2^23 + level is rounded to an integer. The bits of that float are 0x4b000000 + integer. */
#define BIAS 8388608.0f

/* The bits of -(2^23 + 1 + level), rounded: 0xcb000001 + level as an integer. The larger the bits of a
 * negative float, the smaller the float. The bits of `nan` are above all of these, so that pmax(nan, level)
 * is the level. If the level is NaN, pmax(nan, NaN) is `nan`. */
static inline v128_t to_rgba_level_bits(v128_t value, const levels *s, v128_t bias, v128_t nan) {
  return wasm_f32x4_pmax(nan, wasm_f32x4_sub(bias, to_rgba_level_of(value, s)));
}

/* Whole fours of pixels: level * 0x010101 + 0xff000000. NaN, 0xcc000001, becomes 0 modulo 2^32. */
static void to_rgba_gray_fours(const float *map, size_t pixels, const spread *s, uint8_t *rgba) {
  const levels l = to_rgba_levels_make(s);
  const v128_t bias = steady_f32(-BIAS - 1.0f), nan = steady_i32((int32_t)0xcc000001);
  const v128_t gray = steady_i32(0x010101), opaque = steady_i32(0x33fefeff);
#pragma clang loop unroll(disable)
  for (const float *end = map + pixels; map != end; map += 4, rgba += 16) {
    const v128_t bits = to_rgba_level_bits(wasm_v128_load(map), &l, bias, nan);
    wasm_v128_store(rgba, wasm_i32x4_add(wasm_i32x4_mul(bits, gray), opaque));
  }
}

/* Whole fours of pixels. table [258, 4]: the palette from entry 1 on, then the colour of NaN. Loads into
 * lanes, with two offsets at a time taken out of the vector, are the fastest gather in WebAssembly. */
static void to_rgba_palette_fours(const float *map, size_t pixels, const spread *s, const uint8_t *table,
                                  uint8_t *rgba) {
  const levels l = to_rgba_levels_make(s);
  const v128_t bias = steady_f32(-BIAS - 1.0f), nan = steady_i32((int32_t)0xcb000101);
  const v128_t mask = steady_i32(4 * 511);
#pragma clang loop unroll(disable)
  for (const float *end = map + pixels; map != end; map += 4, rgba += 16) {
    const v128_t bits = to_rgba_level_bits(wasm_v128_load(map), &l, bias, nan);
    const v128_t offsets = wasm_v128_and(wasm_i32x4_shl(bits, 2), mask);
    const uint64_t first = (uint64_t)wasm_i64x2_extract_lane(offsets, 0);
    const uint64_t second = (uint64_t)wasm_i64x2_extract_lane(offsets, 1);
    v128_t colours = wasm_v128_load32_zero(table + (uint32_t)first);
    colours = wasm_v128_load32_lane(table + (first >> 32), colours, 1);
    colours = wasm_v128_load32_lane(table + (uint32_t)second, colours, 2);
    wasm_v128_store(rgba, wasm_v128_load32_lane(table + (second >> 32), colours, 3));
  }
}

/* Gray if there is no table. The function is large, and it is called once for a row and once for the rest of
 * it. */
APART static void to_rgba_colour_fours(const float *map, size_t pixels, const spread *s, const uint8_t *table,
                                       uint8_t *rgba) {
  if (table)
    to_rgba_palette_fours(map, pixels, s, table, rgba);
  else
    to_rgba_gray_fours(map, pixels, s, rgba);
}

SMALL static void to_rgba_colour_row(const float *map, size_t pixels, const spread *s, const uint8_t *table,
                                     uint8_t *rgba) {
  size_t rest = pixels % 4, whole = pixels - rest;
  to_rgba_colour_fours(map, whole, s, table, rgba);
  if (rest) {
    float values[4] = {0};
    uint8_t colours[16];
    memcpy(values, map + whole, rest * sizeof(float));
    to_rgba_colour_fours(values, 4, s, table, colours);
    memcpy(rgba + 4 * whole, colours, 4 * rest);
  }
}

/* Whether each colour i of the palette is i, i, i, 255. Arithmetic is then twice as fast as the table. */
SMALL static int to_rgba_is_gray(const uint8_t *palette) {
  uint32_t differing = 0;
#pragma clang loop vectorize(disable) unroll(disable)
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t colour;
    memcpy(&colour, palette + 4 * i, 4);
    differing |= colour ^ (0xff000000 + i * 0x010101);
  }
  return !differing;
}

SMALL void dk_map_to_rgba_rows(const float *map, size_t rows, size_t width, float low, float high,
                               const uint8_t *palette, uint8_t *rgba, size_t row_stride, size_t gap) {
  spread s = to_rgba_spread_make(low, high);
  uint8_t table[4 * 258] = {0};
  memcpy(table + 4, palette, 4 * 256);
  const uint8_t *colours = to_rgba_is_gray(palette) ? NULL : table;
  for (; rows > 0; rows--, map += width, rgba += 4 * row_stride) {
    to_rgba_colour_row(map, width, &s, colours, rgba);
    memset(rgba + 4 * width, 0, 4 * gap);
  }
}

SMALL void dk_map_to_rgba(const float *map, size_t pixels, float low, float high, const uint8_t *palette,
                          uint8_t *rgba) {
  dk_map_to_rgba_rows(map, 1, pixels, low, high, palette, rgba, 0, 0);
}

/* pmax(0, NaN) is 0 */
static inline v128_t to_rgba_byte_biased(v128_t value, const levels *s) {
  v128_t level = wasm_f32x4_pmax(wasm_f32x4_splat(0.0f), to_rgba_level_of(value, s));
  return wasm_f32x4_add(level, wasm_f32x4_splat(BIAS));
}

/* The shift of a byte to its channel drops the bias above it. Alpha covers the bias of red. */
static inline v128_t to_rgba_rgb_pixels(v128_t red, v128_t green, v128_t blue, const levels *s) {
  v128_t r = to_rgba_byte_biased(red, s);
  v128_t g = wasm_i32x4_shl(to_rgba_byte_biased(green, s), 8);
  v128_t b = wasm_i32x4_shl(to_rgba_byte_biased(blue, s), 16);
  v128_t alpha = wasm_i32x4_splat((int32_t)0xff000000);
  return wasm_v128_or(wasm_v128_or(r, g), wasm_v128_or(b, alpha));
}

/* Whole fours of pixels. */
APART static void to_rgba_planes_fours(const float *reds, size_t plane_stride, size_t pixels,
                                       const spread *range, uint8_t *rgba) {
  const levels s = to_rgba_levels_make(range);
  const float *greens = reds + plane_stride, *blues = greens + plane_stride;
  for (size_t i = 0; i < pixels; i += 4)
    wasm_v128_store(rgba + 4 * i, to_rgba_rgb_pixels(wasm_v128_load(reds + i), wasm_v128_load(greens + i),
                                                     wasm_v128_load(blues + i), &s));
}

SMALL void dk_planes_to_rgba(const float *planes, size_t plane_stride, size_t pixels, float low, float high,
                             uint8_t *rgba) {
  const spread range = to_rgba_spread_make(low, high);
  const size_t rest = pixels % 4, whole = pixels - rest;
  to_rgba_planes_fours(planes, plane_stride, whole, &range, rgba);
  if (!rest) return;
  float values[3][4] = {{0}};
  uint8_t colours[16];
  for (size_t c = 0; c < 3; c++) memcpy(values[c], planes + c * plane_stride + whole, rest * sizeof(float));
  to_rgba_planes_fours(values[0], 4, 4, &range, colours);
  memcpy(rgba + 4 * whole, colours, 4 * rest);
}
