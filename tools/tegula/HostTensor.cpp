//===- HostTensor.cpp - Tensors in memory ---------------------------------===//
#include "HostTensor.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tegula;

namespace {
struct ElementType {
  StringRef name;
  size_t bytes;
};
} // namespace

/// By ONNX number. Types packed below a byte have no size.
static constexpr ElementType elementTypes[] = {{"undefined", 0},
                                               {"float32", 4},
                                               {"uint8", 1},
                                               {"int8", 1},
                                               {"uint16", 2},
                                               {"int16", 2},
                                               {"int32", 4},
                                               {"int64", 8},
                                               {"string", 0},
                                               {"bool", 1},
                                               {"float16", 2},
                                               {"float64", 8},
                                               {"uint32", 4},
                                               {"uint64", 8},
                                               {"complex64", 8},
                                               {"complex128", 16},
                                               {"bfloat16", 2},
                                               {"float8_e4m3fn", 1},
                                               {"float8_e4m3fnuz", 1},
                                               {"float8_e5m2", 1},
                                               {"float8_e5m2fnuz", 1},
                                               {"uint4", 0},
                                               {"int4", 0},
                                               {"float4_e2m1fn", 0},
                                               {"float8_e8m0fnu", 1},
                                               {"uint2", 0},
                                               {"int2", 0}};

size_t tegula::elementBytes(int32_t dtype) {
  return dtype < 0 || dtype >= static_cast<int32_t>(std::size(elementTypes)) ? 0 : elementTypes[dtype].bytes;
}

StringRef tegula::dtypeName(int32_t dtype) {
  return dtype < 0 || dtype >= static_cast<int32_t>(std::size(elementTypes)) ? "unknown" : elementTypes[dtype].name;
}

int64_t tegula::elementCount(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  if (is_contained(shape, 0))
    return 0;
  for (int64_t extent : shape)
    if (extent < 0 || MulOverflow(count, extent, count) || count > int64_t(1) << 48)
      return -1;
  return count;
}

std::string tegula::typeText(int32_t dtype, ArrayRef<int64_t> shape) {
  std::string text;
  raw_string_ostream stream(text);
  stream << dtypeName(dtype) << "[";
  interleaveComma(shape, stream, [&](int64_t extent) {
    if (extent < 0)
      stream << "?";
    else
      stream << extent;
  });
  stream << "]";
  return text;
}

tegula_tensor HostTensor::view() {
  tegula_tensor tensor = {};
  tensor.data = data.data();
  tensor.bytes = data.size();
  tensor.rank = static_cast<int32_t>(shape.size());
  tensor.dtype = dtype;
  for (size_t i = 0; i < shape.size() && i < TEGULA_MAX_RANK; ++i)
    tensor.shape[i] = shape[i];
  return tensor;
}
