/* The conversions of runtime/cpu/half.c by the bits of the short floats: C++ of some compilers does not know the types.
 */
#ifndef TEGULA_TEST_RUNTIME_HALF_H
#define TEGULA_TEST_RUNTIME_HALF_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
float float_of_half(uint16_t bits);
uint16_t half_of_float(float value);
/* -1 where the compiler does not know the type. */
int32_t bfloat_of_float(float value);
#ifdef __cplusplus
}
#endif

#endif
