//===- Narrow.h - floating-point formats of up to 32 bits, and doubles --------===//
#ifndef TEGULA_TOOLS_PTXSIM_NARROW_H
#define TEGULA_TOOLS_PTXSIM_NARROW_H

#include "Ptx.h"

namespace ptxsim {

/// The number that the bits of a format mean. tf32 is a float whose last 13 bits do not count.
double decodeNarrow(uint64_t bits, Type type);
/// The nearest f16 or bf16, to even.
uint16_t encodeNarrow(double value, Type type);

} // namespace ptxsim

#endif
