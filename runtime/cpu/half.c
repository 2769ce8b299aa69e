/* Conversions between 16-bit floats and f32, for CPUs without instructions for them: compilers call these by the names
 * of compiler-rt and libgcc. All round to nearest, ties to even, and keep NaNs (quietened). */
#include "../core/internal.h"

static uint32_t bits_of(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}
static float float_of(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

#if defined(__clang__) || __GNUC__ >= 13 /* others do not know the type */
TEGULA_RT __bf16 __truncsfbf2(float value) {
  __bf16 result;
  uint32_t bits = bits_of(value);
  bool isNan = (bits & 0x7fffffff) > 0x7f800000;
  uint16_t half = (uint16_t)(isNan ? (bits >> 16) | 0x40 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  __builtin_memcpy(&result, &half, sizeof result);
  return result;
}
#endif

TEGULA_RT _Float16 __truncsfhf2(float value) {
  _Float16 result;
  uint32_t bits = bits_of(value), size = bits & 0x7fffffff, half;
  uint16_t all;
  if (size > 0x7f800000) {
    half = 0x7e00 | ((size >> 13) & 0x1ff);
  } else if (size >= 0x47800000) { /* 2^16 and more; what rounds up to it follows from the carry below */
    half = 0x7c00;
  } else if (size >= 0x38800000) { /* normal: the exponent moves from bias 127 to 15 */
    uint32_t moved = size - 0x38000000;
    half = (moved + 0xfff + ((moved >> 13) & 1)) >> 13;
  } else if (size >= 0x33000000) { /* subnormal: 2^-25 and more */
    uint32_t shift = 126 - (size >> 23), mantissa = (size & 0x7fffff) | 0x800000;
    uint32_t rest = mantissa & ((1u << shift) - 1), tie = 1u << (shift - 1);
    half = mantissa >> shift;
    half += rest > tie || (rest == tie && (half & 1));
  } else {
    half = 0;
  }
  all = (uint16_t)(((bits >> 16) & 0x8000) | half);
  __builtin_memcpy(&result, &all, sizeof result);
  return result;
}

TEGULA_RT float __extendhfsf2(_Float16 value) {
  uint16_t bits;
  uint32_t sign, exponent, mantissa;
  __builtin_memcpy(&bits, &value, sizeof bits);
  sign = (uint32_t)(bits & 0x8000) << 16;
  exponent = (bits >> 10) & 0x1f;
  mantissa = bits & 0x3ff;
  if (exponent == 0x1f)
    return float_of(sign | 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000 : 0));
  if (exponent)
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
  /* Subnormal: mantissa * 2^-24, exact in f32. */
  return float_of(sign | bits_of((float)mantissa * 0x1p-24f));
}
