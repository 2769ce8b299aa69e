//===- Shape.cpp - constants and moves of data ----------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/PatternMatch.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

using Shape = LoweringBuilder::Shape;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Whether `type` is a vector of integers, of `length` elements as far as is known.
static bool isIndexVector(Value value, int64_t length) {
  RankedTensorType type = tensorType(value);
  return type.getRank() == 1 && type.getElementType().isIntOrIndex() &&
         (type.isDynamicDim(0) || type.getDimSize(0) == length);
}

// Arithmetic on extents, at compile time where both are known.
static OpFoldResult plus(LoweringBuilder &b, OpFoldResult x, OpFoldResult y) {
  auto known = getConstantIntValue(x), other = getConstantIntValue(y);
  if (known && other)
    return b.b.getIndexAttr(*known + *other);
  return b.add(b.asValue(x), b.asValue(y));
}
static OpFoldResult times(LoweringBuilder &b, OpFoldResult x, OpFoldResult y) {
  auto known = getConstantIntValue(x), other = getConstantIntValue(y);
  if (known && other)
    return b.b.getIndexAttr(*known * *other);
  return b.mul(b.asValue(x), b.asValue(y));
}
static OpFoldResult negated(LoweringBuilder &b, OpFoldResult x) { return times(b, x, b.b.getIndexAttr(-1)); }
static OpFoldResult atLeastZero(LoweringBuilder &b, OpFoldResult x) {
  if (auto known = getConstantIntValue(x))
    return b.b.getIndexAttr(std::max<int64_t>(*known, 0));
  return b.max(b.asValue(x), b.index(0));
}
/// The extent on `axis` that the nn type gives, or else `computed`.
static OpFoldResult known(LoweringBuilder &b, RankedTensorType type, int64_t axis, OpFoldResult computed) {
  return type.isDynamicDim(axis) ? computed : b.b.getIndexAttr(type.getDimSize(axis));
}
/// Element `at` of an integer vector as an index.
static Value element(LoweringBuilder &b, Value vector, int64_t at) { return b.toIndex(b.extract(vector, b.index(at))); }
/// The element of a tensor that holds one.
static Value scalar(LoweringBuilder &b, Value tensor) {
  return b.extract(tensor, SmallVector<Value>(tensorType(tensor).getRank(), b.index(0)));
}

/// Elements of a walk from `start` to before `end`: `max(ceil((end - start) / step), 0)`, for any non-zero step.
static Value walkLength(LoweringBuilder &b, Value start, Value end, Value step) {
  Value zero = b.index(0), one = b.index(1), isForward = b.compare("gt", step, zero);
  Value distance = b.select(isForward, b.sub(end, start), b.sub(start, end));
  Value stride = b.select(isForward, step, b.sub(zero, step));
  Value steps = arith::DivSIOp::create(b.b, b.loc, b.sub(distance, one), stride);
  return b.select(b.compare("gt", distance, zero), b.add(steps, one), zero);
}

//===- constant -----------------------------------------------------------===//

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

FailureOr<SmallVector<Value>> ConstantOp::lower(LoweringBuilder &b, ValueRange) {
  auto type = cast<RankedTensorType>(loweredType(getY().getType()));
  ElementsAttr value = getValue();
  if (type != getY().getType()) {
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
      value = DenseResourceElementsAttr::get(type, resource.getRawHandle());
    } else if (auto dense = dyn_cast<DenseElementsAttr>(value)) {
      unsigned width = type.getElementTypeBitWidth();
      SmallVector<APInt> elements;
      for (const APInt &element : dense.getValues<APInt>())
        elements.push_back(element.zextOrTrunc(width));
      value = DenseElementsAttr::get(type, elements);
    } else {
      return emitOpError("expects a dense value of booleans or unsigned integers");
    }
  }
  return SmallVector<Value>{arith::ConstantOp::create(b.b, b.loc, type, value)};
}

//===- reshape ------------------------------------------------------------===//

LogicalResult ReshapeOp::verify() {
  RankedTensorType from = tensorType(getX()), to = tensorType(getY());
  if (from.getElementType() != to.getElementType())
    return emitOpError("result holds ") << to.getElementType() << ", but the input holds " << from.getElementType();
  if (from.hasStaticShape() && to.hasStaticShape() && from.getNumElements() != to.getNumElements()) // reshape C1
    return emitOpError("result has ") << to.getNumElements() << " elements, but the input has "
                                      << from.getNumElements();
  if (!getShape() && to.getNumDynamicDims() > 1) // reshape C2
    return emitOpError("expects the operand 'shape' for a result with ")
           << to.getNumDynamicDims() << " unknown extents";
  if (getShape() && !isIndexVector(getShape(), to.getRank())) // reshape C2
    return emitOpError("'shape' expects ") << to.getRank() << " integers, but is a " << getShape().getType();
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  RankedTensorType type = tensorType(getY());
  bool isForced = type.hasStaticShape() || (type.getNumDynamicDims() == 1 && !llvm::is_contained(type.getShape(), 0));
  if (getX().getType() == type && isForced)
    return getX();
  return foldSmall(getOperation(), adaptor.getOperands());
}

namespace {
/// reshape(reshape(x)) -> reshape(x)
struct MergeReshapes : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<ReshapeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "input is not reshaped");
    rewriter.modifyOpInPlace(op, [&] { op.getXMutable().assign(inner.getX()); });
    return success();
  }
};
} // namespace

void ReshapeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<MergeReshapes>(context);
}

/// Ends the run unless `shape` holds as many elements as x.
static void checkCount(LoweringBuilder &b, Value x, ArrayRef<OpFoldResult> shape) {
  OpFoldResult have = b.b.getIndexAttr(1), wanted = have;
  for (OpFoldResult extent : b.extents(x))
    have = times(b, have, extent);
  for (OpFoldResult extent : shape) {
    wanted = times(b, wanted, extent);
    if (!getConstantIntValue(extent))
      b.check(b.compare("lt", b.asValue(extent), b.index(0)), "an extent is negative");
  }
  b.check(b.compare("ne", b.asValue(have), b.asValue(wanted)), "the shape does not hold the input's elements");
}

FailureOr<SmallVector<Value>> ReshapeOp::lower(LoweringBuilder &b, ValueRange operands) {
  RankedTensorType type = tensorType(getY());
  Value x = operands[0];
  Shape shape;
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    if (!type.isDynamicDim(axis)) {
      shape.push_back(b.b.getIndexAttr(type.getDimSize(axis)));
    } else if (getShape()) {
      shape.push_back(element(b, operands[1], axis));
    } else { // What the other extents leave.
      OpFoldResult total = b.b.getIndexAttr(1);
      for (OpFoldResult extent : b.extents(x))
        total = times(b, total, extent);
      int64_t others = 1;
      for (int64_t extent : type.getShape())
        others *= ShapedType::isDynamic(extent) ? 1 : extent;
      others = std::max<int64_t>(others, 1);
      if (auto count = getConstantIntValue(total))
        shape.push_back(b.b.getIndexAttr(*count / others));
      else
        shape.push_back(arith::DivSIOp::create(b.b, b.loc, b.asValue(total), b.index(others)).getResult());
    }
  }
  if (type.getNumDynamicDims() > 0)
    checkCount(b, x, shape);
  return SmallVector<Value>{b.reshape(x, shape)};
}

//===- transpose ----------------------------------------------------------===//

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            TransposeOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto type = cast<RankedTensorType>(adaptor.getX().getType());
  ArrayRef<int64_t> perm = adaptor.getPerm();
  if ((int64_t)perm.size() != type.getRank() || !isPermutationVector(perm)) // transpose C1
    return emitOptionalError(location, "perm [", perm, "] is not a permutation of the input's ", type.getRank(),
                             " axes");
  types.push_back(type.clone(applyPermutation(type.getShape(), perm)));
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) {
  SmallVector<int64_t> perm(getPerm());
  Value source = getX();
  if (auto inner = source.getDefiningOp<TransposeOp>()) {
    perm = applyPermutation(inner.getPerm(), getPerm());
    source = inner.getX();
  }
  if (llvm::equal(perm, llvm::seq<int64_t>(0, perm.size())) && source.getType() == getY().getType())
    return source;
  return foldSmall(getOperation(), adaptor.getOperands());
}

FailureOr<SmallVector<Value>> TransposeOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0];
  Shape from = b.extents(x), shape;
  for (int64_t axis : getPerm())
    shape.push_back(from[axis]);
  AffineMap map = inversePermutation(AffineMap::getPermutationMap(getPerm(), getContext()));
  return SmallVector<Value>{
      b.map({x}, {map}, shape, tensorType(x).getElementType(), [](ArrayRef<Value> elements) { return elements[0]; })};
}

//===- expand -------------------------------------------------------------===//

LogicalResult ExpandOp::verify() {
  RankedTensorType from = tensorType(getX()), to = tensorType(getY());
  if (from.getElementType() != to.getElementType() || from.getRank() > to.getRank()) // expand C1
    return emitOpError("cannot expand ") << from << " to " << to;
  for (int64_t axis = 0; axis < from.getRank(); ++axis) {
    int64_t extent = from.getDimSize(axis), wanted = to.getDimSize(to.getRank() - from.getRank() + axis);
    if (extent != 1 && extent != wanted && !ShapedType::isDynamic(extent) && !ShapedType::isDynamic(wanted))
      return emitOpError("axis ") << axis << " of the input has extent " << extent << ", but expected 1 or " << wanted;
  }
  if (!getShape() && !to.hasStaticShape()) // expand C2
    return emitOpError("expects the operand 'shape' for a result of unknown shape");
  if (getShape() && !isIndexVector(getShape(), to.getRank())) // expand C2
    return emitOpError("'shape' expects ") << to.getRank() << " integers, but is a " << getShape().getType();
  return success();
}

OpFoldResult ExpandOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getY().getType() && tensorType(getY()).hasStaticShape())
    return getX();
  return foldSmall(getOperation(), adaptor.getOperands());
}

/// An extent may be repeated when it is 1; else the wanted one is the same, or 1 (numpy broadcasting).
static void checkExpansion(LoweringBuilder &b, Value extent, Value wanted) {
  Value isOne = b.compare("eq", extent, b.index(1)), isSame = b.compare("eq", extent, wanted);
  Value fits = b.logicalOr(b.logicalOr(isOne, isSame), b.compare("eq", wanted, b.index(1)));
  Value isNegative = b.compare("lt", wanted, b.index(0));
  b.check(b.logicalOr(isNegative, b.logicalNot(fits)), "extents do not broadcast, or one is negative");
}

FailureOr<SmallVector<Value>> ExpandOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0];
  RankedTensorType from = tensorType(x), to = tensorType(getY());
  int64_t offset = to.getRank() - from.getRank();
  Shape shape;
  SmallVector<AffineExpr> exprs;
  SmallVector<bool> mayRepeat(to.getRank(), false); // known at run time only
  for (int64_t axis = 0; axis < to.getRank(); ++axis) {
    int64_t extent = axis < offset ? 1 : from.getDimSize(axis - offset);
    bool isKnown = !to.isDynamicDim(axis);
    OpFoldResult size =
        isKnown ? OpFoldResult(b.b.getIndexAttr(to.getDimSize(axis))) : OpFoldResult(element(b, operands[1], axis));
    mayRepeat[axis] = ShapedType::isDynamic(extent) && !(isKnown && to.getDimSize(axis) == 1);
    if (ShapedType::isDynamic(extent) || !isKnown)
      checkExpansion(b, axis < offset ? b.index(1) : b.dim(x, axis - offset), b.asValue(size));
    if (!isKnown && extent != 1 && !ShapedType::isDynamic(extent)) {
      size = b.b.getIndexAttr(extent);
    } else if (!isKnown && mayRepeat[axis]) { // the standard's Expand also takes 1 for "as it is"
      Value own = b.dim(x, axis - offset);
      size = b.select(b.compare("eq", own, b.index(1)), b.asValue(size), own);
    }
    shape.push_back(size);
    if (axis >= offset)
      exprs.push_back(extent == 1 ? b.b.getAffineConstantExpr(0) : b.b.getAffineDimExpr(axis));
  }
  Type type = from.getElementType();
  if (!llvm::is_contained(mayRepeat, true)) {
    AffineMap map = AffineMap::get(to.getRank(), 0, exprs, getContext());
    return SmallVector<Value>{b.map({x}, {map}, shape, type, [](ArrayRef<Value> elements) { return elements[0]; })};
  }
  SmallVector<Value> isOne(to.getRank());
  for (int64_t axis = offset; axis < to.getRank(); ++axis)
    if (mayRepeat[axis])
      isOne[axis] = b.compare("eq", b.dim(x, axis - offset), b.index(1));
  Value zero = b.index(0);
  return SmallVector<Value>{b.generate(shape, type, [&](ArrayRef<Value> indices) {
    SmallVector<Value> source;
    for (int64_t axis = offset; axis < to.getRank(); ++axis)
      source.push_back(mayRepeat[axis]                       ? b.select(isOne[axis], zero, indices[axis])
                       : from.getDimSize(axis - offset) == 1 ? zero
                                                             : indices[axis]);
    return b.extract(x, source);
  })};
}

//===- concat -------------------------------------------------------------===//

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, ConcatOp::Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  ValueRange xs = adaptor.getXs();
  if (xs.empty()) // concat C1
    return emitOptionalError(location, "expects at least one input");
  auto first = cast<RankedTensorType>(xs[0].getType());
  int64_t axis = adaptor.getAxis(), total = 0;
  if (axis < 0 || axis >= first.getRank()) // concat C2
    return emitOptionalError(location, "axis is ", axis, ", but the inputs have ", first.getRank(), " axes");
  SmallVector<int64_t> shape(first.getShape());
  for (Value x : xs) {
    auto type = cast<RankedTensorType>(x.getType());
    if (type.getRank() != first.getRank() || type.getElementType() != first.getElementType()) // concat C1
      return emitOptionalError(location, "cannot join ", first, " and ", type);
    for (int64_t i = 0; i < type.getRank(); ++i) {
      int64_t extent = type.getDimSize(i);
      if (i == axis || ShapedType::isDynamic(extent))
        continue;
      if (!ShapedType::isDynamic(shape[i]) && shape[i] != extent) // concat C2
        return emitOptionalError(location, "inputs have extents ", shape[i], " and ", extent, " on axis ", i,
                                 ", but are joined on axis ", axis);
      shape[i] = extent;
    }
    bool isUnknown = ShapedType::isDynamic(total) || type.isDynamicDim(axis);
    total = isUnknown ? ShapedType::kDynamic : total + type.getDimSize(axis);
  }
  shape[axis] = total;
  types.push_back(first.clone(shape));
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor adaptor) {
  if (getXs().size() == 1 && getXs()[0].getType() == getY().getType())
    return getXs()[0];
  return foldSmall(getOperation(), adaptor.getOperands());
}

FailureOr<SmallVector<Value>> ConcatOp::lower(LoweringBuilder &b, ValueRange operands) {
  int64_t axis = getAxis();
  RankedTensorType type = tensorType(getY());
  Shape shape;
  for (int64_t i = 0; i < type.getRank(); ++i)
    shape.push_back(known(b, type, i, b.extent(operands[0], i)));
  OpFoldResult zero = b.b.getIndexAttr(0), total = zero;
  for (Value x : operands)
    total = plus(b, total, b.extent(x, axis));
  shape[axis] = total;
  Value y = b.empty(shape, tensorType(operands[0]).getElementType());
  Shape offsets(type.getRank(), zero), strides(type.getRank(), b.b.getIndexAttr(1));
  for (Value x : operands) {
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (i != axis && x != operands[0] && (tensorType(x).isDynamicDim(i) || tensorType(operands[0]).isDynamicDim(i)))
        b.check(b.compare("ne", b.dim(x, i), b.asValue(shape[i])), "the parts differ on axis " + Twine(i));
    if (tensorType(x).getDimSize(axis) == 0)
      continue; // a slice of nothing at the end would not be in bounds
    // Sizes come from x's own type, which the slice has to match.
    y = tensor::InsertSliceOp::create(b.b, b.loc, x, y, offsets, b.extents(x), strides);
    offsets[axis] = plus(b, offsets[axis], b.extent(x, axis));
  }
  return SmallVector<Value>{y};
}

//===- slice --------------------------------------------------------------===//

LogicalResult SliceOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, SliceOp::Adaptor adaptor,
                                        SmallVectorImpl<Type> &types) {
  auto type = cast<RankedTensorType>(adaptor.getX().getType());
  ArrayRef<int64_t> starts = adaptor.getStarts(), sizes = adaptor.getSizes(), steps = adaptor.getSteps();
  size_t rank = type.getRank();
  if (starts.size() != rank || sizes.size() != rank || steps.size() != rank) // slice C1
    return emitOptionalError(location, "expects one start, size and step for each of ", rank, " axes");
  SmallVector<int64_t> shape;
  for (size_t axis = 0; axis < rank; ++axis) {
    int64_t extent = type.getDimSize(axis), size = sizes[axis];
    if (steps[axis] == 0) // slice C1
      return emitOptionalError(location, "step on axis ", axis, " is 0");
    shape.push_back(size == -1 ? extent : size);
    if (size == -1 && steps[axis] != 1 && steps[axis] != -1) // slice C1
      return emitOptionalError(location, "the whole of axis ", axis, " expects step 1 or -1, but got ", steps[axis]);
    if (size == -1 || ShapedType::isDynamic(extent) || size == 0)
      continue;
    int64_t last = starts[axis] + (size - 1) * steps[axis];
    if (size < 0 || starts[axis] < 0 || starts[axis] >= extent || last < 0 || last >= extent) // slice C2
      return emitOptionalError(location, "window of ", size, " elements from ", starts[axis], " by ", steps[axis],
                               " leaves axis ", axis, " of extent ", extent);
  }
  types.push_back(type.clone(shape));
  return success();
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  bool isWhole = llvm::all_of_zip(getStarts(), getSizes(), getSteps(), tensorType(getX()).getShape(),
                                  [](int64_t start, int64_t size, int64_t step, int64_t extent) {
                                    return step == 1 && (size == -1 || (start == 0 && size == extent));
                                  });
  if (isWhole && getX().getType() == getY().getType())
    return getX();
  return foldSmall(getOperation(), adaptor.getOperands());
}

FailureOr<SmallVector<Value>> SliceOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0];
  int64_t rank = tensorType(x).getRank();
  Shape offsets, sizes, strides;
  bool isReversed = false;
  for (int64_t axis = 0; axis < rank; ++axis) {
    int64_t start = getStarts()[axis], size = getSizes()[axis], step = getSteps()[axis];
    bool isWhole = size == -1;
    sizes.push_back(isWhole ? b.extent(x, axis) : OpFoldResult(b.b.getIndexAttr(size)));
    strides.push_back(b.b.getIndexAttr(step));
    if (isWhole && step < 0)
      offsets.push_back(plus(b, sizes.back(), b.b.getIndexAttr(-1)));
    else
      offsets.push_back(b.b.getIndexAttr(isWhole || size == 0 ? 0 : start));
    isReversed |= step < 0;
  }
  if (!isReversed)
    return SmallVector<Value>{tensor::ExtractSliceOp::create(b.b, b.loc, x, offsets, sizes, strides)};
  SmallVector<Value> starts;
  for (OpFoldResult offset : offsets)
    starts.push_back(b.asValue(offset));
  return SmallVector<Value>{b.generate(sizes, tensorType(x).getElementType(), [&](ArrayRef<Value> indices) {
    SmallVector<Value> source;
    for (auto [index, start, step] : llvm::zip(indices, starts, getSteps()))
      source.push_back(b.add(start, b.mul(index, b.index(step))));
    return b.extract(x, source);
  })};
}

//===- dynamic_slice ------------------------------------------------------===//

LogicalResult DynamicSliceOp::verify() {
  RankedTensorType from = tensorType(getX()), to = tensorType(getY());
  int64_t count = getAxes().size();
  if (!isIndexVector(getStarts(), count) || !isIndexVector(getEnds(), count) ||
      (getSteps() && !isIndexVector(getSteps(), count))) // dynamic_slice C1
    return emitOpError("expects ") << count << " integers for starts, ends and steps each";
  for (int64_t axis : getAxes())
    if (axis < 0 || axis >= from.getRank()) // dynamic_slice C1
      return emitOpError("axis is ") << axis << ", but the input has " << from.getRank() << " axes";
  if (from.getRank() != to.getRank() || from.getElementType() != to.getElementType()) // dynamic_slice C2
    return emitOpError("result expects the input's axes and elements, but is ") << to << " of " << from;
  return success();
}

FailureOr<SmallVector<Value>> DynamicSliceOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0], zero = b.index(0), one = b.index(1), steps = getSteps() ? operands[3] : Value();
  RankedTensorType type = tensorType(getY());
  Shape offsets(type.getRank(), b.b.getIndexAttr(0)), sizes = b.extents(x),
                                                      strides(type.getRank(), b.b.getIndexAttr(1));
  for (auto [i, axis] : llvm::enumerate(getAxes())) {
    Value extent = b.dim(x, axis), start = element(b, operands[1], i), end = element(b, operands[2], i);
    Value step = steps ? element(b, steps, i) : one;
    if (steps) // 0 is not allowed; do not trap on it
      step = b.select(b.compare("eq", step, zero), one, step);
    auto fromEnd = [&](Value place) { return b.select(b.compare("lt", place, zero), b.add(place, extent), place); };
    Value lowest = zero, highest = extent, firstLowest = zero, firstHighest = extent;
    if (steps) {
      Value isForward = b.compare("gt", step, zero), last = b.sub(extent, one);
      firstHighest = b.select(isForward, extent, last);
      lowest = b.select(isForward, zero, b.index(-1));
      highest = firstHighest;
    }
    start = b.clampIndex(fromEnd(start), firstLowest, firstHighest);
    end = b.clampIndex(fromEnd(end), lowest, highest);
    offsets[axis] = start;
    strides[axis] = step;
    sizes[axis] = known(b, type, axis, walkLength(b, start, end, step));
  }
  if (!steps)
    return SmallVector<Value>{tensor::ExtractSliceOp::create(b.b, b.loc, x, offsets, sizes, strides)};
  return SmallVector<Value>{b.generate(sizes, tensorType(x).getElementType(), [&](ArrayRef<Value> indices) {
    SmallVector<Value> source(indices);
    for (int64_t axis : getAxes())
      source[axis] = b.add(b.asValue(offsets[axis]), b.mul(indices[axis], b.asValue(strides[axis])));
    return b.extract(x, source);
  })};
}

//===- pad ----------------------------------------------------------------===//

LogicalResult PadOp::verify() {
  RankedTensorType from = tensorType(getX()), to = tensorType(getY());
  int64_t rank = from.getRank();
  if (!llvm::is_contained({"constant", "reflect", "edge", "wrap"}, getMode()))
    return emitOpError("has no mode '") << getMode() << "'";
  if (to.getRank() != rank || to.getElementType() != from.getElementType()) // pad C2
    return emitOpError("result expects the input's axes and elements, but is ") << to << " of " << from;
  if (getPads()) {
    if (!isIndexVector(getPads(), 2 * rank)) // pad C1
      return emitOpError("expects ") << 2 * rank << " pads, but got a " << getPads().getType();
    return success();
  }
  if ((int64_t)getLow().size() != rank || (int64_t)getHigh().size() != rank) // pad C1
    return emitOpError("expects ") << rank << " low and high pads, but got " << getLow().size() << " and "
                                   << getHigh().size();
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (from.isDynamicDim(axis) || to.isDynamicDim(axis))
      continue;
    int64_t wanted = getLow()[axis] + from.getDimSize(axis) + getHigh()[axis];
    if (to.getDimSize(axis) != wanted) // pad C2
      return emitOpError("result has extent ")
             << to.getDimSize(axis) << " on axis " << axis << ", but expected " << wanted;
  }
  return success();
}

/// x inside a larger tensor of `fillValue`; negative pads cut x first.
static Value padConstant(LoweringBuilder &b, Value x, ArrayRef<OpFoldResult> low, ArrayRef<OpFoldResult> high,
                         Value fillValue) {
  int64_t rank = low.size();
  Shape cuts, sizes, before, after, ones(rank, b.b.getIndexAttr(1));
  bool isCut = false;
  for (int64_t axis = 0; axis < rank; ++axis) {
    OpFoldResult cutLow = atLeastZero(b, negated(b, low[axis])), cutHigh = atLeastZero(b, negated(b, high[axis]));
    isCut |= getConstantIntValue(cutLow) != 0 || getConstantIntValue(cutHigh) != 0;
    cuts.push_back(cutLow);
    before.push_back(atLeastZero(b, low[axis]));
    after.push_back(atLeastZero(b, high[axis]));
    OpFoldResult left = plus(b, b.extent(x, axis), negated(b, plus(b, cutLow, cutHigh)));
    sizes.push_back(atLeastZero(b, left));
  }
  if (isCut)
    x = tensor::ExtractSliceOp::create(b.b, b.loc, x, cuts, sizes, ones);
  return b.surround(x, fillValue, before, after);
}

/// Where the element at `place` of an axis (0 is x's first element) comes from.
static Value padSource(LoweringBuilder &b, StringRef mode, Value place, Value extent) {
  Value zero = b.index(0), one = b.index(1), last = b.sub(extent, one);
  if (mode == "edge")
    return b.max(b.min(place, last), zero);
  if (mode == "wrap")
    return b.mod(place, extent, /*isUnsigned=*/false, /*truncate=*/false);
  Value period = b.max(b.mul(last, b.index(2)), one);
  Value phase = b.mod(place, period, /*isUnsigned=*/false, /*truncate=*/false);
  return b.select(b.compare("lt", phase, extent), phase, b.sub(period, phase));
}

FailureOr<SmallVector<Value>> PadOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0];
  Type stored = tensorType(x).getElementType();
  RankedTensorType type = tensorType(getY());
  int64_t rank = type.getRank();
  Value pads = getPads() ? operands[1] : Value();
  Shape low, high, shape;
  for (int64_t axis = 0; axis < rank; ++axis) {
    low.push_back(pads ? OpFoldResult(element(b, pads, axis)) : OpFoldResult(b.b.getIndexAttr(getLow()[axis])));
    high.push_back(pads ? OpFoldResult(element(b, pads, rank + axis))
                        : OpFoldResult(b.b.getIndexAttr(getHigh()[axis])));
    OpFoldResult size = plus(b, plus(b, low[axis], high[axis]), b.extent(x, axis));
    shape.push_back(known(b, type, axis, atLeastZero(b, size)));
  }
  if (getMode() == "constant") {
    Value value = getValue() ? scalar(b, operands.back()) : b.number(stored, 0);
    return SmallVector<Value>{padConstant(b, x, low, high, value)};
  }
  return SmallVector<Value>{b.generate(shape, stored, [&](ArrayRef<Value> indices) {
    SmallVector<Value> source(indices);
    for (int64_t axis = 0; axis < rank; ++axis)
      if (getConstantIntValue(low[axis]) != 0 || getConstantIntValue(high[axis]) != 0)
        source[axis] = padSource(b, getMode(), b.sub(indices[axis], b.asValue(low[axis])), b.dim(x, axis));
    return b.extract(x, source);
  })};
}

//===- tile ---------------------------------------------------------------===//

LogicalResult TileOp::verify() {
  RankedTensorType from = tensorType(getX()), to = tensorType(getY());
  if (!isIndexVector(getRepeats(), from.getRank())) // tile C1
    return emitOpError("expects ") << from.getRank() << " repeats, but got a " << getRepeats().getType();
  if (from.getRank() != to.getRank() || from.getElementType() != to.getElementType())
    return emitOpError("result expects the input's axes and elements, but is ") << to << " of " << from;
  for (int64_t axis = 0; axis < from.getRank(); ++axis) {
    int64_t extent = from.getDimSize(axis), size = to.getDimSize(axis);
    if (!ShapedType::isDynamic(extent) && !ShapedType::isDynamic(size) && (extent == 0 ? size : size % extent) != 0)
      return emitOpError("result has extent ")
             << size << " on axis " << axis << ", which is not a multiple of " << extent;
  }
  return success();
}

FailureOr<SmallVector<Value>> TileOp::lower(LoweringBuilder &b, ValueRange operands) {
  // y seen as [repeats[0], extent[0], repeats[1], extent[1], ...] reads x at the extents' indices.
  Value x = operands[0];
  RankedTensorType from = tensorType(x), to = tensorType(getY());
  Shape shape;
  SmallVector<AffineExpr> exprs;
  SmallVector<ReassociationIndices> groups;
  for (int64_t axis = 0; axis < from.getRank(); ++axis) {
    int64_t extent = from.getDimSize(axis), size = to.getDimSize(axis);
    ReassociationIndices group;
    bool isKnown = !ShapedType::isDynamic(extent) && !ShapedType::isDynamic(size) && extent != 0;
    if (!isKnown || size != extent) {
      group.push_back(shape.size());
      Value repeats = isKnown ? Value() : element(b, operands[1], axis);
      if (!isKnown)
        b.check(b.compare("lt", repeats, b.index(0)), "repeats are negative");
      shape.push_back(isKnown ? OpFoldResult(b.b.getIndexAttr(size / extent)) : atLeastZero(b, repeats));
    }
    group.push_back(shape.size());
    exprs.push_back(b.b.getAffineDimExpr(shape.size()));
    shape.push_back(b.extent(x, axis));
    groups.push_back(group);
  }
  AffineMap map = AffineMap::get(shape.size(), 0, exprs, getContext());
  Value y = b.map({x}, {map}, shape, from.getElementType(), [](ArrayRef<Value> elements) { return elements[0]; });
  if ((int64_t)shape.size() != from.getRank())
    y = tensor::CollapseShapeOp::create(b.b, b.loc, y, groups);
  return SmallVector<Value>{y};
}

//===- shape --------------------------------------------------------------===//

LogicalResult ShapeOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                        ShapeOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  int64_t start = adaptor.getStart(), end = adaptor.getEnd();
  int64_t rank = cast<RankedTensorType>(adaptor.getX().getType()).getRank();
  if (start < 0 || start > end || end > rank) // shape C1
    return emitOptionalError(location, "expects axes in [0, ", rank, "), but got [", start, ", ", end, ")");
  types.push_back(RankedTensorType::get({end - start}, IntegerType::get(context, 64)));
  return success();
}

OpFoldResult ShapeOp::fold(FoldAdaptor adaptor) { return foldSmall(getOperation(), adaptor.getOperands()); }

FailureOr<SmallVector<Value>> ShapeOp::lower(LoweringBuilder &b, ValueRange operands) {
  SmallVector<Value> extents;
  Type type = b.b.getI64Type();
  for (int64_t axis = getStart(); axis < (int64_t)getEnd(); ++axis)
    extents.push_back(b.fromIndex(b.dim(operands[0], axis), type));
  if (extents.empty())
    return SmallVector<Value>{b.empty(b.staticShape({0}), type)};
  return SmallVector<Value>{tensor::FromElementsOp::create(b.b, b.loc, extents)};
}

//===- range --------------------------------------------------------------===//

LogicalResult RangeOp::verify() {
  Type element = getElementTypeOrSelf(getY());
  for (Value operand : getOperands()) {
    RankedTensorType type = tensorType(operand);
    if (type.getElementType() != element || (type.hasStaticShape() && type.getNumElements() != 1)) // range C1
      return emitOpError("expects one ") << element << " each as start, limit and delta, but got a " << type;
  }
  if (tensorType(getY()).getRank() != 1)
    return emitOpError("result expects one axis, but is ") << getY().getType();
  return success();
}

OpFoldResult RangeOp::fold(FoldAdaptor adaptor) { return foldSmall(getOperation(), adaptor.getOperands()); }

FailureOr<SmallVector<Value>> RangeOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value start = scalar(b, operands[0]), limit = scalar(b, operands[1]), delta = scalar(b, operands[2]);
  Type type = start.getType();
  RankedTensorType result = tensorType(getY());
  OpFoldResult count;
  if (!result.isDynamicDim(0)) {
    count = b.b.getIndexAttr(result.getDimSize(0));
  } else if (isa<FloatType>(type)) {
    b.check(b.compare("eq", delta, b.number(type, 0)), "delta is 0");
    Value steps = b.math<math::CeilOp>(b.div(b.sub(limit, start), delta));
    count = b.max(b.toIndex(b.cast(steps, b.b.getI64Type())), b.index(0));
  } else {
    Value step = b.toIndex(delta), zero = b.index(0);
    b.check(b.compare("eq", step, zero), "delta is 0");
    step = b.select(b.compare("eq", step, zero), b.index(1), step); // 0 is not allowed; do not trap on it
    count = walkLength(b, b.toIndex(start), b.toIndex(limit), step);
  }
  if (!getConstantIntValue(count)) // what the bytes of no memory could count
    b.check(b.compare("gt", b.asValue(count), b.index(int64_t(1) << 36)), "the range has more than 2^36 elements");
  return SmallVector<Value>{b.generate({count}, type, [&](ArrayRef<Value> indices) {
    return b.add(start, b.mul(b.fromIndex(indices[0], type), delta));
  })};
}

//===- trilu --------------------------------------------------------------===//

LogicalResult TriluOp::verify() {
  if (tensorType(getX()).getRank() < 2) // trilu C1
    return emitOpError("expects at least two axes, but the input has ") << tensorType(getX()).getRank();
  return success();
}

FailureOr<SmallVector<Value>> TriluOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0], k = getK() ? b.toIndex(scalar(b, operands[1])) : b.index(0);
  Type type = tensorType(x).getElementType();
  int64_t rank = tensorType(x).getRank();
  Value zero = b.number(type, 0);
  return SmallVector<Value>{
      b.map({x}, {b.b.getMultiDimIdentityMap(rank)}, b.extents(x), type, [&](ArrayRef<Value> elements) {
        Value row = linalg::IndexOp::create(b.b, b.loc, rank - 2);
        Value column = linalg::IndexOp::create(b.b, b.loc, rank - 1);
        Value edge = b.add(row, k);
        Value isKept = b.compare(getUpper() ? "ge" : "le", column, edge);
        return b.select(isKept, elements[0], zero);
      })};
}
