//===- Index.cpp - ops that read or write at computed places --------------===//
//
// An index below 0 counts from the end; one outside is clamped into the axis, so that no code reads or writes beyond a
// tensor.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

using Exprs = SmallVector<AffineExpr>;
using Shape = LoweringBuilder::Shape;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Checks that `indices` holds integers and that `axis` is one of x's.
static LogicalResult checkIndices(std::optional<Location> location, Type indices, Type x, int64_t axis) {
  if (!getElementTypeOrSelf(indices).isIntOrIndex())
    return emitOptionalError(location, "indices expect integers, but hold ", getElementTypeOrSelf(indices));
  int64_t rank = cast<RankedTensorType>(x).getRank();
  if (axis < 0 || axis >= rank)
    return emitOptionalError(location, "axis is ", axis, ", but the input has ", rank, " axes");
  return success();
}

/// Whether a tensor of `type` may hold exactly `count` elements.
static bool mayHold(RankedTensorType type, int64_t count) {
  return !type.hasStaticShape() || type.getNumElements() == count;
}

/// An element of an index tensor as a place on an axis of `extent` elements.
static Value toPlace(LoweringBuilder &b, Value index, Value extent) {
  Value zero = b.index(0), place = b.toIndex(index);
  place = b.select(b.compare("lt", place, zero), b.add(place, extent), place);
  return b.clampIndex(place, zero, b.sub(extent, b.index(1)));
}

/// The element of a tensor that holds one.
static Value scalar(LoweringBuilder &b, Value tensor) {
  return b.extract(tensor, SmallVector<Value>(tensorType(tensor).getRank(), b.index(0)));
}

static Value loopIndex(LoweringBuilder &b, int64_t axis) { return linalg::IndexOp::create(b.b, b.loc, axis); }

static AffineMap mapOf(LoweringBuilder &b, unsigned loops, const Exprs &exprs) {
  return AffineMap::get(loops, 0, exprs, b.b.getContext());
}

static SmallVector<Value> asValues(LoweringBuilder &b, ArrayRef<OpFoldResult> extents) {
  return llvm::map_to_vector(extents, [&](OpFoldResult extent) { return b.asValue(extent); });
}

namespace {
/// Slice `at` of `axis`, or a place to put one: its offsets, sizes and strides.
struct AxisSlice {
  AxisSlice(LoweringBuilder &b, Value x, int64_t axis, OpFoldResult at)
      : offsets(tensorType(x).getRank(), b.b.getIndexAttr(0)), sizes(b.extents(x)),
        strides(tensorType(x).getRank(), b.b.getIndexAttr(1)) {
    offsets[axis] = at;
    sizes[axis] = b.b.getIndexAttr(1);
  }
  Shape offsets, sizes, strides;
};
} // namespace

//===- gather -------------------------------------------------------------===//

LogicalResult GatherOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, GatherOp::Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto x = cast<RankedTensorType>(adaptor.getX().getType()),
       indices = cast<RankedTensorType>(adaptor.getIndices().getType());
  int64_t axis = adaptor.getAxis();
  if (failed(checkIndices(location, indices, x, axis))) // gather C1
    return failure();
  SmallVector<int64_t> shape(x.getShape().take_front(axis));
  llvm::append_range(shape, indices.getShape());
  llvm::append_range(shape, x.getShape().drop_front(axis + 1));
  types.push_back(x.clone(shape));
  return success();
}

OpFoldResult GatherOp::fold(FoldAdaptor adaptor) { return foldSmall(getOperation(), adaptor.getOperands()); }

/// A gather at one index that is known: a slice of x, which is only a view. Null when it is not one.
static Value gatherSlice(LoweringBuilder &b, Value x, Value indices, int64_t axis) {
  DenseIntElementsAttr known;
  int64_t extent = tensorType(x).getDimSize(axis), rank = tensorType(indices).getRank();
  if (!matchPattern(indices, m_Constant(&known)) || known.getNumElements() != 1 || rank > 1 ||
      ShapedType::isDynamic(extent))
    return {};
  int64_t at = (*known.value_begin<APInt>()).getSExtValue();
  at += at < 0 ? extent : 0;
  if (at < 0 || at >= extent)
    return {};
  AxisSlice slice(b, x, axis, b.b.getIndexAttr(at));
  SmallVector<int64_t> shape(tensorType(x).getShape());
  if (rank == 1)
    shape[axis] = 1;
  else
    shape.erase(shape.begin() + axis);
  return tensor::ExtractSliceOp::create(b.b, b.loc, tensorType(x).clone(shape), x, slice.offsets, slice.sizes,
                                        slice.strides);
}

FailureOr<SmallVector<Value>> GatherOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0], indices = operands[1];
  int64_t axis = getAxis(), count = tensorType(indices).getRank();
  if (Value slice = gatherSlice(b, x, indices, axis))
    return SmallVector<Value>{slice};
  Shape from = b.extents(x), shape(from.begin(), from.begin() + axis);
  llvm::append_range(shape, b.extents(indices));
  shape.append(from.begin() + axis + 1, from.end());
  Exprs exprs;
  for (int64_t i = 0; i < count; ++i)
    exprs.push_back(b.b.getAffineDimExpr(axis + i));
  Value extent = b.asValue(from[axis]);
  b.checkIndices(indices, extent);
  return SmallVector<Value>{b.map(
      {indices}, {mapOf(b, shape.size(), exprs)}, shape, tensorType(x).getElementType(), [&](ArrayRef<Value> elements) {
        SmallVector<Value> source;
        for (int64_t i = 0; i < (int64_t)from.size(); ++i)
          source.push_back(i == axis ? toPlace(b, elements[0], extent) : loopIndex(b, i < axis ? i : i + count - 1));
        return b.extract(x, source);
      })};
}

//===- gather_elements ----------------------------------------------------===//

LogicalResult GatherElementsOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                 GatherElementsOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto x = cast<RankedTensorType>(adaptor.getX().getType()),
       indices = cast<RankedTensorType>(adaptor.getIndices().getType());
  if (x.getRank() != indices.getRank()) // gather_elements C1
    return emitOptionalError(location, "indices have ", indices.getRank(), " axes, but the input has ", x.getRank());
  if (failed(checkIndices(location, indices, x, adaptor.getAxis()))) // gather_elements C1
    return failure();
  types.push_back(x.clone(indices.getShape()));
  return success();
}

FailureOr<SmallVector<Value>> GatherElementsOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0], indices = operands[1];
  int64_t axis = getAxis(), rank = tensorType(x).getRank();
  Value extent = b.dim(x, axis);
  b.checkIndices(indices, extent);
  return SmallVector<Value>{b.map({indices}, {b.b.getMultiDimIdentityMap(rank)}, b.extents(indices),
                                  tensorType(x).getElementType(), [&](ArrayRef<Value> elements) {
                                    SmallVector<Value> source;
                                    for (int64_t i = 0; i < rank; ++i)
                                      source.push_back(i == axis ? toPlace(b, elements[0], extent) : loopIndex(b, i));
                                    return b.extract(x, source);
                                  })};
}

//===- gather_nd ----------------------------------------------------------===//

LogicalResult GatherNdOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, GatherNdOp::Adaptor adaptor,
                                           SmallVectorImpl<Type> &types) {
  auto x = cast<RankedTensorType>(adaptor.getX().getType()),
       indices = cast<RankedTensorType>(adaptor.getIndices().getType());
  int64_t batch = adaptor.getBatchDims();
  if (indices.getRank() < 1 || indices.isDynamicDim(indices.getRank() - 1)) // gather_nd C1
    return emitOptionalError(location, "indices expect a last axis of known extent, but are a ", indices);
  if (!indices.getElementType().isIntOrIndex()) // gather_nd C1
    return emitOptionalError(location, "indices expect integers, but hold ", indices.getElementType());
  int64_t length = indices.getShape().back();
  if (batch < 0 || batch >= indices.getRank() || length + batch > x.getRank()) // gather_nd C1
    return emitOptionalError(location, "index tuples of ", length, " after ", batch,
                             " shared axes do not fit an input with ", x.getRank(), " axes");
  SmallVector<int64_t> shape(indices.getShape().drop_back());
  llvm::append_range(shape, x.getShape().drop_front(batch + length));
  types.push_back(x.clone(shape));
  return success();
}

FailureOr<SmallVector<Value>> GatherNdOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0], indices = operands[1];
  int64_t batch = getBatchDims(), length = tensorType(indices).getShape().back();
  int64_t outer = tensorType(indices).getRank() - 1, rank = tensorType(x).getRank();
  Shape shape = b.extents(indices), from = b.extents(x);
  shape.pop_back();
  shape.append(from.begin() + batch + length, from.end());
  b.checkIndices(indices, asValues(b, ArrayRef(from).slice(batch, length)));
  // One input per entry of the tuples.
  SmallVector<Value> inputs(length, indices);
  SmallVector<AffineMap> maps;
  for (int64_t i = 0; i < length; ++i) {
    Exprs exprs;
    for (int64_t axis = 0; axis < outer; ++axis)
      exprs.push_back(b.b.getAffineDimExpr(axis));
    exprs.push_back(b.b.getAffineConstantExpr(i));
    maps.push_back(mapOf(b, shape.size(), exprs));
  }
  SmallVector<Value> extents = asValues(b, from);
  return SmallVector<Value>{b.map(inputs, maps, shape, tensorType(x).getElementType(), [&](ArrayRef<Value> elements) {
    SmallVector<Value> source;
    for (int64_t i = 0; i < batch; ++i)
      source.push_back(loopIndex(b, i));
    for (int64_t i = 0; i < length; ++i)
      source.push_back(toPlace(b, elements[i], extents[batch + i]));
    for (int64_t i = batch + length; i < rank; ++i)
      source.push_back(loopIndex(b, outer + i - batch - length));
    return b.extract(x, source);
  })};
}

//===- scatter_elements ---------------------------------------------------===//

/// What both scatters check: integers, x's elements, and a known reduction.
template <typename Op> static LogicalResult verifyScatter(Op op) {
  Type element = getElementTypeOrSelf(op.getX()), updates = getElementTypeOrSelf(op.getUpdates());
  if (!llvm::is_contained({"none", "add", "mul", "max", "min"}, op.getReduction()))
    return op.emitOpError("has no reduction '") << op.getReduction() << "'";
  if (!getElementTypeOrSelf(op.getIndices()).isIntOrIndex())
    return op.emitOpError("indices expect integers, but hold ") << getElementTypeOrSelf(op.getIndices());
  if (element != updates)
    return op.emitOpError("updates hold ") << updates << ", but the input holds " << element;
  return success();
}

/// The element that a scatter leaves at a place.
static Value combine(LoweringBuilder &b, StringRef reduction, Value old, Value update, Type nnElement) {
  bool isUnsigned = nnElement.isUnsignedInteger();
  if (reduction == "none")
    return update;
  Value x = b.load(old, nnElement), y = b.load(update, nnElement);
  if (nnElement.isInteger(1)) // sums of truth values: or; products: and
    return b.store(reduction == "add" || reduction == "max" ? b.logicalOr(x, y) : b.logicalAnd(x, y), nnElement);
  if (reduction == "add")
    return b.add(x, y);
  if (reduction == "mul")
    return b.mul(x, y);
  return reduction == "max" ? b.max(x, y, isUnsigned) : b.min(x, y, isUnsigned);
}

/// `y[place] (op)= update`
static Value updateElement(LoweringBuilder &b, StringRef reduction, Value y, ValueRange place, Value update,
                           Type nnElement) {
  Value old = reduction == "none" ? Value() : b.extract(y, place);
  return tensor::InsertOp::create(b.b, b.loc, combine(b, reduction, old, update, nnElement), y, place);
}

LogicalResult ScatterElementsOp::verify() {
  RankedTensorType x = tensorType(getX()), indices = tensorType(getIndices()), updates = tensorType(getUpdates());
  if (failed(verifyCompatibleShape(indices, updates)) || indices.getRank() != x.getRank()) // scatter_elements C1
    return emitOpError("indices and updates expect one shape with the input's ")
           << x.getRank() << " axes, but are " << indices << " and " << updates;
  int64_t axis = getAxis();
  if (axis < 0 || axis >= x.getRank()) // scatter_elements C1
    return emitOpError("axis is ") << axis << ", but the input has " << x.getRank() << " axes";
  return verifyScatter(*this);
}

FailureOr<SmallVector<Value>> ScatterElementsOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0], indices = operands[1], updates = operands[2];
  Type nnElement = getElementTypeOrSelf(getX());
  int64_t axis = getAxis();
  Value extent = b.dim(x, axis);
  b.checkIndices(indices, extent);
  return b.loops(asValues(b, b.extents(indices)), x, [&](ArrayRef<Value> at, ValueRange carried) {
    SmallVector<Value> place(at);
    place[axis] = toPlace(b, b.extract(indices, at), extent);
    Value update = b.extract(updates, at);
    return SmallVector<Value>{updateElement(b, getReduction(), carried[0], place, update, nnElement)};
  });
}

//===- scatter_nd ---------------------------------------------------------===//

LogicalResult ScatterNdOp::verify() {
  RankedTensorType x = tensorType(getX()), indices = tensorType(getIndices()), updates = tensorType(getUpdates());
  if (indices.getRank() < 1 || indices.isDynamicDim(indices.getRank() - 1)) // scatter_nd C1
    return emitOpError("indices expect a last axis of known extent, but are a ") << indices;
  int64_t length = indices.getShape().back();
  if (length > x.getRank()) // scatter_nd C1
    return emitOpError("index tuples of ") << length << " do not fit an input with " << x.getRank() << " axes";
  SmallVector<int64_t> shape(indices.getShape().drop_back());
  llvm::append_range(shape, x.getShape().drop_front(length));
  if (failed(verifyCompatibleShape(updates.getShape(), shape))) // scatter_nd C1
    return emitOpError("updates expect the shape ")
           << RankedTensorType::get(shape, x.getElementType()) << ", but are a " << updates;
  return verifyScatter(*this);
}

/// A scatter of whole slices: one copy per index tuple.
static Value scatterSlice(LoweringBuilder &b, Value y, Value updates, ArrayRef<Value> at, ArrayRef<Value> place) {
  RankedTensorType type = tensorType(updates);
  OpFoldResult zero = b.b.getIndexAttr(0), one = b.b.getIndexAttr(1);
  Shape extents = b.extents(updates), rows(extents.begin() + at.size(), extents.end());
  auto window = [&](ArrayRef<Value> first, Shape &offsets, Shape &sizes, Shape &strides) {
    offsets.assign(first.begin(), first.end());
    offsets.append(rows.size(), zero);
    sizes.assign(first.size(), one);
    sizes.append(rows.begin(), rows.end());
    strides.assign(sizes.size(), one);
  };
  Shape offsets, sizes, strides;
  window(at, offsets, sizes, strides);
  auto sliceType = RankedTensorType::get(type.getShape().drop_front(at.size()), type.getElementType());
  Value slice = tensor::ExtractSliceOp::create(b.b, b.loc, sliceType, updates, offsets, sizes, strides);
  window(place, offsets, sizes, strides);
  return tensor::InsertSliceOp::create(b.b, b.loc, slice, y, offsets, sizes, strides);
}

FailureOr<SmallVector<Value>> ScatterNdOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0], indices = operands[1], updates = operands[2];
  Type nnElement = getElementTypeOrSelf(getX());
  int64_t length = tensorType(indices).getShape().back(), outer = tensorType(indices).getRank() - 1;
  bool isCopy = getReduction() == "none" && length < tensorType(x).getRank();
  SmallVector<Value> extents = asValues(b, b.extents(updates)), limits = asValues(b, b.extents(x));
  if (isCopy)
    extents.truncate(outer);
  b.checkIndices(indices, ArrayRef(limits).take_front(length));
  return b.loops(extents, x, [&](ArrayRef<Value> at, ValueRange carried) {
    SmallVector<Value> place, tuple(at.take_front(outer));
    for (int64_t i = 0; i < length; ++i) {
      tuple.push_back(b.index(i));
      place.push_back(toPlace(b, b.extract(indices, tuple), limits[i]));
      tuple.pop_back();
    }
    if (isCopy)
      return SmallVector<Value>{scatterSlice(b, carried[0], updates, at, place)};
    llvm::append_range(place, at.drop_front(outer));
    Value update = b.extract(updates, at);
    return SmallVector<Value>{updateElement(b, getReduction(), carried[0], place, update, nnElement)};
  });
}

//===- one_hot ------------------------------------------------------------===//

LogicalResult OneHotOp::verify() {
  RankedTensorType indices = tensorType(getIndices()), depth = tensorType(getDepth()), values = tensorType(getValues());
  if (depth.getRank() > 1 || !mayHold(depth, 1)) // one_hot C1
    return emitOpError("depth expects one number, but is a ") << depth;
  if (values.getRank() != 1 || !mayHold(values, 2)) // one_hot C1
    return emitOpError("values expect two elements, but are a ") << values;
  RankedTensorType type = tensorType(getY());
  int64_t axis = getAxis();
  if (axis < 0 || axis > indices.getRank()) // one_hot C2
    return emitOpError("axis is ") << axis << ", but the result has " << indices.getRank() + 1 << " axes";
  SmallVector<int64_t> shape(indices.getShape());
  shape.insert(shape.begin() + axis, ShapedType::kDynamic);
  if (type.getElementType() != values.getElementType() ||
      failed(verifyCompatibleShape(type.getShape(), shape))) // one_hot C3
    return emitOpError("result expects ") << values.clone(shape) << ", but is a " << type;
  return success();
}

FailureOr<SmallVector<Value>> OneHotOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value indices = operands[0];
  RankedTensorType type = tensorType(getY());
  int64_t axis = getAxis(), rank = type.getRank();
  auto toWhole = [&](Value number, Value nnTensor) {
    return b.cast(number, b.b.getI64Type(), getElementTypeOrSelf(nnTensor.getType()).isUnsignedInteger());
  };
  Value depth = b.max(b.toIndex(toWhole(scalar(b, operands[1]), getDepth())), b.index(0));
  Shape from = b.extents(indices), shape;
  Exprs exprs;
  for (int64_t i = 0; i < rank; ++i) {
    if (i == axis) {
      shape.push_back(type.isDynamicDim(i) ? OpFoldResult(depth) : b.b.getIndexAttr(type.getDimSize(i)));
      continue;
    }
    shape.push_back(from[exprs.size()]);
    exprs.push_back(b.b.getAffineDimExpr(i));
  }
  Value extent = b.fromIndex(b.asValue(shape[axis]), b.b.getI64Type()), zero = b.integer(b.b.getI64Type(), 0);
  Value off = b.extract(operands[2], b.index(0)), on = b.extract(operands[2], b.index(1));
  return SmallVector<Value>{
      b.map({indices}, {mapOf(b, rank, exprs)}, shape, off.getType(), [&](ArrayRef<Value> elements) {
        Value place = toWhole(elements[0], getIndices());
        place = b.select(b.compare("lt", place, zero), b.add(place, extent), place);
        Value here = b.fromIndex(loopIndex(b, axis), b.b.getI64Type());
        return b.select(b.compare("eq", place, here), on, off);
      })};
}

//===- top_k --------------------------------------------------------------===//

namespace {
/// Selection along an axis: each pass over a row finds the element that comes next in the order.
struct Selection {
  /// Whether element x at i comes before y at j.
  Value isBefore(Value x, Value i, Value y, Value j) const {
    Value isTie = b.logicalAnd(b.compare("eq", x, y), b.compare("lt", i, j));
    return b.logicalOr(b.compare(isLargest ? "gt" : "lt", x, y, isUnsigned), isTie);
  }

  /// The element of the row that comes right after `previous` at `previousAt` (-1: the first of all): its value and its
  /// place, -1 when there is none, as in a row of NaNs.
  SmallVector<Value> next(ArrayRef<Value> row, Value previous, Value previousAt) const {
    Value none = b.index(-1), isFirst = b.compare("lt", previousAt, b.index(0));
    return b.loop(b.dim(x, axis), {previous, none}, [&](Value i, ValueRange best) {
      Value element = at(row, i);
      Value isLater = b.logicalOr(isFirst, isBefore(previous, previousAt, element, i));
      // Of equal elements the first stays.
      Value isBetter = b.logicalOr(b.compare("lt", best[1], b.index(0)),
                                   b.compare(isLargest ? "gt" : "lt", element, best[0], isUnsigned));
      Value isOrdered = b.compare("eq", element, element);
      Value isNext = b.logicalAnd(b.logicalAnd(isLater, isBetter), isOrdered);
      return SmallVector<Value>{b.select(isNext, element, best[0]), b.select(isNext, i, best[1])};
    });
  }
  Value at(ArrayRef<Value> row, Value i) const {
    SmallVector<Value> place(row);
    place.insert(place.begin() + axis, i);
    return b.extract(x, place);
  }

  LoweringBuilder &b;
  Value x;
  int64_t axis;
  bool isLargest, isUnsigned;
};
} // namespace

LogicalResult TopKOp::verify() {
  RankedTensorType x = tensorType(getX()), k = tensorType(getK()), values = tensorType(getValues()),
                   indices = tensorType(getIndices());
  int64_t axis = getAxis();
  if (!k.getElementType().isIntOrIndex() || k.getRank() > 1 || !mayHold(k, 1)) // top_k C1
    return emitOpError("k expects one integer, but is a ") << k;
  if (axis < 0 || axis >= x.getRank()) // top_k C2
    return emitOpError("axis is ") << axis << ", but the input has " << x.getRank() << " axes";
  SmallVector<int64_t> shape(x.getShape());
  shape[axis] = ShapedType::kDynamic;
  if (values.getElementType() != x.getElementType() || !indices.getElementType().isInteger(64) ||
      failed(verifyCompatibleShape(values.getShape(), shape)) ||
      failed(verifyCompatibleShape(indices.getShape(), shape)) ||
      failed(verifyCompatibleShape(indices.getShape(), values.getShape()))) // top_k C3
    return emitOpError("results expect ")
           << x.clone(shape) << " and indices of i64, but are " << values << " and " << indices;
  int64_t extent = x.getDimSize(axis), count = values.getDimSize(axis);
  if (!ShapedType::isDynamic(extent) && !ShapedType::isDynamic(count) && count > extent) // top_k C3
    return emitOpError("cannot take ") << count << " of " << extent << " elements";
  return success();
}

FailureOr<SmallVector<Value>> TopKOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0];
  RankedTensorType type = tensorType(x), result = tensorType(getValues());
  int64_t axis = getAxis();
  Selection selection{b, x, axis, getLargest(), getElementTypeOrSelf(getX()).isUnsignedInteger()};
  Shape shape = b.extents(x);
  Value zero = b.index(0), extent = b.asValue(shape[axis]);
  if (result.isDynamicDim(axis)) {
    Value wanted = b.toIndex(scalar(b, operands[1]));
    b.check(b.logicalOr(b.compare("lt", wanted, zero), b.compare("gt", wanted, extent)),
            "k is negative, or larger than the axis");
    shape[axis] = b.clampIndex(wanted, zero, extent);
  } else {
    shape[axis] = b.b.getIndexAttr(result.getDimSize(axis));
  }
  Value values = b.empty(shape, type.getElementType()), places = b.empty(shape, b.b.getI64Type());
  SmallVector<Value> rows = asValues(b, shape);
  Value count = rows[axis];
  rows.erase(rows.begin() + axis);
  Value start = b.number(type.getElementType(), 0), none = b.index(-1);
  return b.loops(rows, {values, places}, [&](ArrayRef<Value> row, ValueRange carried) {
    SmallVector<Value> all{carried[0], carried[1], start, none};
    SmallVector<Value> ends = b.loop(count, all, [&](Value i, ValueRange state) {
      SmallVector<Value> found = selection.next(row, state[2], state[3]);
      // Where the order ends (NaN), the first element stands in.
      Value at = b.max(found[1], zero), value = selection.at(row, at);
      SmallVector<Value> place(row);
      place.insert(place.begin() + axis, i);
      Value index = b.fromIndex(at, b.b.getI64Type());
      return SmallVector<Value>{tensor::InsertOp::create(b.b, b.loc, value, state[0], place),
                                tensor::InsertOp::create(b.b, b.loc, index, state[1], place), found[0], found[1]};
    });
    return SmallVector<Value>{ends[0], ends[1]};
  });
}

//===- non_zero -----------------------------------------------------------===//

/// How many elements of x are not zero.
static Value countNonZero(LoweringBuilder &b, Value x) {
  int64_t rank = tensorType(x).getRank();
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::reduction);
  Value count =
      b.generic({x}, b.fill(b.integer(b.b.getI64Type(), 0), {}), {b.b.getMultiDimIdentityMap(rank), mapOf(b, rank, {})},
                iterators, [&](ArrayRef<Value> elements) {
                  Value isSet = b.compare("ne", elements[0], b.number(elements[0].getType(), 0));
                  return b.add(elements[1], b.cast(isSet, b.b.getI64Type()));
                });
  return b.toIndex(b.extract(count, {}));
}

/// `condition ? body() : otherwise`, at run time.
static SmallVector<Value> branch(LoweringBuilder &b, Value condition, ValueRange otherwise,
                                 llvm::function_ref<SmallVector<Value>()> body) {
  auto op = scf::IfOp::create(b.b, b.loc, otherwise.getTypes(), condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b.b);
  b.b.setInsertionPointToStart(op.elseBlock());
  scf::YieldOp::create(b.b, b.loc, otherwise);
  b.b.setInsertionPointToStart(op.thenBlock());
  scf::YieldOp::create(b.b, b.loc, body());
  return SmallVector<Value>(op.getResults());
}

LogicalResult NonZeroOp::verify() {
  RankedTensorType type = tensorType(getY());
  int64_t rank = tensorType(getX()).getRank();
  if (type.getRank() != 2 || type.getDimSize(0) != rank || !type.getElementType().isInteger(64)) // non_zero C1
    return emitOpError("result expects ") << rank << " rows of i64, but is a " << type;
  return success();
}

FailureOr<SmallVector<Value>> NonZeroOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0];
  int64_t rank = tensorType(x).getRank();
  Type type = b.b.getI64Type();
  Value y = b.empty({b.b.getIndexAttr(rank), countNonZero(b, x)}, type);
  SmallVector<Value> filled =
      b.loops(asValues(b, b.extents(x)), {y, b.index(0)}, [&](ArrayRef<Value> at, ValueRange carried) {
        Value element = b.extract(x, at);
        Value isSet = b.compare("ne", element, b.number(element.getType(), 0));
        return branch(b, isSet, carried, [&] {
          Value places = carried[0], column = carried[1];
          for (int64_t axis = 0; axis < rank; ++axis)
            places = tensor::InsertOp::create(b.b, b.loc, b.fromIndex(at[axis], type), places,
                                              ValueRange{b.index(axis), column});
          return SmallVector<Value>{places, b.add(column, b.index(1))};
        });
      });
  return SmallVector<Value>{filled[0]};
}

//===- compress -----------------------------------------------------------===//

LogicalResult CompressOp::verify() {
  RankedTensorType x = tensorType(getX()), condition = tensorType(getCondition()), y = tensorType(getY());
  int64_t axis = getAxis();
  if (axis < 0 || axis >= x.getRank()) // compress C2
    return emitOpError("axis is ") << axis << ", but the input has " << x.getRank() << " axes";
  int64_t extent = x.getDimSize(axis);
  if (condition.getRank() != 1 || !condition.getElementType().isInteger(1)) // compress C1
    return emitOpError("condition expects a vector of booleans, but is a ") << condition;
  if (!condition.isDynamicDim(0) && !x.isDynamicDim(axis) && condition.getDimSize(0) > extent) // compress C1
    return emitOpError("condition expects at most ") << extent << " booleans, but is a " << condition;
  SmallVector<int64_t> shape(x.getShape());
  shape[axis] = ShapedType::kDynamic;
  if (y.getElementType() != x.getElementType() || failed(verifyCompatibleShape(y.getShape(), shape))) // compress C3
    return emitOpError("result expects ") << x.clone(shape) << ", but is a " << y;
  return success();
}

FailureOr<SmallVector<Value>> CompressOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0], condition = operands[1];
  int64_t axis = getAxis(), extent = tensorType(x).getDimSize(axis);
  RankedTensorType type = tensorType(condition);
  OpFoldResult length = b.extent(condition, 0);
  if (type.isDynamicDim(0) || ShapedType::isDynamic(extent)) {
    length = b.min(b.asValue(length), b.dim(x, axis));
    condition = tensor::ExtractSliceOp::create(b.b, b.loc, condition, Shape{b.b.getIndexAttr(0)}, Shape{length},
                                               Shape{b.b.getIndexAttr(1)});
  }
  Shape shape = b.extents(x);
  shape[axis] = countNonZero(b, condition);
  Value y = b.empty(shape, tensorType(x).getElementType());
  return SmallVector<Value>{b.loop(b.asValue(length), {y, b.index(0)}, [&](Value i, ValueRange carried) {
    Value isKept = b.load(b.extract(condition, i), getElementTypeOrSelf(getCondition()));
    return branch(b, isKept, carried, [&] {
      AxisSlice from(b, x, axis, i), to(b, x, axis, carried[1]);
      Value slice = tensor::ExtractSliceOp::create(b.b, b.loc, x, from.offsets, from.sizes, from.strides);
      Value next = tensor::InsertSliceOp::create(b.b, b.loc, slice, carried[0], to.offsets, to.sizes, to.strides);
      return SmallVector<Value>{next, b.add(carried[1], b.index(1))};
    });
  })[0]};
}
