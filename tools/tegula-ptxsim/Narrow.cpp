//===- Narrow.cpp - floating-point formats of up to 32 bits -------------------===//
#include "Narrow.h"
#include "llvm/ADT/bit.h"
#include <cmath>

namespace ptxsim {

/// Formats with an exponent of `exponentBits` and a mantissa of `mantissaBits`; all ones is infinity or NaN.
static double decodeIeee(uint64_t bits, int exponentBits, int mantissaBits) {
  int top = (1 << exponentBits) - 1, bias = top / 2;
  int exponent = bits >> mantissaBits & top, mantissa = bits & ((1 << mantissaBits) - 1);
  double value = exponent == top ? (mantissa ? NAN : INFINITY)
                 : exponent      ? std::ldexp(mantissa | 1 << mantissaBits, exponent - bias - mantissaBits)
                                 : std::ldexp(mantissa, 1 - bias - mantissaBits);
  return bits >> (exponentBits + mantissaBits) & 1 ? -value : value;
}

/// A table of all halves: matrix instructions read thousands.
static const float *halves() {
  static const float *const table = [] {
    float *values = new float[65536];
    for (uint32_t bits = 0; bits < 65536; ++bits)
      values[bits] = static_cast<float>(decodeIeee(bits, 5, 10));
    return values;
  }();
  return table;
}

double decodeNarrow(uint64_t bits, Type type) {
  switch (type.kind) {
  case Type::Float:
    if (type.bits == 16)
      return halves()[bits & 0xffff];
    return type.bits == 32 ? llvm::bit_cast<float>(static_cast<uint32_t>(bits)) : llvm::bit_cast<double>(bits);
  case Type::BFloat:
    return llvm::bit_cast<float>(static_cast<uint32_t>(bits << 16));
  case Type::TFloat:
    return llvm::bit_cast<float>(static_cast<uint32_t>(bits) & 0xffffe000);
  case Type::E5M2:
    return decodeIeee(bits, 5, 2);
  default:
    // e4m3 has no infinity: only all ones is NaN.
    if ((bits & 0x7f) == 0x7f)
      return NAN;
    if ((bits & 0x78) == 0x78)
      return (bits & 0x80 ? -1 : 1) * std::ldexp(8 | (bits & 7), 5);
    return decodeIeee(bits, 4, 3);
  }
}

uint16_t encodeNarrow(double value, Type type) {
  bool isBfloat = type.kind == Type::BFloat;
  int digits = isBfloat ? 8 : 11, least = isBfloat ? -126 : -14, most = isBfloat ? 127 : 15;
  uint16_t sign = std::signbit(value) ? 0x8000 : 0, infinity = isBfloat ? 0x7f80 : 0x7c00;
  if (std::isnan(value))
    return 0x7fff;
  if (value == 0 || std::isinf(value))
    return sign | (value == 0 ? 0 : infinity);
  int exponent = std::max(std::ilogb(value), least);
  double rounded = std::nearbyint(std::ldexp(std::fabs(value), digits - 1 - exponent));
  if (std::ldexp(rounded, exponent - digits + 1) >= std::ldexp(1.0, most + 1))
    return sign | infinity;
  // A carry into the exponent and subnormals come out by themselves.
  return sign | static_cast<uint16_t>(static_cast<int>(rounded) + (exponent - least) * (1 << (digits - 1)));
}

} // namespace ptxsim
