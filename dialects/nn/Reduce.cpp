//===- Reduce.cpp - reduce, arg_reduce, cumulate --------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// The shape of a reduction's result.
static SmallVector<int64_t> reducedShape(ArrayRef<int64_t> shape, ArrayRef<int64_t> axes, bool keepdims) {
  SmallVector<int64_t> result;
  for (auto [axis, extent] : llvm::enumerate(shape)) {
    bool isReduced = llvm::is_contained(axes, (int64_t)axis);
    if (!isReduced)
      result.push_back(extent);
    else if (keepdims)
      result.push_back(1);
  }
  return result;
}

/// Where each axis of x stands in a reduction: the loop kinds, and the map of the result without the reduced axes.
static AffineMap reductionLoops(LoweringBuilder &b, int64_t rank, ArrayRef<int64_t> axes,
                                SmallVectorImpl<utils::IteratorType> &iterators) {
  SmallVector<AffineExpr> kept;
  for (int64_t axis = 0; axis < rank; ++axis) {
    bool isReduced = llvm::is_contained(axes, axis);
    iterators.push_back(isReduced ? utils::IteratorType::reduction : utils::IteratorType::parallel);
    if (!isReduced)
      kept.push_back(b.b.getAffineDimExpr(axis));
  }
  return AffineMap::get(rank, 0, kept, b.b.getContext());
}

/// The extents of x without `axes`.
static LoweringBuilder::Shape keptExtents(LoweringBuilder &b, Value x, ArrayRef<int64_t> axes) {
  LoweringBuilder::Shape shape;
  for (int64_t axis = 0; axis < tensorType(x).getRank(); ++axis)
    if (!llvm::is_contained(axes, axis))
      shape.push_back(b.extent(x, axis));
  return shape;
}

/// Puts the reduced axes back with extent 1.
static Value keepAxes(LoweringBuilder &b, Value y, ArrayRef<int64_t> axes) {
  RankedTensorType type = tensorType(y);
  int64_t rank = type.getRank() + axes.size();
  SmallVector<ReassociationIndices> groups(type.getRank());
  SmallVector<int64_t> shape;
  int64_t kept = 0;
  for (int64_t axis = 0; axis < rank; ++axis) {
    bool isReduced = llvm::is_contained(axes, axis);
    // An axis of extent 1 joins the group of the kept axis before it, or of the first one.
    if (!groups.empty())
      groups[isReduced ? std::max<int64_t>(kept - 1, 0) : kept].push_back(axis);
    shape.push_back(isReduced ? 1 : type.getDimSize(kept));
    kept += !isReduced;
  }
  auto target = RankedTensorType::get(shape, type.getElementType());
  return target == type ? y : tensor::ExpandShapeOp::create(b.b, b.loc, target, y, groups);
}

//===- reduce -------------------------------------------------------------===//

static bool isLogicalKind(StringRef kind) { return kind == "any" || kind == "all"; }

LogicalResult ReduceOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, ReduceOp::Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto type = cast<RankedTensorType>(adaptor.getX().getType());
  ArrayRef<int64_t> axes = adaptor.getAxes();
  for (auto [i, axis] : llvm::enumerate(axes)) // reduce C1
    if (axis < 0 || axis >= type.getRank() || (i > 0 && axis <= axes[i - 1]))
      return emitOptionalError(location, "expects increasing axes below ", type.getRank(), ", but got ", axis);
  types.push_back(type.clone(reducedShape(type.getShape(), axes, adaptor.getKeepdims())));
  return success();
}

LogicalResult ReduceOp::verify() {
  if (!llvm::is_contained({"sum", "mean", "max", "min", "prod", "any", "all"}, getKind())) // reduce C2
    return emitOpError("has no kind '") << getKind() << "'";
  Type element = getElementTypeOrSelf(getX());
  if (isLogicalKind(getKind()) != element.isInteger(1)) // reduce C2
    return emitOpError("kind '") << getKind() << "' does not take elements of type " << element;
  return success();
}

OpFoldResult ReduceOp::fold(FoldAdaptor adaptor) {
  if (getAxes().empty() && getX().getType() == getY().getType())
    return getX();
  return foldSmall(getOperation(), adaptor.getOperands());
}

/// What a reduction of `kind` starts from.
static Value neutral(LoweringBuilder &b, StringRef kind, Type type, bool isUnsigned) {
  if (kind == "max" || kind == "min")
    return b.extreme(type, kind == "min", isUnsigned);
  return b.number(type, kind == "prod" || kind == "all" ? 1 : 0);
}

static Value combine(LoweringBuilder &b, StringRef kind, Value sum, Value x, bool isUnsigned) {
  if (kind == "max")
    return b.max(sum, x, isUnsigned);
  if (kind == "min")
    return b.min(sum, x, isUnsigned);
  if (kind == "prod")
    return b.mul(sum, x, /*reassoc=*/true);
  if (kind == "any")
    return b.logicalOr(sum, x);
  if (kind == "all")
    return b.logicalAnd(sum, x);
  return b.add(sum, x, /*reassoc=*/true);
}

FailureOr<SmallVector<Value>> ReduceOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0];
  ArrayRef<int64_t> axes = getAxes();
  if (axes.empty())
    return SmallVector<Value>{x};
  StringRef kind = getKind();
  Type nnElement = getElementTypeOrSelf(getX()), element = tensorType(x).getElementType();
  bool isUnsigned = nnElement.isUnsignedInteger(), isMean = kind == "mean";
  // Short floats lose their last bits in long sums.
  Type sumType = element;
  if ((element.isF16() || element.isBF16()) && kind != "max" && kind != "min")
    sumType = b.b.getF32Type();
  int64_t rank = tensorType(x).getRank();
  SmallVector<utils::IteratorType> iterators;
  AffineMap all = b.b.getMultiDimIdentityMap(rank), kept = reductionLoops(b, rank, axes, iterators);
  LoweringBuilder::Shape shape = keptExtents(b, x, axes);
  Value init = b.fill(neutral(b, kind, sumType, isUnsigned), shape);
  Value y = b.generic({x}, init, {all, kept}, iterators, [&](ArrayRef<Value> elements) {
    Value value = b.cast(b.store(b.load(elements[0], nnElement), nnElement), sumType, isUnsigned);
    return combine(b, kind, elements[1], value, isUnsigned);
  });
  if (isMean || sumType != element) {
    Value count;
    if (isMean) {
      count = b.index(1);
      for (int64_t axis : axes)
        count = b.b.createOrFold<arith::MulIOp>(b.loc, count, b.dim(x, axis));
      std::optional<int64_t> known = getConstantIntValue(count);
      count = known ? b.number(sumType, *known) : b.fromIndex(count, sumType);
    }
    y = b.map({y}, {b.b.getMultiDimIdentityMap(shape.size())}, shape, element, [&](ArrayRef<Value> elements) {
      Value value = isMean ? b.div(elements[0], count, isUnsigned) : elements[0];
      return b.cast(value, element);
    });
  }
  return SmallVector<Value>{getKeepdims() ? keepAxes(b, y, axes) : y};
}

//===- arg_reduce ---------------------------------------------------------===//

LogicalResult ArgReduceOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                            ArgReduceOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto type = cast<RankedTensorType>(adaptor.getX().getType());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= type.getRank()) // arg_reduce C1
    return emitOptionalError(location, "axis is ", axis, ", but the input has ", type.getRank(), " axes");
  if (adaptor.getKind() != "max" && adaptor.getKind() != "min") // arg_reduce C2
    return emitOptionalError(location, "has no kind '", adaptor.getKind(), "'");
  types.push_back(RankedTensorType::get(reducedShape(type.getShape(), {axis}, adaptor.getKeepdims()),
                                        IntegerType::get(context, 64)));
  return success();
}

FailureOr<SmallVector<Value>> ArgReduceOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0];
  int64_t axis = getAxis(), rank = tensorType(x).getRank();
  Type nnElement = getElementTypeOrSelf(getX()), element = tensorType(x).getElementType();
  bool isUnsigned = nnElement.isUnsignedInteger() || nnElement.isInteger(1), isMax = getKind() == "max";
  SmallVector<utils::IteratorType> iterators;
  AffineMap all = b.b.getMultiDimIdentityMap(rank), kept = reductionLoops(b, rank, {axis}, iterators);
  LoweringBuilder::Shape shape = keptExtents(b, x, {axis});
  // The extreme value, then the first (or last) place that holds it: two reductions of one result each.
  Value best = b.generic({x}, b.fill(b.extreme(element, !isMax, isUnsigned), shape), {all, kept}, iterators,
                         [&](ArrayRef<Value> e) {
                           return isMax ? b.quickMax(e[0], e[1], isUnsigned) : b.quickMin(e[0], e[1], isUnsigned);
                         });
  Type i64 = b.b.getI64Type();
  bool isLast = getSelectLast();
  Value start = b.extreme(i64, !isLast, false);
  Value y = b.generic({x, best}, b.fill(start, shape), {all, kept, kept}, iterators, [&](ArrayRef<Value> e) {
    Value index = b.fromIndex(linalg::IndexOp::create(b.b, b.loc, axis), i64);
    Value candidate = b.select(b.compare("eq", e[0], e[1]), index, b.extreme(i64, !isLast, false));
    return isLast ? b.max(candidate, e[2]) : b.min(candidate, e[2]);
  });
  return SmallVector<Value>{getKeepdims() ? keepAxes(b, y, {axis}) : y};
}

//===- cumulate -----------------------------------------------------------===//

LogicalResult CumulateOp::verify() {
  int64_t axis = getAxis(), rank = tensorType(getX()).getRank();
  if (axis < 0 || axis >= rank) // cumulate C1
    return emitOpError("axis is ") << axis << ", but the input has " << rank << " axes";
  if (getKind() != "sum" && getKind() != "prod") // cumulate C2
    return emitOpError("has no kind '") << getKind() << "'";
  return success();
}

/// The product of the extents of axes [begin, end).
static OpFoldResult product(LoweringBuilder &b, Value x, int64_t begin, int64_t end) {
  Value count = b.index(1);
  for (int64_t axis = begin; axis < end; ++axis)
    count = b.b.createOrFold<arith::MulIOp>(b.loc, count, b.dim(x, axis));
  return getAsOpFoldResult(count);
}

FailureOr<SmallVector<Value>> CumulateOp::lower(LoweringBuilder &b, ValueRange operands) {
  // Over x as [outer, count, inner]: one running number per outer and inner place.
  Type element = tensorType(operands[0]).getElementType();
  int64_t axis = getAxis(), rank = tensorType(operands[0]).getRank();
  LoweringBuilder::Shape shape = b.extents(operands[0]);
  OpFoldResult outer = product(b, operands[0], 0, axis), inner = product(b, operands[0], axis + 1, rank);
  Value x = b.reshape(operands[0], {outer, shape[axis], inner}), count = b.asValue(shape[axis]);
  Value start = b.number(element, getKind() == "sum" ? 0 : 1), last = b.sub(count, b.index(1));
  auto step = [&](ArrayRef<Value> place, Value position, ValueRange carried) {
    Value y = carried[0], sum = carried[1], at = getReverse() ? b.sub(last, position) : position;
    SmallVector<Value> index{place[0], at, place[1]};
    Value value = b.extract(x, index), after = getKind() == "sum" ? b.add(sum, value) : b.mul(sum, value);
    y = tensor::InsertOp::create(b.b, b.loc, getExclusive() ? sum : after, y, index);
    return SmallVector<Value>{y, after};
  };
  Value y = b.empty({outer, shape[axis], inner}, element);
  y = b.loops({b.asValue(outer), b.asValue(inner)}, y, [&](ArrayRef<Value> place, ValueRange results) {
    SmallVector<Value> indices(place);
    SmallVector<Value> ends = b.loop(count, {results[0], start}, [&](Value position, ValueRange carried) {
      return step(indices, position, carried);
    });
    return SmallVector<Value>{ends[0]};
  })[0];
  return SmallVector<Value>{b.reshape(y, shape)};
}
