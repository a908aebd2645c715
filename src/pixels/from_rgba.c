/* From RGBA bytes to planes of floats, four pixels at a time. The reference is in pixels/pixels_reference.c.
 */
#include "pixels/pixels.h"

#include <math.h>
#include <string.h>

#include "base/attributes.h"

SMALL normalisation normalisation_make(int32_t unit, float mean, float std) {
  double scale = 1.0 / (unit * (double)std);
  uint32_t bits;
  float head = (float)scale, tail;
  memcpy(&bits, &head, sizeof bits);
  bits &= 0xffffff00u; /* 16 significant bits; infinity (std 0) stays infinity */
  memcpy(&head, &bits, sizeof bits);
  tail = isfinite(head) ? (float)(scale - head) : 0.0f;
  return (normalisation){(float)(unit * (double)mean), head, tail};
}

/* Four pixels are four lanes of 32 bits. Each lane has two halves of 16 bits: R and B, or G and A. A dot
 * product of the halves picks a channel or weighs two. A mask would pick one too, but then LLVM knows that
 * the integer is not negative and converts it as unsigned, which takes eight instructions on x86. */
static inline v128_t from_rgba_red_blue_halves(v128_t pixels) {
  return wasm_v128_and(pixels, steady_i32(0x00ff00ff));
}

static inline v128_t from_rgba_green_alpha_halves(v128_t pixels) { return wasm_u16x8_shr(pixels, 8); }

static inline v128_t from_rgba_weigh(v128_t halves, int32_t low, int32_t high) {
  return wasm_i32x4_dot_i16x8(halves, steady_i32(high << 16 | low));
}

static inline v128_t from_rgba_red_of(v128_t pixels) {
  return wasm_f32x4_convert_i32x4(from_rgba_weigh(from_rgba_red_blue_halves(pixels), 1, 0));
}

static inline v128_t from_rgba_green_of(v128_t pixels) {
  return wasm_f32x4_convert_i32x4(from_rgba_weigh(from_rgba_green_alpha_halves(pixels), 1, 0));
}

static inline v128_t from_rgba_blue_of(v128_t pixels) {
  return wasm_f32x4_convert_i32x4(from_rgba_weigh(from_rgba_red_blue_halves(pixels), 0, 1));
}

static inline v128_t from_rgba_luma_of(v128_t pixels) {
  v128_t red_blue = from_rgba_weigh(from_rgba_red_blue_halves(pixels), LUMA_RED, LUMA_BLUE);
  v128_t green = from_rgba_weigh(from_rgba_green_alpha_halves(pixels), LUMA_GREEN, 0);
  return wasm_f32x4_convert_i32x4(wasm_i32x4_add(red_blue, green));
}

/* Whole fours of pixels. */
APART static void from_rgba_luma_fours(const uint8_t *rgba, size_t pixels, const normalisation *luma,
                                       float *plane) {
  for (size_t i = 0; i < pixels; i += 4)
    wasm_v128_store(plane + i, normalise(from_rgba_luma_of(wasm_v128_load(rgba + 4 * i)), luma));
}

APART static void from_rgba_colour_fours(const uint8_t *rgba, size_t pixels, const normalisation *colour,
                                         float *planes, size_t plane_stride) {
  float *greens = planes + plane_stride, *blues = greens + plane_stride;
  for (size_t i = 0; i < pixels; i += 4) {
    v128_t four = wasm_v128_load(rgba + 4 * i);
    wasm_v128_store(planes + i, normalise(from_rgba_red_of(four), &colour[0]));
    wasm_v128_store(greens + i, normalise(from_rgba_green_of(four), &colour[1]));
    wasm_v128_store(blues + i, normalise(from_rgba_blue_of(four), &colour[2]));
  }
}

SMALL static void from_rgba_fours(const uint8_t *rgba, size_t pixels, int32_t channels,
                                  const normalisation *channel, float *planes, size_t plane_stride) {
  if (channels == 1)
    from_rgba_luma_fours(rgba, pixels, channel, planes);
  else
    from_rgba_colour_fours(rgba, pixels, channel, planes, plane_stride);
}

SMALL void dk_rgba_to_planes(const uint8_t *rgba, size_t pixels, int32_t channels, const float *mean,
                             const float *std, float *planes, size_t plane_stride) {
  normalisation channel[3];
  for (int32_t c = 0; c < channels; c++)
    channel[c] = normalisation_make(channels == 1 ? LUMA_UNIT : COLOUR_UNIT, mean[c], std[c]);
  const size_t rest = pixels % 4, whole = pixels - rest;
  from_rgba_fours(rgba, whole, channels, channel, planes, plane_stride);
  if (!rest) return;
  /* The last one to three pixels are computed beside black ones. */
  uint8_t bytes[16] = {0};
  float values[3][4];
  memcpy(bytes, rgba + 4 * whole, 4 * rest);
  from_rgba_fours(bytes, 4, channels, channel, values[0], 4);
  for (int32_t c = 0; c < channels; c++)
    memcpy(planes + (size_t)c * plane_stride + whole, values[c], rest * sizeof(float));
}
