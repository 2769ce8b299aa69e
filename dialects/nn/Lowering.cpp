//===- Lowering.cpp - builder that nn ops lower themselves with ------------===//

#include "tegula/dialects/nn/Lowering.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "tegula/dialects/tgl/Tgl.h"

using namespace mlir;
namespace tegula::nn {

Type loweredType(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    return RankedTensorType::get(tensor.getShape(), loweredType(tensor.getElementType()));
  if (auto integer = dyn_cast<IntegerType>(type))
    return IntegerType::get(type.getContext(), integer.getWidth() == 1 ? 8 : integer.getWidth());
  return type;
}

using B = LoweringBuilder;

static bool isFloat(Value x) { return isa<FloatType>(x.getType()); }

arith::FastMathFlagsAttr B::contractFlags() const {
  return arith::FastMathFlagsAttr::get(b.getContext(),
                                       roundsEach ? arith::FastMathFlags::none : arith::FastMathFlags::contract);
}
static arith::FastMathFlagsAttr reassocFlags(OpBuilder &b) {
  return arith::FastMathFlagsAttr::get(b.getContext(), arith::FastMathFlags::contract | arith::FastMathFlags::reassoc);
}

Value B::index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }

Value B::number(Type type, double value) {
  if (auto floatType = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(floatType, value));
  return integer(type, (int64_t)value);
}

Value B::integer(Type type, int64_t value) {
  if (type.isIndex())
    return index(value);
  APInt bits(64, (uint64_t)value, true);
  return arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, bits.sextOrTrunc(type.getIntOrFloatBitWidth())));
}

Value B::extreme(Type type, bool largest, bool isUnsigned) {
  if (auto floatType = dyn_cast<FloatType>(type)) {
    const llvm::fltSemantics &semantics = floatType.getFloatSemantics();
    APFloat value = APFloat::semanticsHasInf(semantics) ? APFloat::getInf(semantics, !largest)
                                                        : APFloat::getLargest(semantics, !largest);
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(floatType, value));
  }
  unsigned width = type.getIntOrFloatBitWidth();
  APInt value = isUnsigned ? (largest ? APInt::getMaxValue(width) : APInt::getMinValue(width))
                           : (largest ? APInt::getSignedMaxValue(width) : APInt::getSignedMinValue(width));
  return arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, value));
}

Value B::add(Value x, Value y, bool reassoc) {
  if (isFloat(x))
    return arith::AddFOp::create(b, loc, x, y, reassoc ? reassocFlags(b) : contractFlags());
  return arith::AddIOp::create(b, loc, x, y);
}
Value B::sub(Value x, Value y) {
  if (isFloat(x))
    return arith::SubFOp::create(b, loc, x, y, contractFlags());
  return arith::SubIOp::create(b, loc, x, y);
}
Value B::mul(Value x, Value y, bool reassoc) {
  if (isFloat(x))
    return arith::MulFOp::create(b, loc, x, y, reassoc ? reassocFlags(b) : contractFlags());
  return arith::MulIOp::create(b, loc, x, y);
}

Value B::div(Value x, Value y, bool isUnsigned) {
  if (isFloat(x))
    return arith::DivFOp::create(b, loc, x, y, contractFlags());
  // INT_MIN / -1 and x / 0 trap on some machines: divide by 1 instead and fix the result.
  Type type = x.getType();
  Value zero = integer(type, 0), one = integer(type, 1), minusOne = integer(type, -1);
  Value isZero = compare("eq", y, zero);
  if (isUnsigned) {
    Value quotient = arith::DivUIOp::create(b, loc, x, select(isZero, one, y));
    return select(isZero, zero, quotient);
  }
  Value isMinusOne = compare("eq", y, minusOne);
  Value quotient = arith::DivSIOp::create(b, loc, x, select(logicalOr(isZero, isMinusOne), one, y));
  return select(isZero, zero, select(isMinusOne, sub(zero, x), quotient));
}

Value B::mod(Value x, Value y, bool isUnsigned, bool truncate) {
  if (isFloat(x)) {
    Value remainder = arith::RemFOp::create(b, loc, x, y, contractFlags());
    if (truncate)
      return remainder;
    Value zero = number(x.getType(), 0);
    Value differs = arith::XOrIOp::create(b, loc, compare("lt", remainder, zero), compare("lt", y, zero));
    Value adjust = logicalAnd(compare("ne", remainder, zero), differs);
    return select(adjust, add(remainder, y), remainder);
  }
  Type type = x.getType();
  Value zero = integer(type, 0);
  Value unsafe = compare("eq", y, zero);
  if (!isUnsigned)
    unsafe = logicalOr(unsafe, compare("eq", y, integer(type, -1)));
  Value divisor = select(unsafe, integer(type, 1), y);
  if (isUnsigned)
    return arith::RemUIOp::create(b, loc, x, divisor);
  Value remainder = arith::RemSIOp::create(b, loc, x, divisor);
  if (truncate)
    return remainder;
  Value differs = arith::XOrIOp::create(b, loc, compare("lt", remainder, zero), compare("lt", divisor, zero));
  return select(logicalAnd(compare("ne", remainder, zero), differs), add(remainder, divisor), remainder);
}

Value B::neg(Value x) {
  if (isFloat(x))
    return arith::NegFOp::create(b, loc, x, contractFlags());
  return sub(integer(x.getType(), 0), x);
}
Value B::min(Value x, Value y, bool isUnsigned) {
  if (isFloat(x))
    return arith::MinimumFOp::create(b, loc, x, y);
  if (isUnsigned)
    return arith::MinUIOp::create(b, loc, x, y);
  return arith::MinSIOp::create(b, loc, x, y);
}
Value B::max(Value x, Value y, bool isUnsigned) {
  if (isFloat(x))
    return arith::MaximumFOp::create(b, loc, x, y);
  if (isUnsigned)
    return arith::MaxUIOp::create(b, loc, x, y);
  return arith::MaxSIOp::create(b, loc, x, y);
}
Value B::quickMax(Value x, Value y, bool isUnsigned) { return select(compare("gt", x, y, isUnsigned), x, y); }
Value B::quickMin(Value x, Value y, bool isUnsigned) { return select(compare("lt", x, y, isUnsigned), x, y); }

Value B::compare(StringRef kind, Value x, Value y, bool isUnsigned) {
  if (isFloat(x)) {
    using P = arith::CmpFPredicate;
    P predicate = kind == "eq"   ? P::OEQ
                  : kind == "ne" ? P::UNE
                  : kind == "lt" ? P::OLT
                  : kind == "le" ? P::OLE
                  : kind == "gt" ? P::OGT
                                 : P::OGE;
    return arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  using P = arith::CmpIPredicate;
  P predicate = kind == "eq"   ? P::eq
                : kind == "ne" ? P::ne
                : kind == "lt" ? (isUnsigned ? P::ult : P::slt)
                : kind == "le" ? (isUnsigned ? P::ule : P::sle)
                : kind == "gt" ? (isUnsigned ? P::ugt : P::sgt)
                               : (isUnsigned ? P::uge : P::sge);
  return arith::CmpIOp::create(b, loc, predicate, x, y);
}

Value B::select(Value condition, Value x, Value y) { return arith::SelectOp::create(b, loc, condition, x, y); }
Value B::logicalAnd(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
Value B::logicalOr(Value x, Value y) { return arith::OrIOp::create(b, loc, x, y); }
Value B::logicalNot(Value x) {
  return arith::XOrIOp::create(b, loc, x, arith::ConstantOp::create(b, loc, b.getBoolAttr(true)));
}

/// An f64 as f32, rounded to odd: rounding that once more to 16 bits gives what one rounding would (Boldo and
/// Melquiond, "When double rounding is odd", 2005).
static Value roundToOdd(B &s, Value x) {
  OpBuilder &b = s.b;
  Type f32 = b.getF32Type(), i32 = b.getI32Type();
  Value nearest = arith::TruncFOp::create(b, s.loc, f32, x),
        back = arith::ExtFOp::create(b, s.loc, x.getType(), nearest);
  Value bits = arith::BitcastOp::create(b, s.loc, i32, nearest), one = s.integer(i32, 1);
  Value isAway = s.compare("gt", s.math<math::AbsFOp>(back), s.math<math::AbsFOp>(x));
  Value odd = arith::OrIOp::create(b, s.loc, s.select(isAway, s.sub(bits, one), bits), one);
  Value isExact = s.logicalOr(s.compare("eq", back, x), s.compare("ne", x, x)); // or not a number
  return arith::BitcastOp::create(b, s.loc, f32, s.select(isExact, bits, odd));
}

Value B::cast(Value x, Type to, bool fromUnsigned, bool toUnsigned) {
  Type from = x.getType();
  if (from == to)
    return x;
  if (from.isInteger(1))
    fromUnsigned = true;
  if (to.isInteger(1)) // truth value
    return compare("ne", x, number(from, 0));
  if (from.isIndex() || to.isIndex())
    return to.isIndex() ? toIndex(x) : fromIndex(x, to);
  auto fromFloat = dyn_cast<FloatType>(from), toFloat = dyn_cast<FloatType>(to);
  if (fromFloat && toFloat) {
    if (fromFloat.getWidth() == toFloat.getWidth()) // f16 <-> bf16
      return cast(cast(x, b.getF32Type()), to);
    if (fromFloat.getWidth() < toFloat.getWidth())
      return arith::ExtFOp::create(b, loc, to, x);
    if (fromFloat.isF64() && toFloat.getWidth() == 16)
      x = roundToOdd(*this, x);
    return arith::TruncFOp::create(b, loc, to, x);
  }
  if (toFloat && toFloat.getWidth() == 16) // rounded once: f32 holds 24 bits, f64 is rounded to odd
    return cast(cast(x, from.getIntOrFloatBitWidth() <= 16 ? b.getF32Type() : b.getF64Type(), fromUnsigned), to);
  if (toFloat) {
    if (fromUnsigned)
      return arith::UIToFPOp::create(b, loc, to, x);
    return arith::SIToFPOp::create(b, loc, to, x);
  }
  unsigned toWidth = to.getIntOrFloatBitWidth();
  if (fromFloat) {
    // Through a wider integer, so that values outside a narrow type wrap as they do elsewhere.
    Type wide = b.getIntegerType(std::max(64u, toWidth));
    Value whole = toUnsigned && toWidth == 64
                      ? Value(arith::FPToUIOp::create(b, loc, wide, x))
                      : Value(arith::FPToSIOp::create(b, loc, toWidth < 32 || toUnsigned ? wide : to, x));
    return cast(whole, to);
  }
  unsigned fromWidth = from.getIntOrFloatBitWidth();
  if (fromWidth == toWidth)
    return x;
  if (fromWidth > toWidth)
    return arith::TruncIOp::create(b, loc, to, x);
  if (fromUnsigned)
    return arith::ExtUIOp::create(b, loc, to, x);
  return arith::ExtSIOp::create(b, loc, to, x);
}

Value B::toIndex(Value x) {
  return x.getType().isIndex() ? x : Value(arith::IndexCastOp::create(b, loc, b.getIndexType(), x));
}
Value B::fromIndex(Value x, Type to) {
  if (to.isIndex())
    return x;
  if (isa<FloatType>(to))
    return arith::SIToFPOp::create(b, loc, to, arith::IndexCastOp::create(b, loc, b.getI64Type(), x));
  return arith::IndexCastOp::create(b, loc, to, x);
}
Value B::clampIndex(Value x, Value lo, Value hi) {
  return arith::MinSIOp::create(b, loc, arith::MaxSIOp::create(b, loc, x, lo), hi);
}
Value B::load(Value stored, Type nnElement) {
  return nnElement.isInteger(1) ? compare("ne", stored, integer(stored.getType(), 0)) : stored;
}
Value B::store(Value computed, Type nnElement) {
  if (nnElement.isInteger(1) && computed.getType().isInteger(1))
    return arith::ExtUIOp::create(b, loc, b.getI8Type(), computed);
  return computed;
}

Value B::asValue(OpFoldResult extent) { return getValueOrCreateConstantIndexOp(b, loc, extent); }
OpFoldResult B::extent(Value tensor, int64_t axis) { return tensor::getMixedSize(b, loc, tensor, axis); }
Value B::dim(Value tensor, int64_t axis) { return asValue(extent(tensor, axis)); }
B::Shape B::extents(Value tensor) { return tensor::getMixedSizes(b, loc, tensor); }
B::Shape B::staticShape(ArrayRef<int64_t> shape) { return getAsIndexOpFoldResult(b.getContext(), shape); }
Value B::extract(Value tensor, ValueRange indices) { return tensor::ExtractOp::create(b, loc, tensor, indices); }
Value B::empty(ArrayRef<OpFoldResult> shape, Type element) { return tensor::EmptyOp::create(b, loc, shape, element); }
Value B::fill(Value scalar, ArrayRef<OpFoldResult> shape) {
  return linalg::FillOp::create(b, loc, scalar, empty(shape, scalar.getType())).getResult(0);
}

Value B::surround(Value x, Value border, ArrayRef<OpFoldResult> low, ArrayRef<OpFoldResult> high) {
  auto isZero = [](OpFoldResult margin) { return getConstantIntValue(margin) == 0; };
  if (llvm::all_of(low, isZero) && llvm::all_of(high, isZero))
    return x;
  Shape sizes = extents(x), shape = sizes, ones(sizes.size(), b.getIndexAttr(1));
  // The bufferization's analysis is slow for parts of unknown extent: those tensors are filled as a whole.
  bool isKnown = mlir::cast<RankedTensorType>(x.getType()).hasStaticShape();
  auto sum = [&](OpFoldResult left, OpFoldResult right) -> OpFoldResult {
    auto first = getConstantIntValue(left), second = getConstantIntValue(right);
    if (first && second)
      return b.getIndexAttr(*first + *second);
    return first == 0 ? right : second == 0 ? left : OpFoldResult(add(asValue(left), asValue(right)));
  };
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    shape[axis] = sum(sum(low[axis], sizes[axis]), high[axis]);
    isKnown &= getConstantIntValue(low[axis]) && getConstantIntValue(high[axis]);
  }
  // An allocation is never merged with another one, as empty tensors are.
  auto [extents, dynamic] = decomposeMixedValues(shape);
  auto type = RankedTensorType::get(extents, border.getType());
  Value y = bufferization::AllocTensorOp::create(b, loc, type, dynamic);
  auto strip = [&](Shape offsets, Shape extents) {
    Value part = tensor::ExtractSliceOp::create(b, loc, y, offsets, extents, ones);
    Value filled = linalg::FillOp::create(b, loc, border, part).getResult(0);
    y = tensor::InsertSliceOp::create(b, loc, filled, y, offsets, extents, ones);
  };
  Shape offsets(sizes.size(), b.getIndexAttr(0)), rest = shape;
  if (!isKnown)
    y = linalg::FillOp::create(b, loc, border, y).getResult(0);
  for (size_t axis = 0; isKnown && axis < sizes.size(); ++axis) {
    Shape from = offsets, extents = rest;
    extents[axis] = low[axis];
    if (getConstantIntValue(low[axis]) != 0)
      strip(from, extents);
    from[axis] = sum(low[axis], sizes[axis]);
    extents[axis] = high[axis];
    if (getConstantIntValue(high[axis]) != 0)
      strip(from, extents);
    offsets[axis] = low[axis];
    rest[axis] = sizes[axis];
  }
  return tensor::InsertSliceOp::create(b, loc, x, y, low, sizes, ones);
}

Value B::generic(ArrayRef<Value> inputs, Value init, ArrayRef<AffineMap> maps, ArrayRef<utils::IteratorType> iterators,
                 Body body) {
  auto op = linalg::GenericOp::create(b, loc, init.getType(), inputs, init, maps, iterators,
                                      [&](OpBuilder &nested, Location, ValueRange args) {
                                        OpBuilder::InsertionGuard guard(b);
                                        b.restoreInsertionPoint(nested.saveInsertionPoint());
                                        SmallVector<Value> elements(args);
                                        linalg::YieldOp::create(b, loc, body(elements));
                                      });
  return op.getResult(0);
}

Value B::map(ArrayRef<Value> inputs, ArrayRef<AffineMap> maps, ArrayRef<OpFoldResult> shape, Type element, Body body) {
  SmallVector<AffineMap> all(maps);
  all.push_back(b.getMultiDimIdentityMap(shape.size()));
  SmallVector<utils::IteratorType> parallel(shape.size(), utils::IteratorType::parallel);
  return generic(inputs, empty(shape, element), all, parallel, body);
}

Value B::generate(ArrayRef<OpFoldResult> shape, Type element, Body body) {
  return map({}, {}, shape, element, [&](ArrayRef<Value>) {
    SmallVector<Value> indices;
    for (size_t axis = 0; axis < shape.size(); ++axis)
      indices.push_back(linalg::IndexOp::create(b, loc, axis));
    return body(indices);
  });
}

SmallVector<Value> B::loop(Value count, ValueRange carried,
                           llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto op = scf::ForOp::create(b, loc, index(0), count, index(1), carried);
  if (carried.empty() && !op.getBody()->empty())
    op.getBody()->getTerminator()->erase();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(op.getBody());
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(op.getResults());
}

SmallVector<Value> B::bands(Value count, int64_t least, ValueRange carried,
                            llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  SmallVector<Value> results = loop(count, carried, body);
  if (auto made = results.front().getDefiningOp<scf::ForOp>())
    made->setAttr(tgl::kBands, b.getI64IntegerAttr(least));
  return results;
}

SmallVector<Value> B::loops(ArrayRef<Value> extents, ValueRange carried,
                            llvm::function_ref<SmallVector<Value>(ArrayRef<Value>, ValueRange)> body) {
  SmallVector<Value> indices;
  std::function<SmallVector<Value>(size_t, ValueRange)> nest = [&](size_t depth, ValueRange values) {
    if (depth == extents.size())
      return body(indices, values);
    return loop(extents[depth], values, [&](Value i, ValueRange inner) {
      indices.push_back(i);
      SmallVector<Value> next = nest(depth + 1, inner);
      indices.pop_back();
      return next;
    });
  };
  return nest(0, carried);
}

AffineMap B::broadcastMap(ArrayRef<int64_t> shape, ArrayRef<int64_t> result) {
  SmallVector<AffineExpr> exprs;
  size_t offset = result.size() - shape.size();
  for (size_t axis = 0; axis < shape.size(); ++axis)
    exprs.push_back(shape[axis] == 1 && result[offset + axis] != 1 ? b.getAffineConstantExpr(0)
                                                                   : b.getAffineDimExpr(offset + axis));
  return AffineMap::get(result.size(), 0, exprs, b.getContext());
}

B::Shape B::broadcastExtents(ValueRange operands, ArrayRef<int64_t> result) {
  Shape shape;
  for (size_t axis = 0; axis < result.size(); ++axis) {
    OpFoldResult size = b.getIndexAttr(result[axis]);
    if (ShapedType::isDynamic(result[axis]))
      for (Value operand : operands) {
        auto type = llvm::cast<RankedTensorType>(operand.getType());
        int64_t at = (int64_t)axis - ((int64_t)result.size() - type.getRank());
        if (at >= 0 && type.isDynamicDim(at)) {
          size = extent(operand, at);
          break;
        }
      }
    shape.push_back(size);
  }
  return shape;
}

Value B::reshape(Value tensor, ArrayRef<OpFoldResult> shape) {
  auto type = llvm::cast<RankedTensorType>(tensor.getType());
  SmallVector<int64_t> extents;
  for (OpFoldResult size : shape)
    extents.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
  auto target = RankedTensorType::get(extents, type.getElementType());
  if (type == target && type.hasStaticShape())
    return tensor;
  if (type.hasStaticShape() && target.hasStaticShape()) {
    if (auto direct = getReassociationIndicesForReshape(type, target)) {
      if (type.getRank() > target.getRank())
        return tensor::CollapseShapeOp::create(b, loc, target, tensor, *direct);
      if (type.getRank() < target.getRank())
        return tensor::ExpandShapeOp::create(b, loc, target, tensor, *direct);
    }
    // Through one axis. A scalar has no axes to group.
    auto groups = [](int64_t rank) {
      SmallVector<ReassociationIndices> result;
      if (rank > 0)
        result.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(0, rank)));
      return result;
    };
    Value flat = tensor;
    auto flatType = RankedTensorType::get({type.getNumElements()}, type.getElementType());
    if (type.getRank() == 0)
      flat = tensor::ExpandShapeOp::create(b, loc, flatType, tensor, groups(0));
    else if (type.getRank() > 1)
      flat = tensor::CollapseShapeOp::create(b, loc, flatType, tensor, groups(type.getRank()));
    if (target.getRank() == 1)
      return flat;
    if (target.getRank() == 0)
      return tensor::CollapseShapeOp::create(b, loc, target, flat, groups(0));
    return tensor::ExpandShapeOp::create(b, loc, target, flat, groups(target.getRank()));
  }
  SmallVector<Value> sizes;
  for (OpFoldResult size : shape)
    sizes.push_back(fromIndex(asValue(size), b.getI64Type()));
  Value shapeTensor =
      tensor::FromElementsOp::create(b, loc, RankedTensorType::get({(int64_t)sizes.size()}, b.getI64Type()), sizes);
  return tensor::ReshapeOp::create(b, loc, target, tensor, shapeTensor);
}

void B::check(Value failed, const Twine &text) {
  Value holds = logicalNot(failed);
  cf::AssertOp::create(b, loc, holds, b.getStringAttr(text));
}

/// Only the least and the greatest number of each component count.
void B::checkConstantIndices(DenseIntElementsAttr indices, ArrayRef<Value> extents) {
  Type i64 = b.getI64Type();
  SmallVector<int64_t> least(extents.size(), 0), greatest(extents.size(), 0);
  for (auto [at, number] : llvm::enumerate(indices.getValues<APInt>())) {
    int64_t value = number.getSExtValue(), &low = least[at % extents.size()], &high = greatest[at % extents.size()];
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (indices.empty())
    return;
  for (auto [extent, low, high] : llvm::zip(extents, least, greatest)) {
    Value number = fromIndex(extent, i64);
    Value isLow = compare("lt", add(number, integer(i64, low)), integer(i64, 0));
    check(logicalOr(isLow, compare("ge", integer(i64, high), number)), "an index is out of range");
  }
}

void B::checkIndices(Value indices, ArrayRef<Value> extents) {
  auto type = llvm::cast<RankedTensorType>(indices.getType());
  // The importer has compared constants with extents that are known.
  bool isConstant = matchPattern(indices, m_Constant());
  if (extents.empty() ||
      (isConstant && llvm::all_of(extents, [](Value extent) { return matchPattern(extent, m_Constant()); })))
    return;
  int64_t rank = type.getRank();
  Type i64 = b.getI64Type(), i8 = b.getI8Type();
  DenseIntElementsAttr known;
  if (matchPattern(indices, m_Constant(&known))) {
    checkConstantIndices(known, extents);
    return;
  }
  SmallVector<Value> numbers;
  for (Value extent : extents)
    numbers.push_back(fromIndex(extent, i64));
  Value limits = tensor::FromElementsOp::create(b, loc, RankedTensorType::get({(int64_t)numbers.size()}, i64), numbers);
  AffineExpr which = extents.size() == 1 ? b.getAffineConstantExpr(0) : b.getAffineDimExpr(rank - 1);
  SmallVector<AffineMap> maps{b.getMultiDimIdentityMap(rank), AffineMap::get(rank, 0, which, b.getContext()),
                              AffineMap::get(rank, 0, b.getContext())};
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::reduction);
  Value anyWrong = generic({indices, limits}, fill(integer(i8, 0), {}), maps, iterators, [&](ArrayRef<Value> e) {
    Value index = cast(e[0], i64), zero = integer(i64, 0);
    Value isWrong = logicalOr(compare("lt", add(index, e[1]), zero), compare("ge", index, e[1]));
    return Value(arith::OrIOp::create(b, loc, e[2], arith::ExtUIOp::create(b, loc, i8, isWrong)));
  });
  check(compare("ne", extract(anyWrong, {}), integer(i8, 0)), "an index is out of range");
}

} // namespace tegula::nn
