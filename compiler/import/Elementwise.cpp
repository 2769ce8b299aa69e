//===- Elementwise.cpp - rows of elementwise operators ------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

using namespace mlir;

namespace tegula {

static FailureOr<Values> plainUnary(Node &n, StringRef kind) { return one(n.unary(kind, n.in(0))); }
static FailureOr<Values> plainBinary(Node &n, StringRef kind) { return one(n.binary(kind, n.in(0), n.in(1))); }

static FailureOr<Values> params(Node &n, StringRef kind, StringRef first, double a, StringRef second = "",
                                double b = 0) {
  SmallVector<double> values{n.getFloat(first, a)};
  if (!second.empty())
    values.push_back(n.getFloat(second, b));
  return one(n.unary(kind, n.in(0), values));
}

static FailureOr<Values> variadic(Node &n, StringRef kind) {
  Value result = n.in(0);
  for (size_t i = 1; i < n.inputs.size(); ++i)
    result = n.binary(kind, result, n.in(i));
  return one(result);
}

static FailureOr<Values> mean(Node &n) {
  FailureOr<Values> sum = variadic(n, "add");
  if (failed(sum))
    return failure();
  return one(n.binary("mul", (*sum)[0], n.number(n.elementOf((*sum)[0]), 1.0 / n.inputs.size())));
}

static FailureOr<Values> clip(Node &n) {
  Value x = n.in(0), low = n.in(1), high = n.in(2);
  if (n.opset < 11) {
    low = n.number(n.elementOf(x), n.getFloat("min", -3.4028234663852886e38));
    high = n.number(n.elementOf(x), n.getFloat("max", 3.4028234663852886e38));
  }
  if (low)
    x = n.binary("clip_low", x, low);
  if (high)
    x = n.binary("clip_high", x, high);
  return one(x == n.in(0) ? n.unary("identity", x) : x);
}

static FailureOr<Values> power(Node &n) {
  Value x = n.in(0), y = n.in(1);
  Type element = n.elementOf(x);
  std::optional<SmallVector<double>> exponent = n.constFloats(y);
  if (!exponent)
    if (auto whole = n.constInts(y))
      exponent = SmallVector<double>(whole->begin(), whole->end());
  if (exponent && exponent->size() == 1 && n.rankOf(y) <= n.rankOf(x)) {
    double p = (*exponent)[0];
    if (p == 2)
      return one(n.binary("mul", x, x));
    if (p == 3)
      return one(n.binary("mul", x, n.binary("mul", x, x)));
    if (p == 0.5 && isa<FloatType>(element))
      return one(n.unary("sqrt", x));
    if (p == 1)
      return one(n.unary("identity", x));
  }
  if (isa<FloatType>(element))
    return one(n.binary("pow", x, n.cast(y, element)));
  // Integers go through double: exact up to 2^53.
  Type wide = n.b.getF64Type();
  return one(n.cast(n.binary("pow", n.cast(x, wide), n.cast(y, wide)), element));
}

static FailureOr<Values> mod(Node &n) { return plainBinary(n, n.getInt("fmod", 0) ? "fmod" : "mod"); }

static FailureOr<Values> where(Node &n) { return one(n.select(n.in(0), n.in(1), n.in(2))); }

static FailureOr<Values> castTo(Node &n) {
  Type element = n.importer.elementType(n.getInt("to", 0));
  if (!element)
    return n.refuse("T0102", "cast to element type " +
                                 onnx::TensorProto::DataType_Name((onnx::TensorProto::DataType)n.getInt("to", 0)) +
                                 " is not supported");
  return one(n.elementOf(n.in(0)) == element ? n.unary("identity", n.in(0)) : n.cast(n.in(0), element));
}
static FailureOr<Values> castLike(Node &n) { return one(n.cast(n.in(0), n.elementOf(n.in(1)))); }

static FailureOr<Values> isInf(Node &n) {
  return one(
      n.unary("is_inf", n.in(0), {(double)n.getInt("detect_negative", 1), (double)n.getInt("detect_positive", 1)}));
}

static FailureOr<Values> gelu(Node &n) {
  return plainUnary(n, n.getString("approximate", "none") == "tanh" ? "gelu_tanh" : "gelu");
}

static FailureOr<Values> bitShift(Node &n) {
  return plainBinary(n, n.getString("direction", "LEFT") == "LEFT" ? "shift_left" : "shift_right");
}

/// Before opset 7 a slope of shape [C] belongs to axis 1; since then it broadcasts as in numpy.
static FailureOr<Values> prelu(Node &n) {
  Value x = n.in(0), slope = n.in(1);
  if (n.opset < 7 && n.rankOf(slope) == 1 && n.rankOf(x) > 2 && n.shapeOf(slope)[0] != 1) {
    Ints shape(n.rankOf(x) - 1, 1);
    shape[0] = n.shapeOf(slope)[0];
    slope = n.reshape(slope, shape);
  }
  return one(n.binary("prelu", x, slope));
}

static FailureOr<Values> identity(Node &n) {
  Values results{n.in(0)};
  return results;
}

static FailureOr<Values> dropout(Node &n) {
  if (n.has(2)) {
    auto training = n.constInts(n.in(2));
    if (!training || (*training)[0])
      return n.refuse("T0102", "Dropout in training mode is not supported");
  }
  Values results{n.in(0)};
  if (n.wantsOutput(1)) {
    auto type = RankedTensorType::get(n.shapeOf(n.in(0)), n.opset < 10 ? n.elementOf(n.in(0)) : Type(n.b.getI1Type()));
    if (!type.hasStaticShape())
      return n.refuse("T0102", "the mask of Dropout needs a static shape");
    results.push_back(n.constant(DenseElementsAttr::get(
        type, isa<FloatType>(type.getElementType()) ? Attribute(n.b.getFloatAttr(type.getElementType(), 1.0))
                                                    : Attribute(n.b.getIntegerAttr(type.getElementType(), 1)))));
  }
  return results;
}

// Kinds of Elementwise.def under their ONNX names; those with parameters have rows of their own below.
#define NN_UNARY(kind, onnx, formula)                                                                                  \
  static FailureOr<Values> unary_##kind(Node &n) { return plainUnary(n, #kind); }
#define NN_BINARY(kind, onnx, formula)                                                                                 \
  static FailureOr<Values> binary_##kind(Node &n) { return plainBinary(n, #kind); }
#define NN_COMPARE(kind, onnx, formula) NN_BINARY(kind, onnx, formula)
#include "tegula/dialects/nn/Elementwise.def"

static FailureOr<Values> celu(Node &n) { return params(n, "celu", "alpha", 1.0); }
static FailureOr<Values> elu(Node &n) { return params(n, "elu", "alpha", 1.0); }
static FailureOr<Values> hardSigmoid(Node &n) { return params(n, "hard_sigmoid", "alpha", 0.2, "beta", 0.5); }
static FailureOr<Values> leakyRelu(Node &n) { return params(n, "leaky_relu", "alpha", 0.01); }
static FailureOr<Values> selu(Node &n) {
  return params(n, "selu", "alpha", 1.67326319217681884765625, "gamma", 1.05070102214813232421875);
}
static FailureOr<Values> shrink(Node &n) { return params(n, "shrink", "bias", 0.0, "lambd", 0.5); }
static FailureOr<Values> swish(Node &n) { return params(n, "swish", "alpha", 1.0); }
static FailureOr<Values> thresholdedRelu(Node &n) { return params(n, "thresholded_relu", "alpha", 1.0); }

ArrayRef<Row> elementwiseRows() {
  static const Row rows[] = {
#define NN_UNARY(kind, onnx, formula) {onnx, 1, unary_##kind},
#define NN_BINARY(kind, onnx, formula) {onnx, 1, binary_##kind},
#define NN_COMPARE(kind, onnx, formula) {onnx, 1, binary_##kind},
#include "tegula/dialects/nn/Elementwise.def"
      // A later version wins: the kinds with parameters replace their plain rows.
      {"Celu", 2, celu},
      {"Elu", 2, elu},
      {"HardSigmoid", 2, hardSigmoid},
      {"LeakyRelu", 2, leakyRelu},
      {"Selu", 2, selu},
      {"Shrink", 2, shrink},
      {"Swish", 2, swish},
      {"ThresholdedRelu", 2, thresholdedRelu},
      {"Max", 1, [](Node &n) { return variadic(n, "max"); }},
      {"Min", 1, [](Node &n) { return variadic(n, "min"); }},
      {"Sum", 1, [](Node &n) { return variadic(n, "add"); }},
      {"Mean", 1, mean},
      {"Clip", 1, clip},
      {"Pow", 1, power},
      {"Mod", 1, mod},
      {"Where", 1, where},
      {"Cast", 1, castTo},
      {"CastLike", 1, castLike},
      {"IsInf", 1, isInf},
      {"Gelu", 1, gelu},
      {"BitShift", 1, bitShift},
      {"PRelu", 2, prelu},
      {"Identity", 1, identity},
      {"Dropout", 1, dropout},
  };
  return rows;
}

} // namespace tegula
