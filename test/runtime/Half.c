#include "Half.h"

#include <string.h>

float __extendhfsf2(_Float16 value);
_Float16 __truncsfhf2(float value);

float float_of_half(uint16_t bits) {
  _Float16 value;
  memcpy(&value, &bits, sizeof value);
  return __extendhfsf2(value);
}

uint16_t half_of_float(float value) {
  _Float16 half = __truncsfhf2(value);
  uint16_t bits;
  memcpy(&bits, &half, sizeof bits);
  return bits;
}

#if defined(__clang__) || __GNUC__ >= 13
__bf16 __truncsfbf2(float value);

int32_t bfloat_of_float(float value) {
  __bf16 rounded = __truncsfbf2(value);
  uint16_t bits;
  memcpy(&bits, &rounded, sizeof bits);
  return bits;
}
#else
int32_t bfloat_of_float(float value) {
  (void)value;
  return -1;
}
#endif
