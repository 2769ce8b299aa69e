// runtime/cpu/half.c: every f16, and every place where rounding to 16 bits changes.
#include "Half.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>

static float floatOfBits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// What the bits of an f16 mean: IEEE 754, section 3.4.
static double meaningOfHalf(uint16_t bits) {
  int exponent = (bits >> 10) & 0x1f, mantissa = bits & 0x3ff;
  double size = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
  return bits & 0x8000 ? -size : size;
}

TEST(Half, ExtendsEveryNumber) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = float_of_half((uint16_t)bits);
    if ((bits & 0x7c00) != 0x7c00) {
      ASSERT_EQ(value, meaningOfHalf((uint16_t)bits)) << bits;
      ASSERT_EQ(std::signbit(value), bits >= 0x8000) << bits;
    } else if (bits & 0x3ff) {
      ASSERT_TRUE(std::isnan(value)) << bits;
    } else {
      ASSERT_TRUE(std::isinf(value) && std::signbit(value) == (bits >= 0x8000)) << bits;
    }
  }
}

TEST(Half, RoundsToNearestTiesToEven) {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    uint16_t low = (uint16_t)bits, high = (uint16_t)(bits + 1), even = (uint16_t)(bits + (bits & 1));
    double next =
        high == 0x7c00 ? 65536 : meaningOfHalf(high); // what lies beyond the largest rounds as if it were there
    float middle = (float)((meaningOfHalf(low) + next) / 2);
    float below = std::nextafter(middle, 0.0f), above = std::nextafter(middle, std::numeric_limits<float>::infinity());
    for (uint16_t sign : {0, 0x8000}) {
      float one = sign ? -1.0f : 1.0f;
      ASSERT_EQ(half_of_float(one * (float)meaningOfHalf(low)), low | sign) << bits;
      ASSERT_EQ(half_of_float(one * below), low | sign) << bits;
      ASSERT_EQ(half_of_float(one * middle), even | sign) << bits;
      ASSERT_EQ(half_of_float(one * above), high | sign) << bits;
    }
  }
  EXPECT_EQ(half_of_float(std::numeric_limits<float>::infinity()), 0x7c00);
  EXPECT_EQ(half_of_float(-1e30f), 0xfc00);
  uint16_t nan = half_of_float(std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE((nan & 0x7c00) == 0x7c00 && (nan & 0x3ff));
}

TEST(Half, RoundsToBfloat) {
  if (bfloat_of_float(1) < 0)
    GTEST_SKIP() << "this compiler has no __bf16";
  for (uint32_t high = 0; high < 0x7f80; ++high) {
    uint32_t bits = high << 16;
    ASSERT_EQ(bfloat_of_float(floatOfBits(bits)), (int32_t)high);
    ASSERT_EQ(bfloat_of_float(floatOfBits(bits + 0x7fff)), (int32_t)high);
    ASSERT_EQ(bfloat_of_float(floatOfBits(bits + 0x8000)), (int32_t)(high + (high & 1)));
    ASSERT_EQ(bfloat_of_float(floatOfBits(bits + 0x8001)), (int32_t)high + 1);
  }
  int32_t nan = bfloat_of_float(floatOfBits(0x7f800001));
  EXPECT_TRUE((nan & 0x7f80) == 0x7f80 && (nan & 0x7f));
}
