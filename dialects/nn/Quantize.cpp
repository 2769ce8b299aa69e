//===- Quantize.cpp - between real numbers and the integers that stand for them ----------===//
//
// One definition of rounding and saturation: ONNX's QuantizeLinear and DequantizeLinear. All quantized operators are
// made of these two and of sums of products of integers.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Whether a parameter of shape `from` broadcasts to `to` without making it larger.
static bool broadcastsTo(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  if (from.size() > to.size())
    return false;
  for (auto [extent, wanted] : llvm::zip(llvm::reverse(from), llvm::reverse(to)))
    if (extent != 1 && extent != wanted && !ShapedType::isDynamic(extent) && !ShapedType::isDynamic(wanted))
      return false;
  return true;
}

/// What both ops ask of shapes and of the zero point, which holds what `integers` does.
static LogicalResult verifyAffine(Operation *op, Value x, Value scale, Value zero, Value integers) {
  Value y = op->getResult(0);
  // quantize C1
  // dequantize C1
  if (failed(verifyCompatibleShape(x.getType(), y.getType())))
    return op->emitOpError("expects a result of the input's shape, but got ") << y.getType() << " of " << x.getType();
  for (Value parameter : {scale, zero})
    if (parameter && !broadcastsTo(tensorType(parameter).getShape(), tensorType(x).getShape()))
      return op->emitOpError("expects a scale and a zero point that broadcast to ")
             << x.getType() << ", but got " << parameter.getType();
  // quantize C3
  // dequantize C3
  if (zero && getElementTypeOrSelf(zero) != getElementTypeOrSelf(integers))
    return op->emitOpError("expects a zero point of ")
           << getElementTypeOrSelf(integers) << ", but got " << getElementTypeOrSelf(zero);
  return success();
}

/// linalg.generic over x and its parameters; `body` gets an element of each.
static Value mapAffine(LoweringBuilder &b, ValueRange operands, Type result, LoweringBuilder::Body body) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(result).getShape();
  SmallVector<AffineMap> maps;
  for (Value operand : operands)
    maps.push_back(b.broadcastMap(tensorType(operand).getShape(), shape));
  return b.map(SmallVector<Value>(operands), maps, b.extents(operands[0]), loweredType(getElementTypeOrSelf(result)),
               body);
}

LogicalResult QuantizeOp::verify() {
  if (failed(verifyAffine(*this, getX(), getScale(), getZero(), getY())))
    return failure();
  Type x = getElementTypeOrSelf(getX()), scale = getElementTypeOrSelf(getScale()), y = getElementTypeOrSelf(getY());
  if (!isa<FloatType>(scale) || (x != scale && !x.isInteger(32))) // quantize C2
    return emitOpError("cannot divide ") << x << " by a scale of " << scale;
  if (!y.isInteger(8) && !y.isInteger(16)) // quantize C3
    return emitOpError("expects a result of 8 or 16 bits, but got ") << y;
  return success();
}

FailureOr<SmallVector<Value>> QuantizeOp::lower(LoweringBuilder &b, ValueRange operands) {
  Type from = getElementTypeOrSelf(getX()), to = getElementTypeOrSelf(getY()), f32 = b.b.getF32Type();
  bool isUnsigned = to.isUnsignedInteger();
  int64_t width = to.getIntOrFloatBitWidth(), low = isUnsigned ? 0 : -(int64_t(1) << (width - 1));
  int64_t high = low + (int64_t(1) << width) - 1;
  return SmallVector<Value>{mapAffine(b, operands, getY().getType(), [&](ArrayRef<Value> elements) {
    Value scale = elements[1], x = elements[0];
    if (isa<IntegerType>(from))
      x = b.cast(x, scale.getType());
    // Saturated before it becomes an integer: any integer minus a zero point is exact in f32, and so are these bounds
    // after rounding.
    Value quotient = b.cast(b.div(x, scale), f32), lowest = b.number(f32, low), highest = b.number(f32, high);
    if (operands.size() == 3) {
      Value zero = b.cast(elements[2], f32, isUnsigned);
      lowest = b.sub(lowest, zero);
      highest = b.sub(highest, zero);
    }
    Value kept = b.quickMin(b.quickMax(quotient, lowest), highest);
    Type i32 = b.b.getI32Type();
    Value integer = arith::FPToSIOp::create(b.b, b.loc, i32, math::RoundEvenOp::create(b.b, b.loc, kept));
    if (operands.size() == 3)
      integer = b.add(integer, b.cast(elements[2], i32, isUnsigned));
    auto fits = isUnsigned ? arith::IntegerOverflowFlags::nuw : arith::IntegerOverflowFlags::nsw;
    return arith::TruncIOp::create(b.b, b.loc, loweredType(to), integer, fits).getResult();
  })};
}

LogicalResult DequantizeOp::verify() {
  if (failed(verifyAffine(*this, getX(), getScale(), getZero(), getX())))
    return failure();
  Type x = getElementTypeOrSelf(getX()), scale = getElementTypeOrSelf(getScale()), y = getElementTypeOrSelf(getY());
  if (!isa<FloatType>(scale) || !isa<FloatType>(y)) // dequantize C2
    return emitOpError("expects a scale and a result of floats, but got ") << scale << " and " << y;
  if (!x.isInteger(8) && !x.isInteger(16) && !x.isInteger(32)) // dequantize C3
    return emitOpError("expects integers of 8, 16 or 32 bits, but got ") << x;
  return success();
}

FailureOr<SmallVector<Value>> DequantizeOp::lower(LoweringBuilder &b, ValueRange operands) {
  Type from = getElementTypeOrSelf(getX()), to = getElementTypeOrSelf(getY());
  Type i32 = b.b.getI32Type(), f32 = b.b.getF32Type();
  return SmallVector<Value>{mapAffine(b, operands, getY().getType(), [&](ArrayRef<Value> elements) {
    Value x = b.cast(elements[0], i32, from.isUnsignedInteger());
    if (operands.size() == 3)
      x = b.sub(x, b.cast(elements[2], i32, from.isUnsignedInteger()));
    // Rounded here, not in one with what follows: the next op may be a sum of two of these.
    return b.cast(arith::MulFOp::create(b.b, b.loc, b.cast(x, f32), b.cast(elements[1], f32)).getResult(), to);
  })};
}

LogicalResult BlockMatMulOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                              BlockMatMulOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto a = cast<RankedTensorType>(adaptor.getA().getType()), w = cast<RankedTensorType>(adaptor.getW().getType());
  auto scale = cast<RankedTensorType>(adaptor.getScale().getType());
  auto zero = cast<RankedTensorType>(adaptor.getZero().getType());
  int64_t bits = adaptor.getBits();
  if (bits != 4 && bits != 8) // block_matmul C2
    return emitOptionalError(location, "expects 4 or 8 bits, but got ", bits);
  bool fits = a.getRank() >= 2 && a.getElementType().isF32() && w.getRank() == 3 && w.hasStaticShape() &&
              w.getElementType().isUnsignedInteger(8) && scale.getElementType().isF32() &&
              scale.getShape() == ArrayRef<int64_t>({w.getDimSize(0), w.getDimSize(2)});
  if (!fits || a.getShape().back() != w.getDimSize(0) * w.getDimSize(1) * 8 / bits) // block_matmul C1
    return emitOptionalError(location, "expects [..., M, K] and [P, N] of f32 and blocks of ui8 that hold K, but got ",
                             a, ", ", scale, " and ", w);
  if (!zero.getElementType().isUnsignedInteger(8) ||
      (zero.getRank() != 0 && zero.getShape() != scale.getShape())) // block_matmul C3
    return emitOptionalError(location, "expects a zero point of ui8 for all or for each scale, but got ", zero);
  SmallVector<int64_t> shape(a.getShape());
  shape.back() = w.getDimSize(2);
  types.push_back(RankedTensorType::get(shape, a.getElementType()));
  return success();
}

/// Bytes of a block that are taken at a time, so that scales and zero points are multiplied once for all their numbers.
static constexpr int64_t kBytesAtATime = 4;

/// Rows up to which weights become real numbers where they are multiplied.
static constexpr int64_t kFewRows = 8;
/// Columns of which the weights become real numbers at a time, for more rows: they stay in a cache.
static constexpr int64_t kBandColumns = 32;

/// Columns [at, at + columns) of the weights as real numbers [P * B, columns].
static Value realColumns(LoweringBuilder &b, ValueRange operands, int64_t bits, OpFoldResult at, int64_t columns) {
  ArrayRef<int64_t> w = tensorType(operands[1]).getShape();
  int64_t inByte = 8 / bits;
  auto slice = [&](Value x) -> Value {
    if (tensorType(x).getRank() == 0)
      return x;
    LoweringBuilder::Shape offsets(tensorType(x).getRank(), b.b.getIndexAttr(0)), sizes = b.extents(x);
    LoweringBuilder::Shape ones(offsets.size(), b.b.getIndexAttr(1));
    offsets.back() = at;
    sizes.back() = b.b.getIndexAttr(columns);
    return tensor::ExtractSliceOp::create(b.b, b.loc, x, offsets, sizes, ones);
  };
  AffineExpr block, byte, part, n;
  bindDims(b.b.getContext(), block, byte, part, n);
  auto map = [&](ArrayRef<AffineExpr> exprs) { return AffineMap::get(4, 0, exprs, b.b.getContext()); };
  Value zero = slice(operands[3]);
  AffineMap zeroMap = tensorType(zero).getRank() ? map({block, n}) : map({});
  Type i32 = b.b.getI32Type(), f32 = b.b.getF32Type();
  Value real = b.map({slice(operands[1]), slice(operands[2]), zero}, {map({block, byte, n}), map({block, n}), zeroMap},
                     b.staticShape({w[0], w[1], inByte, columns}), f32, [&](ArrayRef<Value> elements) {
                       Value number = b.cast(elements[0], i32, /*fromUnsigned=*/true);
                       if (inByte > 1) {
                         Value shift =
                             arith::MulIOp::create(b.b, b.loc, linalg::IndexOp::create(b.b, b.loc, 2), b.index(bits));
                         number = arith::ShRUIOp::create(b.b, b.loc, number, b.cast(shift, i32));
                         number = arith::AndIOp::create(b.b, b.loc, number, b.number(i32, (1 << bits) - 1));
                       }
                       Value numberOfZero = b.cast(elements[2], i32, /*fromUnsigned=*/true);
                       return b.mul(b.cast(b.sub(number, numberOfZero), f32), elements[1]);
                     });
  return b.reshape(real, b.staticShape({w[0] * w[1] * inByte, columns}));
}

/// Band by band of columns.
static SmallVector<Value> multiplyBands(LoweringBuilder &b, ValueRange operands, int64_t bits) {
  int64_t all = tensorType(operands[1]).getDimSize(2), columns = std::min(all, kBandColumns);
  int64_t rank = tensorType(operands[0]).getRank(), count = (all + columns - 1) / columns;
  LoweringBuilder::Shape whole = b.extents(operands[0]), unit(rank, b.b.getIndexAttr(1));
  whole.back() = b.b.getIndexAttr(all);
  LoweringBuilder::Shape part = whole;
  part.back() = b.b.getIndexAttr(columns);
  SmallVector<AffineExpr> y, a;
  for (int64_t axis = 0; axis < rank; ++axis)
    y.push_back(b.b.getAffineDimExpr(axis));
  AffineExpr k = b.b.getAffineDimExpr(rank);
  a.assign(y.begin(), y.end());
  a.back() = k;
  auto map = [&](ArrayRef<AffineExpr> exprs) { return AffineMap::get(rank + 1, 0, exprs, b.b.getContext()); };
  SmallVector<utils::IteratorType> iterators(rank + 1, utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  return b.bands(b.index(count), count, {b.empty(whole, b.b.getF32Type())}, [&](Value i, ValueRange carried) {
    Value at = b.min(b.mul(i, b.index(columns)), b.index(all - columns));
    Value w = realColumns(b, operands, bits, at, columns);
    Value sums = b.generic({operands[0], w}, b.fill(b.number(b.b.getF32Type(), 0), part),
                           {map(a), map({k, y.back()}), map(y)}, iterators, [&](ArrayRef<Value> elements) {
                             return b.add(elements[2], b.mul(elements[0], elements[1]), /*reassoc=*/true);
                           });
    LoweringBuilder::Shape offsets(rank, b.b.getIndexAttr(0));
    offsets.back() = at;
    return SmallVector<Value>{tensor::InsertSliceOp::create(b.b, b.loc, sums, carried[0], offsets, part, unit)};
  });
}

FailureOr<SmallVector<Value>> BlockMatMulOp::lower(LoweringBuilder &b, ValueRange operands) {
  RankedTensorType rows = tensorType(operands[0]);
  if (ShapedType::isDynamicShape(rows.getShape()) || rows.getNumElements() / rows.getShape().back() > kFewRows)
    return multiplyBands(b, operands, getBits());
  // (..., m, n | block, bytes); in the body: sum += scale * (sum of a * w - zero * sum of a).
  int64_t rank = tensorType(operands[0]).getRank(), inByte = 8 / getBits();
  RankedTensorType w = tensorType(operands[1]);
  int64_t bytes = w.getDimSize(1) % kBytesAtATime ? 1 : kBytesAtATime, count = bytes * inByte;
  LoweringBuilder::Shape split = b.extents(operands[0]), shape = split;
  shape.back() = b.b.getIndexAttr(w.getDimSize(2));
  split.back() = b.b.getIndexAttr(w.getDimSize(0));
  split.push_back(b.b.getIndexAttr(w.getDimSize(1) / bytes));
  split.push_back(b.b.getIndexAttr(count));
  Value a = b.reshape(operands[0], split);
  unsigned loops = rank + 2;
  SmallVector<AffineExpr> y;
  for (int64_t axis = 0; axis < rank; ++axis)
    y.push_back(b.b.getAffineDimExpr(axis));
  AffineExpr n = y.back(), block = b.b.getAffineDimExpr(rank), step = b.b.getAffineDimExpr(rank + 1);
  SmallVector<AffineMap> maps;
  SmallVector<Value> inputs;
  auto add = [&](Value input, ArrayRef<AffineExpr> exprs) {
    inputs.push_back(input);
    maps.push_back(AffineMap::get(loops, 0, exprs, b.b.getContext()));
  };
  for (int64_t i = 0; i < count; ++i) {
    SmallVector<AffineExpr> exprs(y.begin(), y.end() - 1);
    exprs.append({block, step, b.b.getAffineConstantExpr(i)});
    add(a, exprs);
  }
  for (int64_t i = 0; i < bytes; ++i)
    add(operands[1], {block, step * bytes + i, n});
  add(operands[2], {block, n});
  bool isShared = tensorType(operands[3]).getRank() == 0;
  add(operands[3], isShared ? ArrayRef<AffineExpr>() : ArrayRef<AffineExpr>({block, n}));
  maps.push_back(AffineMap::get(loops, 0, y, b.b.getContext()));
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::parallel);
  iterators[rank] = iterators[rank + 1] = utils::IteratorType::reduction;
  Type i32 = b.b.getI32Type(), f32 = b.b.getF32Type();
  Value sums = b.generic(inputs, b.fill(b.number(f32, 0), shape), maps, iterators, [&](ArrayRef<Value> elements) {
    ArrayRef<Value> factors = elements.take_front(count), packed = elements.slice(count, bytes);
    Value scale = elements[count + bytes], products, plain;
    Value zero = b.cast(b.cast(elements[count + bytes + 1], i32, /*fromUnsigned=*/true), f32);
    for (int64_t i = 0; i < count; ++i) {
      Value number = b.cast(packed[i / inByte], i32, /*fromUnsigned=*/true);
      if (i % inByte > 0)
        number = arith::ShRUIOp::create(b.b, b.loc, number, b.number(i32, i % inByte * getBits()));
      if (i % inByte + 1 < inByte)
        number = arith::AndIOp::create(b.b, b.loc, number, b.number(i32, (1 << getBits()) - 1));
      Value product = b.mul(factors[i], b.cast(number, f32));
      products = products ? b.add(products, product) : product;
      plain = plain ? b.add(plain, factors[i]) : factors[i];
    }
    return b.add(elements.back(), b.mul(b.sub(products, b.mul(plain, zero)), scale), /*reassoc=*/true);
  });
  return SmallVector<Value>{sums};
}
