/* The normalisation that pixels/from_rgba.c and pixels/resize.c share, and the portable references of
 * dk_rgba_to_planes, dk_resize_rows, dk_range, dk_map_to_rgba and dk_planes_to_rgba. */
#ifndef DK_PIXELS_H
#define DK_PIXELS_H

#include "base/simd.h"
#include "dynakernel.h"

/* Luma is summed exactly, in thousandths: 299 R + 587 G + 114 B is at most 255000. */
enum { COLOUR_UNIT = 255, LUMA_UNIT = 255000, LUMA_RED = 299, LUMA_GREEN = 587, LUMA_BLUE = 114 };

/* (value / unit - mean) / std, computed as (value - zero) * (scale + scale_tail). The scale has 16 bits: its
 * product with a byte is exact. The tail has the rest. With mean 0 and std 1 the result is v / 255 rounded
 * once, the same bits that a division gives. */
typedef struct normalisation {
  float zero, scale, scale_tail;
} normalisation;

normalisation normalisation_make(int32_t unit, float mean, float std);

static inline v128_t normalise(v128_t value, const normalisation *n) {
  v128_t offset = wasm_f32x4_sub(value, wasm_f32x4_splat(n->zero));
  return wasm_f32x4_add(wasm_f32x4_mul(offset, wasm_f32x4_splat(n->scale)),
                        wasm_f32x4_mul(offset, wasm_f32x4_splat(n->scale_tail)));
}

/* The references: double precision, one pixel at a time. */
void rgba_to_planes_reference(const uint8_t *rgba, size_t pixels, int32_t channels, const float *mean,
                              const float *std, float *planes, size_t plane_stride);

/* rgba [src_H, src_W, 4], the whole image at once -> planes [channels, H, W]. box is not NULL. */
void resize_reference(const uint8_t *rgba, int32_t src_H, int32_t src_W, const dk_box *box, int32_t channels,
                      const float *mean, const float *std, float *planes, int32_t H, int32_t W);

void range_reference(const float *x, size_t count, float *range);

/* The level of value, 0 to 255, if low .. high is spread over 0 .. 255, before rounding. 128 if the range is
 * empty or not finite; NaN for NaN. SIMD computes this in single precision: if the level is within 1e-4 of
 * the middle between two integers, it may round to the other one. */
double level_reference(float value, float low, float high);

void map_to_rgba_reference(const float *map, size_t pixels, float low, float high, const uint8_t *palette,
                           uint8_t *rgba);
void planes_to_rgba_reference(const float *planes, size_t plane_stride, size_t pixels, float low, float high,
                              uint8_t *rgba);

#endif
