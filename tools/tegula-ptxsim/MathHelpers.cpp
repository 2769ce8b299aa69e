//===- MathHelpers.cpp - arithmetic that vectors of the host do not have ------===//
#include "EmitFloat.h"
#include "Runtime.h"
#include <cfenv>
#include <cmath>
#include <cstring>

namespace ptxsim {

template <typename T> static T *slot(Warp *warp, unsigned index) {
  return reinterpret_cast<T *>(warp->values + index * 512);
}

//===----------------------------------------------------------------------===//
// Rounding modes
//===----------------------------------------------------------------------===//

template <typename T> static T operate(char operation, volatile T a, volatile T b, volatile T c) {
  switch (operation) {
  case '+':
    return a + b;
  case '-':
    return a - b;
  case '*':
    return a * b;
  case '/':
    return a / b;
  case 's':
    return std::sqrt(static_cast<T>(a));
  default:
    return std::fma(static_cast<T>(a), static_cast<T>(b), static_cast<T>(c));
  }
}

template <typename T> static void roundedOperation(Warp *warp, const Site *site, uint32_t) {
  static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD, FE_TONEAREST};
  T *a = slot<T>(warp, 0), *b = slot<T>(warp, 1), *c = slot<T>(warp, 2);
  fesetround(modes[site->extra[0]]);
  for (unsigned lane = 0; lane < warpSize; ++lane)
    a[lane] = operate<T>(site->operation, a[lane], b[lane], c[lane]);
  fesetround(FE_TONEAREST);
}

//===----------------------------------------------------------------------===//
// Approximate functions, as exact as the host's
//===----------------------------------------------------------------------===//

template <float (*function)(float)> static void forLanes(float *values, uint32_t mask) {
  for (unsigned lane = 0; lane < warpSize; ++lane)
    if (mask >> lane & 1)
      values[lane] = function(values[lane]);
}

static float exp2Of(float x) { return exp2f(x); }
static float log2Of(float x) { return log2f(x); }
static float sinOf(float x) { return sinf(x); }
static float cosOf(float x) { return cosf(x); }
static float tanhOf(float x) { return tanhf(x); }

static void function(Warp *warp, const Site *site, uint32_t mask) {
  float *values = slot<float>(warp, 0);
  switch (site->operation) {
  case 'e':
    return forLanes<exp2Of>(values, mask);
  case 'l':
    return forLanes<log2Of>(values, mask);
  case 's':
    return forLanes<sinOf>(values, mask);
  case 'c':
    return forLanes<cosOf>(values, mask);
  default:
    return forLanes<tanhOf>(values, mask);
  }
}

//===----------------------------------------------------------------------===//
// Conversions between any two formats
//===----------------------------------------------------------------------===//

namespace {
struct Format {
  int digits, least, most; ///< of the significand with its leading one; exponents of the least and the largest normal
  bool hasInfinity;
  unsigned bits;
};
} // namespace

static bool formatOf(uint8_t kind, unsigned bytes, Format &format) {
  switch (kind) {
  case Type::Float:
    format = bytes == 2   ? Format{11, -14, 15, true, 16}
             : bytes == 4 ? Format{24, -126, 127, true, 32}
                          : Format{53, -1022, 1023, true, 64};
    return true;
  case Type::BFloat:
    format = {8, -126, 127, true, 16};
    return true;
  case Type::TFloat:
    format = {11, -126, 127, true, 32};
    return true;
  case Type::E4M3:
    format = {4, -6, 8, false, 8};
    return true;
  case Type::E5M2:
    format = {3, -14, 15, true, 8};
    return true;
  default:
    return false;
  }
}

/// The number that bits mean. A long double holds all of them, and 64-bit integers.
static long double decode(uint64_t bits, uint8_t kind, unsigned bytes) {
  Format format;
  if (!formatOf(kind, bytes, format)) {
    unsigned unused = 64 - 8 * bytes;
    if (kind == Type::Signed)
      return static_cast<long double>(static_cast<int64_t>(bits << unused) >> unused);
    return static_cast<long double>((bits << unused) >> unused);
  }
  int mantissaBits = kind == Type::TFloat ? 23 : format.digits - 1, width = format.bits;
  uint64_t mantissa = bits & ((uint64_t(1) << mantissaBits) - 1);
  int exponentBits = width - 1 - mantissaBits;
  int exponent = static_cast<int>(bits >> mantissaBits & ((1u << exponentBits) - 1));
  bool isNegative = bits >> (width - 1) & 1;
  int top = (1 << exponentBits) - 1;
  long double value;
  if (exponent == top && format.hasInfinity)
    value = mantissa ? std::nanl("") : static_cast<long double>(INFINITY);
  else if (!format.hasInfinity && exponent == top && mantissa == (1u << mantissaBits) - 1)
    value = std::nanl("");
  else if (exponent == 0)
    value = ldexpl(mantissa, format.least - mantissaBits);
  else
    value = ldexpl(mantissa | uint64_t(1) << mantissaBits, exponent - 1 + format.least - mantissaBits);
  return isNegative ? -value : value;
}

static long double roundToInteger(long double value, Rounding mode) {
  switch (mode) {
  case Rounding::Zero:
    return truncl(value);
  case Rounding::Down:
    return floorl(value);
  case Rounding::Up:
    return ceill(value);
  case Rounding::NearestAway:
    return roundl(value);
  default:
    return rintl(value);
  }
}

/// The bits of a number in a format, rounded; overflow goes to the largest number or to infinity.
static uint64_t encode(long double value, uint8_t kind, unsigned bytes, Rounding mode, bool isFiniteOnly) {
  Format format;
  formatOf(kind, bytes, format);
  int mantissaBits = kind == Type::TFloat ? 23 : format.digits - 1, width = format.bits;
  uint64_t sign = std::signbit(value) ? uint64_t(1) << (width - 1) : 0;
  uint64_t infinity = (~uint64_t(0) >> (64 - (width - 1 - mantissaBits))) << mantissaBits;
  if (std::isnan(value))
    return kind == Type::E5M2 ? 0x7f : ~uint64_t(0) >> (65 - width);
  uint64_t largest = format.hasInfinity ? infinity - (uint64_t(1) << (mantissaBits - format.digits + 1)) : 0x7e;
  if (value == 0)
    return sign;
  if (std::isinf(value))
    return sign | (isFiniteOnly || !format.hasInfinity ? largest : infinity);
  int exponent = std::max(ilogbl(value), format.least);
  long double unit = ldexpl(1, exponent - format.digits + 1);
  long double rounded = roundToInteger(value / unit, mode);
  if (rounded == 0)
    return sign;
  exponent = std::max(ilogbl(rounded) + exponent - format.digits + 1, format.least);
  long double limit = format.hasInfinity ? ldexpl(1, format.most + 1) : 480;
  if (fabsl(rounded * unit) >= limit) {
    bool isToZero = mode == Rounding::Zero || (mode == Rounding::Down && !sign) || (mode == Rounding::Up && sign);
    return sign | (isFiniteOnly || isToZero || !format.hasInfinity ? largest : infinity);
  }
  uint64_t scaled = static_cast<uint64_t>(ldexpl(fabsl(rounded * unit), mantissaBits - exponent));
  bool isNormal = scaled >> mantissaBits;
  return sign | (isNormal ? scaled - (uint64_t(1) << mantissaBits) +
                                (static_cast<uint64_t>(exponent - format.least + 1) << mantissaBits)
                          : scaled);
}

static uint64_t encodeInteger(long double value, const Site *site) {
  unsigned bits = 8 * site->bytes;
  if (std::isnan(value))
    return bits == 64 || site->extra[1] == 8 ? uint64_t(1) << (bits - 1) : 0;
  bool isSigned = site->type == Type::Signed;
  value = roundToInteger(value, static_cast<Rounding>(site->operation));
  long double least = isSigned ? -ldexpl(1, bits - 1) : 0, most = ldexpl(1, isSigned ? bits - 1 : bits) - 1;
  value = std::min(std::max(value, least), most);
  return isSigned ? static_cast<uint64_t>(static_cast<int64_t>(value)) : static_cast<uint64_t>(value);
}

static long double flush(long double value, uint8_t kind, unsigned bytes) {
  bool isSingle = kind == Type::Float && bytes == 4;
  return isSingle && fabsl(value) < ldexpl(1, -126) ? copysignl(0, value) : value;
}

static uint64_t convertOne(uint64_t bits, const Site *site) {
  Format format;
  uint8_t from = site->extra[0];
  long double value = decode(bits, from, site->extra[1]);
  if (site->extra[4])
    value = flush(value, from, site->extra[1]);
  if (!formatOf(site->type, site->bytes, format))
    return encodeInteger(value, site);
  Rounding mode = static_cast<Rounding>(site->operation);
  if (site->extra[5] && !std::isnan(value) && !std::isinf(value))
    value = copysignl(roundToInteger(value, mode), value);
  bool isNarrow = site->type == Type::E4M3 || site->type == Type::E5M2;
  if (site->extra[2] && !isNarrow)
    value = value > 0 ? std::min(value, 1.0L) : 0;
  if (site->extra[3] && value < 0)
    value = 0;
  if (site->extra[4])
    value = flush(value, site->type, site->bytes);
  return encode(value, site->type, site->bytes, mode, isNarrow);
}

static void convert(Warp *warp, const Site *site, uint32_t mask) {
  unsigned from = site->extra[1], to = site->bytes;
  char result[warpSize * 8];
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    uint64_t bits = 0;
    memcpy(&bits, warp->values + lane * from, from);
    uint64_t converted = mask >> lane & 1 ? convertOne(bits, site) : 0;
    memcpy(result + lane * to, &converted, to);
  }
  memcpy(warp->values, result, warpSize * to);
}

static void findNth(Warp *warp, const Site *, uint32_t) {
  uint32_t *values = slot<uint32_t>(warp, 0), *bases = slot<uint32_t>(warp, 1);
  int32_t *offsets = slot<int32_t>(warp, 2);
  for (unsigned lane = 0; lane < warpSize; ++lane) {
    int32_t offset = offsets[lane], step = offset < 0 ? -1 : 1, left = offset ? std::abs(offset) : 1;
    uint32_t result = 0xffffffff;
    for (int place = bases[lane] & 31; place >= 0 && place < 32; place += step) {
      if (values[lane] >> place & 1 && --left == 0) {
        result = place;
        break;
      }
      if (offset == 0)
        break;
    }
    values[lane] = result;
  }
}

llvm::ArrayRef<Helper> mathHelpers() {
  static const Helper helpers[] = {
      {"ptxsim.round.f32", reinterpret_cast<void *>(&roundedOperation<float>)},
      {"ptxsim.round.f64", reinterpret_cast<void *>(&roundedOperation<double>)},
      {"ptxsim.function", reinterpret_cast<void *>(&function)},
      {"ptxsim.convert", reinterpret_cast<void *>(&convert)},
      {"ptxsim.fns", reinterpret_cast<void *>(&findNth)},
  };
  return helpers;
}

} // namespace ptxsim
