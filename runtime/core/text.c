/* Building of messages in fixed buffers: no allocation, no locale, no printf. */
#include "internal.h"

TEGULA_RT rt_text tegula_rt_text(char *buffer, size_t bytes) {
  rt_text text = {buffer, buffer + bytes - 1};
  *buffer = 0;
  return text;
}

TEGULA_RT void tegula_rt_put(rt_text *text, const char *words) {
  while (*words && text->at < text->end)
    *text->at++ = *words++;
  *text->at = 0;
}

TEGULA_RT void tegula_rt_put_number(rt_text *text, int64_t number) {
  char digits[24];
  char *at = digits + sizeof digits - 1;
  uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  *at = 0;
  do {
    *--at = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest);
  if (number < 0)
    *--at = '-';
  tegula_rt_put(text, at);
}

TEGULA_RT void tegula_rt_put_shape(rt_text *text, int32_t rank, const int64_t *shape) {
  tegula_rt_put(text, "[");
  for (int32_t i = 0; i < rank && i < TEGULA_MAX_RANK; ++i) {
    if (i)
      tegula_rt_put(text, ", ");
    if (shape[i] == -1)
      tegula_rt_put(text, "?");
    else
      tegula_rt_put_number(text, shape[i]);
  }
  tegula_rt_put(text, "]");
}

TEGULA_RT const char *tegula_rt_dtype_name(int32_t dtype) {
  static const char *const names[] = {
      "undefined", "float32",    "uint8",         "int8",           "uint16",          "int16",       "int32",
      "int64",     "string",     "bool",          "float16",        "float64",         "uint32",      "uint64",
      "complex64", "complex128", "bfloat16",      "float8_e4m3fn",  "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
      "uint4",     "int4",       "float4_e2m1fn", "float8_e8m0fnu", "uint2",           "int2"};
  if (dtype < 0 || dtype >= (int32_t)(sizeof names / sizeof *names))
    return "an unknown type";
  return names[dtype];
}
