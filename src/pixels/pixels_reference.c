/* Portable references, written for reading. pixels/from_rgba.c, pixels/to_rgba.c and pixels/resize.c compute
 * the same. */
#include "pixels/pixels.h"

#include <math.h>
#include <string.h>

/* Channel c of a pixel, 0 to 255; if there is one channel, the luma. */
static double channel_value(const uint8_t *pixel, int32_t channels, int32_t c) {
  if (channels == 1) return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
  return pixel[c];
}

void rgba_to_planes_reference(const uint8_t *rgba, size_t pixels, int32_t channels, const float *mean,
                              const float *std, float *planes, size_t plane_stride) {
  for (int32_t c = 0; c < channels; c++)
    for (size_t i = 0; i < pixels; i++) {
      double value = channel_value(rgba + 4 * i, channels, c) / 255.0;
      planes[(size_t)c * plane_stride + i] = (float)((value - mean[c]) / std[c]);
    }
}

/* The share of source pixel u in target pixel i, before the shares are made to sum to 1: a triangle around
 * the target's centre that reaches one source pixel to each side, or one target pixel if the picture shrinks.
 * The target's pixels divide start .. start + length. */
static double triangle(int32_t u, int32_t i, double start, double length, int32_t size) {
  double step = length / size;
  double radius = step > 1.0 ? step : 1.0;
  double distance = fabs((u + 0.5) - (start + (i + 0.5) * step));
  return distance < radius ? 1.0 - distance / radius : 0.0;
}

void resize_reference(const uint8_t *rgba, int32_t src_H, int32_t src_W, const dk_box *box, int32_t channels,
                      const float *mean, const float *std, float *planes, int32_t H, int32_t W) {
  int32_t top = (int32_t)floor(box->y), bottom = (int32_t)ceil(box->y + box->height);
  int32_t left = (int32_t)floor(box->x), right = (int32_t)ceil(box->x + box->width);
  for (int32_t y = 0; y < H; y++)
    for (int32_t x = 0; x < W; x++) {
      double sum[3] = {0.0, 0.0, 0.0}, share = 0.0; /* channels is 1 or 3, which the analyser cannot know */
      for (int32_t v = top; v < bottom; v++) {
        double row_weight = triangle(v, y, box->y, box->height, H);
        if (row_weight == 0.0) continue;
        for (int32_t u = left; u < right; u++) {
          double weight = row_weight * triangle(u, x, box->x, box->width, W);
          share += weight;
          if (v < 0 || v >= src_H || u < 0 || u >= src_W) continue; /* black */
          const uint8_t *pixel = rgba + 4 * ((size_t)v * (size_t)src_W + (size_t)u);
          for (int32_t c = 0; c < channels; c++)
            /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
            sum[c] += weight * channel_value(pixel, channels, c);
        }
      }
      for (int32_t c = 0; c < channels; c++)
        planes[((size_t)c * (size_t)H + (size_t)y) * (size_t)W + (size_t)x] =
            /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
            (float)((sum[c] / share / 255.0 - mean[c]) / std[c]);
    }
}

void range_reference(const float *x, size_t count, float *range) {
  float low = INFINITY, high = -INFINITY;
  for (size_t i = 0; i < count; i++)
    if (isfinite(x[i])) {
      low = x[i] < low ? x[i] : low;
      high = x[i] > high ? x[i] : high;
    }
  range[0] = low <= high ? low : 0.0f;
  range[1] = low <= high ? high : 0.0f;
}

double level_reference(float value, float low, float high) {
  if (isnan(value)) return value;
  double spread = (double)high - low;
  if (!(spread > 0.0 && isfinite(spread))) return 128.0;
  double level = ((double)value - low) * 255.0 / spread;
  return level < 0.0 ? 0.0 : level > 255.0 ? 255.0 : level;
}

void map_to_rgba_reference(const float *map, size_t pixels, float low, float high, const uint8_t *palette,
                           uint8_t *rgba) {
  for (size_t i = 0; i < pixels; i++) {
    double level = level_reference(map[i], low, high);
    if (isnan(level))
      memset(rgba + 4 * i, 0, 4);
    else
      memcpy(rgba + 4 * i, palette + 4 * (size_t)nearbyint(level), 4);
  }
}

void planes_to_rgba_reference(const float *planes, size_t plane_stride, size_t pixels, float low, float high,
                              uint8_t *rgba) {
  for (size_t i = 0; i < pixels; i++) {
    for (size_t c = 0; c < 3; c++) {
      double level = level_reference(planes[c * plane_stride + i], low, high);
      rgba[4 * i + c] = isnan(level) ? 0 : (uint8_t)nearbyint(level);
    }
    rgba[4 * i + 3] = 255;
  }
}
