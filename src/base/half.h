/* Half precision: IEEE 754's binary16, in 16-bit integers. */
#ifndef DK_HALF_H
#define DK_HALF_H

#include <stdint.h>
#include <string.h>

/* Returns x, rounded to the nearest half; to an even one if two are as near. Beyond 65504 it is 65504, with
 * the sign of x. x is not NaN. */
static inline uint16_t half_from_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t sign = bits >> 16 & 0x8000u;
  bits &= 0x7fffffffu;
  if (bits >= 0x477fe000u) return (uint16_t)(sign | 0x7bffu); /* 65504 or more */
  if (bits < 0x38800000u) {
    /* Below 2^-14 halves lie 2^-24 apart, as the floats from 0.5 on do: the addition rounds. */
    float magnitude;
    memcpy(&magnitude, &bits, sizeof bits);
    magnitude += 0.5f;
    memcpy(&bits, &magnitude, sizeof bits);
    return (uint16_t)(sign | (bits - 0x3f000000u));
  }
  /* Round off 13 bits, and change the exponent's bias from 127 to 15. */
  bits += 0xfffu + (bits >> 13 & 1u);
  return (uint16_t)(sign | (bits - (112u << 23)) >> 13);
}

/* Returns a finite half. */
static inline float float_from_half(uint16_t half) {
  uint32_t bits = (uint32_t)(half & 0x8000u) << 16 | (uint32_t)(half & 0x7fffu) << 13;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x * 0x1p112f; /* the difference of the exponents' biases */
}

#endif
