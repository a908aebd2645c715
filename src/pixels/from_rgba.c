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

/* Loads fewer than four pixels; the missing ones are 0. */
static inline v128_t from_rgba_load_tail(const uint8_t *rgba, size_t pixels) {
  uint8_t bytes[16] = {0};
  memcpy(bytes, rgba, 4 * pixels);
  return wasm_v128_load(bytes);
}

static inline void from_rgba_store_tail(float *plane, size_t pixels, v128_t values) {
  float lanes[4];
  wasm_v128_store(lanes, values);
  memcpy(plane, lanes, pixels * sizeof(float));
}

static void from_rgba_luma_to_plane(const uint8_t *rgba, size_t pixels, const normalisation *luma,
                                    float *plane) {
  size_t i = 0;
  for (; i + 4 <= pixels; i += 4)
    wasm_v128_store(plane + i, normalise(from_rgba_luma_of(wasm_v128_load(rgba + 4 * i)), luma));
  if (i < pixels)
    from_rgba_store_tail(plane + i, pixels - i,
                         normalise(from_rgba_luma_of(from_rgba_load_tail(rgba + 4 * i, pixels - i)), luma));
}

void dk_rgba_to_planes(const uint8_t *rgba, size_t pixels, int32_t channels, const float *mean,
                       const float *std, float *planes, size_t plane_stride) {
  if (channels == 1) {
    normalisation luma = normalisation_make(LUMA_UNIT, mean[0], std[0]);
    from_rgba_luma_to_plane(rgba, pixels, &luma, planes);
    return;
  }
  normalisation red = normalisation_make(COLOUR_UNIT, mean[0], std[0]);
  normalisation green = normalisation_make(COLOUR_UNIT, mean[1], std[1]);
  normalisation blue = normalisation_make(COLOUR_UNIT, mean[2], std[2]);
  float *greens = planes + plane_stride, *blues = planes + 2 * plane_stride;
  size_t i = 0;
  for (; i + 4 <= pixels; i += 4) {
    v128_t four = wasm_v128_load(rgba + 4 * i);
    wasm_v128_store(planes + i, normalise(from_rgba_red_of(four), &red));
    wasm_v128_store(greens + i, normalise(from_rgba_green_of(four), &green));
    wasm_v128_store(blues + i, normalise(from_rgba_blue_of(four), &blue));
  }
  if (i < pixels) {
    v128_t rest = from_rgba_load_tail(rgba + 4 * i, pixels - i);
    from_rgba_store_tail(planes + i, pixels - i, normalise(from_rgba_red_of(rest), &red));
    from_rgba_store_tail(greens + i, pixels - i, normalise(from_rgba_green_of(rest), &green));
    from_rgba_store_tail(blues + i, pixels - i, normalise(from_rgba_blue_of(rest), &blue));
  }
}
