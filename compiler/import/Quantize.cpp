//===- Quantize.cpp - rows of quantized operators -----------------------------------------------------------===//
//
// All become nn.quantize, nn.dequantize and sums of products of integers. Those of com.microsoft are as documented in
// ONNX Runtime's ContribOperators.md; no schema checks them before.
//
//===----------------------------------------------------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/Products.h"

using namespace mlir;

namespace tegula {

/// The axis of parameters that have one element.
static constexpr int64_t kNoAxis = -1;

/// A scale or zero point in a shape that broadcasts to x: of one element, one for each place on `axis`, or one for each
/// `block` places on it. Null (reported) where it fits none of these.
static Value spread(Node &n, Value parameter, Value x, int64_t axis, int64_t block) {
  if (!parameter)
    return {};
  ArrayRef<int64_t> shape = n.shapeOf(parameter), wanted = n.shapeOf(x);
  if (n.typeOf(parameter).hasStaticShape() && n.typeOf(parameter).getNumElements() == 1)
    return n.reshape(parameter, {});
  auto misfit = [&]() -> Value {
    std::string text;
    llvm::raw_string_ostream(text) << "a scale or zero point of " << parameter.getType() << " does not fit "
                                   << x.getType() << (axis < 0 ? " as a whole" : " on axis " + std::to_string(axis));
    (void)n.refuse("T0202", text);
    return {};
  };
  if (axis < 0 || axis >= (int64_t)wanted.size())
    return misfit();
  if (block == 0) {
    if (shape.size() != 1 || (shape[0] != wanted[axis] && !ShapedType::isDynamic(wanted[axis])) ||
        ShapedType::isDynamic(shape[0]))
      return misfit();
    Ints broadcast(wanted.size() - axis, 1);
    broadcast[0] = shape[0];
    return n.reshape(parameter, broadcast);
  }
  bool isStatic = n.typeOf(parameter).hasStaticShape() && n.typeOf(x).hasStaticShape();
  if (block < 0 || !isStatic || shape.size() != wanted.size() ||
      shape[axis] != (wanted[axis] + block - 1) / std::max<int64_t>(block, 1))
    return misfit();
  for (auto [i, extent] : llvm::enumerate(shape))
    if ((int64_t)i != axis && extent != wanted[i])
      return misfit();
  Ints split(shape), repeated, joined(shape);
  split.insert(split.begin() + axis + 1, 1);
  repeated = split;
  repeated[axis + 1] = block;
  joined[axis] *= block;
  Value each = n.reshape(parameter, split);
  each = n.finish("nn.expand", {each, n.ints(repeated)}, RankedTensorType::get(repeated, n.elementOf(parameter)), {});
  each = n.reshape(each, joined);
  return joined[axis] == wanted[axis] ? each : n.slice(each, axis, 0, wanted[axis]);
}

/// nn.quantize or nn.dequantize, whose `integers` have the type of the zero point; null (reported) where types do not
/// fit.
static Value affine(Node &n, StringRef op, Value x, Value scale, Value zero, Type element, Type integers) {
  if (n.failedBefore || !x || !scale)
    return {};
  bool isQuantize = op == "nn.quantize";
  Type real = isQuantize && !n.elementOf(x).isInteger(32) ? n.elementOf(x) : n.elementOf(scale);
  if (!isa<FloatType>(n.elementOf(scale)) || !isa<FloatType>(isQuantize ? real : element) ||
      (zero && n.elementOf(zero) != integers) || real.isF64() || n.elementOf(scale).isF64()) {
    (void)n.refuse("T0202", "the input, the scale and the zero point are of types that do not belong together");
    return {};
  }
  Values operands{x, scale};
  if (zero)
    operands.push_back(zero);
  return n.finish(op, operands, RankedTensorType::get(n.shapeOf(x), element), {});
}
static Value dequantize(Node &n, Value x, Value scale, Value zero, Type element) {
  return affine(n, "nn.dequantize", x, scale, zero, element, x ? n.elementOf(x) : Type());
}
static Value quantize(Node &n, Value x, Value scale, Value zero, Type element) {
  return affine(n, "nn.quantize", x, scale, zero, element, element);
}

/// The same with a scale and a zero point as the node has them: on `axis`, in blocks (see `spread`). Whole blocks get
/// an axis of their own, so that scales are not repeated.
static Value dequantizeAlong(Node &n, Value x, Value scale, Value zero, int64_t axis, int64_t block, Type element) {
  Ints shape(x ? n.shapeOf(x) : ArrayRef<int64_t>());
  auto isOfBlocks = [&](Value parameter) {
    Ints wanted(shape);
    wanted[axis] /= block;
    return n.shapeOf(parameter) == ArrayRef<int64_t>(wanted);
  };
  if (block > 0 && x && scale && axis >= 0 && axis < (int64_t)shape.size() && n.typeOf(x).hasStaticShape() &&
      shape[axis] % block == 0 && isOfBlocks(scale) && (!zero || isOfBlocks(zero))) {
    Ints split(shape), beside(shape);
    split[axis] = block;
    split.insert(split.begin() + axis, shape[axis] / block);
    beside[axis] = 1;
    beside.insert(beside.begin() + axis, shape[axis] / block);
    Value real =
        dequantize(n, n.reshape(x, split), n.reshape(scale, beside), zero ? n.reshape(zero, beside) : zero, element);
    return real ? n.reshape(real, shape) : real;
  }
  Value scales = spread(n, scale, x, axis, block), zeros = spread(n, zero, x, axis, block);
  return zero && !zeros ? Value() : dequantize(n, x, scales, zeros, element);
}
static Value quantizeAlong(Node &n, Value x, Value scale, Value zero, int64_t axis, int64_t block, Type element) {
  Value scales = spread(n, scale, x, axis, block), zeros = spread(n, zero, x, axis, block);
  return zero && !zeros ? Value() : quantize(n, x, scales, zeros, element);
}

/// Whether the node has these inputs, which no schema has checked for com.microsoft; reported where not.
static bool hasInputs(Node &n, ArrayRef<size_t> needed) {
  for (size_t i : needed)
    if (!n.has(i)) {
      (void)n.refuse("T0201", "input " + Twine(i) + " is missing");
      return false;
    }
  return true;
}

/// Whether integers of the type can be quantized values; reported where not.
static bool isQuantizedType(Node &n, Type type) {
  if (type && (type.isInteger(8) || type.isInteger(16)))
    return true;
  (void)n.refuse("T0102", "quantized values of this type are not supported", "quantize to 8 or 16 bits");
  return false;
}

/// The axis of a node's parameters; absent ones have one element, so that any axis will do.
static FailureOr<int64_t> axisOf(Node &n, Value x) {
  bool isOne = n.typeOf(n.in(1)).hasStaticShape() && n.typeOf(n.in(1)).getNumElements() == 1;
  return isOne ? FailureOr<int64_t>(0) : n.axis(n.getInt("axis", 1), n.rankOf(x));
}

static FailureOr<Values> quantizeLinear(Node &n) {
  if (!hasInputs(n, {0, 1}))
    return failure();
  Value x = n.in(0), scale = n.in(1), zero = n.in(2);
  FailureOr<int64_t> axis = axisOf(n, x);
  if (failed(axis))
    return failure();
  Type element = zero ? n.elementOf(zero) : IntegerType::get(n.b.getContext(), 8, IntegerType::Unsigned);
  if (int64_t wanted = n.getInt("output_dtype", 0)) {
    Type type = n.importer.elementType(wanted);
    if (zero && type != element)
      return n.refuse("T0202", "output_dtype differs from the type of the zero point");
    element = type;
  }
  if (!isQuantizedType(n, element))
    return failure();
  // The quotient is rounded to `precision`, or to the type of x.
  if (int64_t precision = n.getInt("precision", 0)) {
    Type type = n.importer.elementType(precision);
    if (!isa_and_nonnull<FloatType>(type))
      return n.refuse("T0202", "precision expects a type of floats");
    x = n.cast(x, type);
    scale = n.cast(scale, type);
  } else if (n.elementOf(x) != n.elementOf(scale) && isa<FloatType>(n.elementOf(x))) {
    // Both in f32, as numbers of two types are.
    x = n.cast(x, n.b.getF32Type());
    scale = n.cast(scale, n.b.getF32Type());
  }
  return one(quantizeAlong(n, x, scale, zero, *axis, n.getInt("block_size", 0), element));
}

static FailureOr<Values> dequantizeLinear(Node &n) {
  if (!hasInputs(n, {0, 1}))
    return failure();
  Value x = n.in(0), scale = n.in(1), zero = n.in(2);
  FailureOr<int64_t> axis = axisOf(n, x);
  if (failed(axis) || (!n.elementOf(x).isInteger(32) && !isQuantizedType(n, n.elementOf(x))))
    return failure();
  Type element = n.elementOf(scale);
  if (int64_t wanted = n.getInt("output_dtype", 0))
    element = n.importer.elementType(wanted);
  if (!isa_and_nonnull<FloatType>(element))
    return n.refuse("T0202", "the result expects a type of floats");
  return one(dequantizeAlong(n, x, scale, zero, *axis, n.getInt("block_size", 0), element));
}

/// y, its scale and its zero point: the range of x, which holds 0, in 256 steps.
static FailureOr<Values> dynamicQuantizeLinear(Node &n) {
  Value x = n.in(0);
  Type f32 = n.b.getF32Type(), ui8 = IntegerType::get(n.b.getContext(), 8, IntegerType::Unsigned);
  Ints axes(n.rankOf(x));
  for (auto [i, axis] : llvm::enumerate(axes))
    axis = i;
  Value zero = n.number(f32, 0), one = n.number(f32, 1);
  Value most = n.binary("max", n.reduce("max", x, axes, false), zero);
  Value least = n.binary("min", n.reduce("min", x, axes, false), zero);
  Value range = n.binary("sub", most, least);
  // Where all are 0, any scale will do: that of ONNX's reference implementation.
  range = n.select(n.binary("equal", range, zero), one, range);
  Value scale = n.binary("div", range, n.number(f32, 255));
  Value place = n.binary("div", n.binary("sub", zero, least), scale);
  // In place of a cast of the rounded number: saturated likewise.
  Value zeroPoint = quantize(n, place, n.number(f32, 1), {}, ui8);
  Value y = quantize(n, x, scale, zeroPoint, ui8);
  if (!y)
    return failure();
  return Values{y, scale, zeroPoint};
}

/// Integers minus their zero point, in 16 bits, which hold any such difference of 8-bit integers. `axis` is where a
/// zero point of several elements lies; -1: one for each of the last.
static Value centered(Node &n, Value x, Value zero, int64_t axis) {
  if (!x || !n.elementOf(x).isInteger(8)) {
    (void)n.refuse("T0102", "products of integers other than 8-bit ones are not supported");
    return {};
  }
  Type i16 = n.b.getIntegerType(16);
  Value wide = n.cast(x, i16);
  if (!zero)
    return wide;
  int64_t rank = n.rankOf(zero);
  if (rank <= 1) {
    zero = spread(n, zero, x, axis < 0 ? axis + n.rankOf(x) : axis, 0);
    if (!zero)
      return {};
  }
  return n.binary("sub", wide, n.cast(zero, i16));
}

static FailureOr<Values> productOfIntegers(Node &n, Value a, Value aZero, Value b, Value bZero) {
  if (n.rankOf(a) == 0 || n.rankOf(b) == 0)
    return n.refuse("T0202", "a scalar cannot be multiplied as a matrix");
  // One zero point for each row of a and each column of b.
  Value left = centered(n, a, aZero, n.rankOf(a) == 1 ? 0 : -2), right = centered(n, b, bZero, -1);
  if (!left || !right)
    return failure();
  return product(n, left, right);
}
static FailureOr<Values> convolutionOfIntegers(Node &n, Value x, Value xZero, Value w, Value wZero, Value bias) {
  Value image = centered(n, x, xZero, 1), kernel = centered(n, w, wZero, 0);
  if (!image || !kernel)
    return failure();
  return convolution(n, image, kernel, bias);
}

static FailureOr<Values> matmulInteger(Node &n) { return productOfIntegers(n, n.in(0), n.in(2), n.in(1), n.in(3)); }
static FailureOr<Values> convInteger(Node &n) {
  return convolutionOfIntegers(n, n.in(0), n.in(2), n.in(1), n.in(3), {});
}

/// Sums of products as quantized values of the type of `like`: times `factor`, rounded, plus the zero point.
static FailureOr<Values> requantize(Node &n, Value sums, Value factor, Value zero, Value like) {
  Type f32 = n.b.getF32Type(), element = n.elementOf(zero ? zero : like);
  if (!sums || !factor || !isQuantizedType(n, element))
    return failure();
  Value shared = spread(n, zero, sums, kNoAxis, 0);
  if (zero && !shared)
    return failure();
  return one(quantize(n, dequantize(n, sums, factor, {}, f32), n.number(f32, 1), shared, element));
}

/// `a * b / y` of scales, in f32.
static Value factorOf(Node &n, Value a, Value b, Value y) {
  Type f32 = n.b.getF32Type();
  if (!a || !b || !y)
    return {};
  return n.binary("div", n.binary("mul", n.cast(a, f32), n.cast(b, f32)), n.cast(y, f32));
}

static FailureOr<Values> qLinearConv(Node &n) {
  FailureOr<Values> sums = convolutionOfIntegers(n, n.in(0), n.in(2), n.in(3), n.in(5), n.in(8));
  if (failed(sums) || !sums->front())
    return failure();
  Value y = sums->front(), x = spread(n, n.in(1), y, kNoAxis, 0), w = spread(n, n.in(4), y, 1, 0);
  return requantize(n, y, factorOf(n, x, w, spread(n, n.in(6), y, kNoAxis, 0)), n.in(7), n.in(0));
}

/// A scale of rows or columns beside the result of a product.
static Value ofProduct(Node &n, Value scale, Value y, bool isRow) {
  int64_t rank = n.rankOf(y);
  return n.rankOf(scale) <= 1 ? spread(n, scale, y, isRow ? std::max<int64_t>(rank - 2, 0) : rank - 1, 0) : scale;
}

static FailureOr<Values> qLinearMatMul(Node &n) {
  FailureOr<Values> sums = productOfIntegers(n, n.in(0), n.in(2), n.in(3), n.in(5));
  if (failed(sums) || !sums->front())
    return failure();
  Value y = sums->front(), a = ofProduct(n, n.in(1), y, true), b = ofProduct(n, n.in(4), y, false);
  return requantize(n, y, factorOf(n, a, b, spread(n, n.in(6), y, kNoAxis, 0)), n.in(7), n.in(0));
}

//===- com.microsoft -------------------------------------------------------------------------------------------===//

/// A quantized input as real numbers: the value at `i`, its scale and its zero point (which may be absent).
static Value realInput(Node &n, size_t i) {
  if (!hasInputs(n, {i, i + 1}) || !isQuantizedType(n, n.elementOf(n.in(i))))
    return {};
  return dequantizeAlong(n, n.in(i), n.in(i + 1), n.in(i + 2), kNoAxis, 0, n.b.getF32Type());
}

/// Real numbers as the quantized output of a scale and a zero point, or without one of the type of `like`.
static FailureOr<Values> quantizedOutput(Node &n, Value real, Value scale, Value zero, Value like) {
  Type element = n.elementOf(zero ? zero : like);
  if (!real || !isQuantizedType(n, element))
    return failure();
  return one(quantizeAlong(n, real, scale, zero, kNoAxis, 0, element));
}

static FailureOr<Values> qLinearBinary(Node &n, StringRef kind) {
  if (!hasInputs(n, {0, 1, 3, 4, 6}))
    return failure();
  Value a = realInput(n, 0), b = realInput(n, 3);
  if (!a || !b)
    return failure();
  return quantizedOutput(n, n.binary(kind, a, b), n.in(6), n.in(7), n.in(0));
}
static FailureOr<Values> qLinearAdd(Node &n) { return qLinearBinary(n, "add"); }
static FailureOr<Values> qLinearMul(Node &n) { return qLinearBinary(n, "mul"); }

static FailureOr<Values> qLinearUnary(Node &n, StringRef kind, ArrayRef<double> params) {
  if (!hasInputs(n, {0, 1, 3}))
    return failure();
  Value x = realInput(n, 0);
  if (!x)
    return failure();
  return quantizedOutput(n, n.unary(kind, x, params), n.in(3), n.in(4), n.in(0));
}
static FailureOr<Values> qLinearSigmoid(Node &n) { return qLinearUnary(n, "sigmoid", {}); }
static FailureOr<Values> qLinearLeakyRelu(Node &n) {
  return qLinearUnary(n, "leaky_relu", {n.getFloat("alpha", 0.01f)});
}

static FailureOr<Values> qLinearGlobalAveragePool(Node &n) {
  if (!hasInputs(n, {0, 1, 3}))
    return failure();
  Value x = realInput(n, 0);
  if (!x)
    return failure();
  bool isLast = n.getInt("channels_last", 0);
  Ints axes;
  for (int64_t axis = isLast ? 1 : 2; axis < n.rankOf(x) - (isLast ? 1 : 0); ++axis)
    axes.push_back(axis);
  return quantizedOutput(n, n.reduce("mean", x, axes, true), n.in(3), n.in(4), n.in(0));
}

static FailureOr<Values> qLinearConcat(Node &n) {
  if (!n.has(0) || !n.has(1) || !n.has(2) || !n.has(3) || (n.inputs.size() - 2) % 3)
    return n.refuse("T0201", "expects Y_scale, Y_zero_point, and a tensor, a scale and a zero point for each part");
  Values parts;
  for (size_t i = 2; i < n.inputs.size(); i += 3)
    if (parts.push_back(realInput(n, i)); !parts.back())
      return failure();
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", 0), n.rankOf(parts[0]));
  if (failed(axis))
    return failure();
  return quantizedOutput(n, n.concat(parts, *axis), n.in(0), n.in(1), n.in(1));
}

static FailureOr<Values> qLinearSoftmax(Node &n) {
  if (!hasInputs(n, {0, 1, 3}))
    return failure();
  Value x = realInput(n, 0);
  if (!x)
    return failure();
  return quantizedOutput(n, n.standard("Softmax", n.getInt("opset", 13), {x}), n.in(3), n.in(4), n.in(0));
}

static FailureOr<Values> qLinearAveragePool(Node &n) {
  if (!hasInputs(n, {0, 1, 3}))
    return failure();
  Value x = realInput(n, 0);
  if (!x)
    return failure();
  bool isLast = n.getInt("channels_last", 0);
  int64_t rank = n.rankOf(x);
  Ints first{0, rank - 1}, last{0}; // where each axis comes from
  for (int64_t axis = 1; axis < rank - 1; ++axis)
    first.push_back(axis);
  for (int64_t axis = 2; axis < rank; ++axis)
    last.push_back(axis);
  last.push_back(1);
  Value y = n.standard("AveragePool", 11, {isLast ? n.transpose(x, first) : x});
  return quantizedOutput(n, y && isLast ? n.transpose(y, last) : y, n.in(3), n.in(4), n.in(0));
}

static FailureOr<Values> qLinearWhere(Node &n) {
  if (!hasInputs(n, {0, 1, 2, 4, 5, 7}))
    return failure();
  Value x = realInput(n, 1), y = realInput(n, 4);
  if (!x || !y)
    return failure();
  return quantizedOutput(n, n.select(n.in(0), x, y), n.in(7), n.in(8), n.in(1));
}

/// alpha * A * B + C of quantized matrices; C in steps of alpha * a_scale * b_scale. Real numbers without a y_scale.
static FailureOr<Values> qGemm(Node &n) {
  for (size_t i : {0, 1, 3, 4})
    if (!n.has(i) || (i % 3 == 0 && n.rankOf(n.in(i)) != 2))
      return n.refuse("T0201", "expects the matrices A and B with a scale and a zero point each");
  Value a = n.in(0), b = n.in(3), aScale = n.in(1), bScale = n.in(4);
  // Columns of the product are rows of a B that is to be transposed.
  bool isTransposed = n.getInt("transB", 0);
  Value left = centered(n, a, n.in(2), 0), right = centered(n, b, n.in(5), isTransposed ? 0 : 1);
  if (!left || !right)
    return failure();
  FailureOr<Values> sums = product(n, n.getInt("transA", 0) ? n.transpose(left, {1, 0}) : left,
                                   isTransposed ? n.transpose(right, {1, 0}) : right);
  if (failed(sums) || !sums->front())
    return failure();
  Value y = n.has(6) ? n.binary("add", sums->front(), n.in(6)) : sums->front();
  Type f32 = n.b.getF32Type();
  Value scale =
      n.binary("mul", n.cast(ofProduct(n, aScale, y, true), f32), n.cast(ofProduct(n, bScale, y, false), f32));
  if (double alpha = n.getFloat("alpha", 1); alpha != 1)
    scale = n.binary("mul", n.number(f32, alpha), scale);
  if (!n.has(7))
    return one(dequantize(n, y, scale, {}, f32));
  return requantize(n, y, n.binary("div", scale, n.cast(spread(n, n.in(7), y, kNoAxis, 0), f32)), n.in(8), n.in(0));
}

/// The sums of a product as real numbers, plus a bias.
static FailureOr<Values> realProduct(Node &n, FailureOr<Values> sums, Value aScale, Value bScale, Value bias) {
  if (failed(sums) || !sums->front())
    return failure();
  Type f32 = n.b.getF32Type();
  Value y = sums->front(), rows = ofProduct(n, aScale, y, true), columns = ofProduct(n, bScale, y, false);
  if (!rows || !columns)
    return failure();
  Value real = dequantize(n, y, n.binary("mul", n.cast(rows, f32), n.cast(columns, f32)), {}, f32);
  return one(bias && real ? n.binary("add", real, bias) : real);
}

static FailureOr<Values> matmulIntegerToFloat(Node &n) {
  if (!hasInputs(n, {0, 1, 2, 3}))
    return failure();
  return realProduct(n, productOfIntegers(n, n.in(0), n.in(4), n.in(1), n.in(5)), n.in(2), n.in(3), n.in(6));
}

static FailureOr<Values> dynamicQuantizeMatMul(Node &n) {
  if (!hasInputs(n, {0, 1, 2}))
    return failure();
  FailureOr<Values> a = dynamicQuantizeLinear(n);
  if (failed(a))
    return failure();
  return realProduct(n, productOfIntegers(n, (*a)[0], (*a)[2], n.in(1), n.in(3)), (*a)[1], n.in(2), n.in(4));
}

/// Bytes [..., k] as the numbers of `bits` bits in them, the lowest first: [..., k * 8 / bits].
static Value unpackedBits(Node &n, Value bytes, int64_t bits) {
  if (bits == 8)
    return bytes;
  Type ui8 = n.elementOf(bytes);
  Ints one(n.shapeOf(bytes)), joined(n.shapeOf(bytes));
  one.push_back(1);
  joined.back() *= 8 / bits;
  Values parts;
  Value column = n.reshape(bytes, one);
  for (int64_t shift = 0; shift < 8; shift += bits)
    parts.push_back(
        n.binary("bit_and", n.binary("shift_right", column, n.number(ui8, shift)), n.number(ui8, (1 << bits) - 1)));
  return n.reshape(n.concat(parts, one.size() - 1), joined);
}

/// A * B^T, with B: [N, blocks of K, bytes] in 2, 4 or 8 bits, a scale and a zero point for each block.
static FailureOr<Values> matmulNBits(Node &n) {
  int64_t k = n.getInt("K", 0), columns = n.getInt("N", 0), bits = n.getInt("bits", 4),
          size = n.getInt("block_size", 0);
  if (!n.has(0) || !n.has(1) || !n.has(2) || k < 1 || columns < 1 || size < 1 || size > k + 4096)
    return n.refuse("T0201", "expects A, B and scales, and the attributes K, N and block_size");
  Value a = n.in(0), b = n.in(1), scales = n.in(2), zeros = n.in(3);
  int64_t blocks = (k + size - 1) / size;
  auto holds = [&](Value value, int64_t count) {
    return n.typeOf(value).hasStaticShape() && n.typeOf(value).getNumElements() == count;
  };
  if ((bits != 2 && bits != 4 && bits != 8) || n.has(4))
    return n.refuse("T0102", "only 2, 4 and 8 bits in blocks side by side are supported");
  Type ui8 = IntegerType::get(n.b.getContext(), 8, IntegerType::Unsigned);
  int64_t zeroBytes = (blocks * bits + 7) / 8;
  bool arePacked = zeros && n.elementOf(zeros) == ui8;
  if (n.elementOf(b) != ui8 || size * bits % 8 || !holds(b, columns * blocks * size * bits / 8) ||
      !holds(scales, columns * blocks) || (zeros && !holds(zeros, columns * (arePacked ? zeroBytes : blocks))))
    return n.refuse("T0202", "B, scales or zero_points do not hold what K, N, bits and block_size say");
  // As [blocks, numbers of a block, columns]: the matrix that is multiplied.
  auto asRows = [&](Value value) { return n.transpose(value, {1, 2, 0}); };
  Value q = asRows(unpackedBits(n, n.reshape(b, {columns, blocks, size * bits / 8}), bits));
  Value scale = asRows(n.reshape(scales, {columns, blocks, 1})), weights;
  Type element = n.elementOf(scales);
  if (zeros && !arePacked) { // real numbers
    Value wide = n.binary("sub", n.cast(q, element), asRows(n.cast(n.reshape(zeros, {columns, blocks, 1}), element)));
    weights = n.binary("mul", wide, scale);
  } else {
    Value zero = n.number(ui8, 1 << (bits - 1));
    if (zeros) {
      zero = n.slice(unpackedBits(n, n.reshape(zeros, {columns, zeroBytes}), bits), 1, 0, blocks);
      zero = asRows(n.reshape(zero, {columns, blocks, 1}));
    }
    weights = dequantize(n, q, scale, zero, element);
  }
  if (!weights)
    return failure();
  weights = n.reshape(weights, {blocks * size, columns});
  if (blocks * size != k)
    weights = n.slice(weights, 0, 0, k);
  FailureOr<Values> y = product(n, a, n.cast(weights, n.elementOf(a)));
  if (failed(y) || !n.has(5))
    return y;
  return one(n.binary("add", y->front(), n.in(5)));
}

/// Rows of a constant in blocks, gathered before they become real numbers where all extents are known. Bytes of uint8
/// hold two numbers of 4 bits each (then zero is 8 where there is no zero point), the first in the low half.
static FailureOr<Values> gatherBlockQuantized(Node &n) {
  if (!hasInputs(n, {0, 1, 2}))
    return failure();
  Value data = n.in(0), indices = n.cast(n.in(1), n.b.getI64Type()), scale = n.in(2), zero = n.in(3);
  FailureOr<int64_t> from = n.axis(n.getInt("gather_axis", 0), n.rankOf(data)),
                     axis = n.axis(n.getInt("quantize_axis", 1), n.rankOf(data));
  if (failed(from) || failed(axis))
    return failure();
  int64_t block = n.getInt("block_size", 128), bits = n.getInt("bits", 4);
  if (!n.typeOf(data).hasStaticShape() || !n.typeOf(scale).hasStaticShape() || n.rankOf(scale) != n.rankOf(data) ||
      *from == *axis || block < 1)
    return n.refuse("T0202", "expects constants, with a scale for each block of an axis other than that of the rows");
  auto blocksOf = [&](int64_t extent) { return (extent + block - 1) / block; };
  int64_t extent = n.shapeOf(data)[*axis], blocks = n.shapeOf(scale)[*axis];
  Type ui8 = IntegerType::get(n.b.getContext(), 8, IntegerType::Unsigned);
  if (blocks != blocksOf(extent) && bits == 4 && n.elementOf(data) == ui8 && *axis == n.rankOf(data) - 1 &&
      blocks == blocksOf(2 * extent)) {
    data = unpackedBits(n, data, bits);
    if (zero) {
      zero = unpackedBits(n, zero, bits);
      if (n.shapeOf(zero)[*axis] > blocks)
        zero = n.slice(zero, *axis, 0, blocks);
    } else {
      zero = n.finish("nn.expand", {n.reshape(n.number(ui8, 8), Ints(n.rankOf(data), 1)), n.ints(n.shapeOf(scale))},
                      RankedTensorType::get(n.shapeOf(scale), ui8), {});
    }
  }
  auto rowsOf = [&](Value value) {
    return value ? n.make<nn::GatherOp>({value, indices}, n.attr("axis", *from)) : value;
  };
  Type element = n.elementOf(scale);
  if (!n.typeOf(indices).hasStaticShape()) {
    Value real = dequantizeAlong(n, data, scale, zero, *axis, block, element);
    return real ? one(rowsOf(real)) : FailureOr<Values>(failure());
  }
  int64_t place = *axis > *from ? *axis + n.rankOf(indices) - 1 : *axis;
  return one(dequantizeAlong(n, rowsOf(data), rowsOf(scale), rowsOf(zero), place, block, element));
}

ArrayRef<Row> quantizeRows() {
  static const Row rows[] = {
      {"QuantizeLinear", 10, quantizeLinear},
      {"DequantizeLinear", 10, dequantizeLinear},
      {"DynamicQuantizeLinear", 11, dynamicQuantizeLinear},
      {"MatMulInteger", 10, matmulInteger},
      {"ConvInteger", 10, convInteger},
      {"QLinearConv", 10, qLinearConv},
      {"QLinearMatMul", 10, qLinearMatMul},
      {"com.microsoft::QuantizeLinear", 1, quantizeLinear},
      {"com.microsoft::DequantizeLinear", 1, dequantizeLinear},
      {"com.microsoft::QLinearAdd", 1, qLinearAdd},
      {"com.microsoft::QLinearMul", 1, qLinearMul},
      {"com.microsoft::QLinearSigmoid", 1, qLinearSigmoid},
      {"com.microsoft::QLinearLeakyRelu", 1, qLinearLeakyRelu},
      {"com.microsoft::QLinearGlobalAveragePool", 1, qLinearGlobalAveragePool},
      {"com.microsoft::QLinearConcat", 1, qLinearConcat},
      {"com.microsoft::QLinearSoftmax", 1, qLinearSoftmax},
      {"com.microsoft::QLinearAveragePool", 1, qLinearAveragePool},
      {"com.microsoft::QLinearWhere", 1, qLinearWhere},
      {"com.microsoft::QGemm", 1, qGemm},
      {"com.microsoft::MatMulIntegerToFloat", 1, matmulIntegerToFloat},
      {"com.microsoft::DynamicQuantizeMatMul", 1, dynamicQuantizeMatMul},
      {"com.microsoft::MatMulNBits", 1, matmulNBits},
      {"com.microsoft::GatherBlockQuantized", 1, gatherBlockQuantized},
  };
  return rows;
}

} // namespace tegula
