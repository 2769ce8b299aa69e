//===- Resize.cpp - interpolation on a grid of another size ---------------===//
//
// Interpolation is separable: every resized axis has a table of the places that each result place reads and of their
// weights. The table is made at compile time where extents and scales are known, and by emitted code where they are
// not; both come from the same formulas on `Scalar`. Coordinates follow the standard's formulas for Resize.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/nn/Nn.h"
#include "tegula/dialects/nn/Scalar.h"

using namespace mlir;
using namespace tegula::nn;

using Shape = LoweringBuilder::Shape;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Whether the region of interest on `axis` is the whole axis, or means nothing.
static bool isWholeAxis(ResizeOp op, int64_t axis) {
  int64_t rank = tensorType(op.getX()).getRank();
  if (op.getCoordinate() != "tf_crop_and_resize")
    return true;
  return op.getRoi()[axis] == 0 && op.getRoi()[rank + axis] == 1;
}

/// Whether `axis` is resized at all.
static bool isResized(ResizeOp op, int64_t axis) {
  int64_t from = tensorType(op.getX()).getDimSize(axis), to = tensorType(op.getY()).getDimSize(axis);
  bool isSame = from == to || ShapedType::isDynamic(from) || ShapedType::isDynamic(to);
  return !(isSame && std::abs(op.getScales()[axis] - 1) < 1e-9 && isWholeAxis(op, axis));
}

static LogicalResult verifyWords(ResizeOp op) {
  if (!llvm::is_contained({"nearest", "linear", "cubic"}, op.getMode()))
    return op.emitOpError("has no mode '") << op.getMode() << "'";
  if (!llvm::is_contained({"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
                           "tf_crop_and_resize"},
                          op.getCoordinate()))
    return op.emitOpError("has no coordinate transformation '") << op.getCoordinate() << "'";
  if (!llvm::is_contained({"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}, op.getNearest()))
    return op.emitOpError("has no rounding '") << op.getNearest() << "'";
  return success();
}

static bool isVector(Value value, int64_t length, Type element) {
  return value && tensorType(value) == RankedTensorType::get({length}, element);
}

LogicalResult ResizeOp::verify() {
  RankedTensorType from = tensorType(getX()), to = tensorType(getY());
  int64_t rank = from.getRank();
  Builder b(getContext());
  if (failed(verifyWords(*this)))
    return failure();
  if (to.getRank() != rank || to.getElementType() != from.getElementType())
    return emitOpError("result expects the input's axes and elements, but is ") << to << " of " << from;
  if ((int64_t)getScales().size() != rank) // resize C2
    return emitOpError("expects ") << rank << " scales, but got " << getScales().size();
  bool isRuntime = getExtents() || getFactors();
  if (isRuntime && (!isVector(getExtents(), rank, b.getI64Type()) || !isVector(getFactors(), rank, b.getF64Type())))
    return emitOpError("expects 'extents' and 'factors' as vectors of ") << rank << " elements"; // resize C3
  for (double scale : getScales()) {
    if (!(scale >= 0)) // resize C2
      return emitOpError("expects positive scales, but got ") << scale;
    if (scale == 0 && !isRuntime) // resize C3
      return emitOpError("expects 'factors' for a scale that is not known");
  }
  if (getCoordinate() == "tf_crop_and_resize" && (int64_t)getRoi().size() != 2 * rank)
    return emitOpError("expects ") << 2 * rank << " numbers for the region of interest, but got " << getRoi().size();
  for (int64_t axis = 0; axis < rank; ++axis)
    if (isResized(*this, axis) && from.getDimSize(axis) == 0 && to.getDimSize(axis) != 0) // resize C1
      return emitOpError("axis ") << axis << " has no elements to interpolate";
  return success();
}

//===- tables -------------------------------------------------------------===//

namespace {
/// A resized axis: extents before and after, and the scale of the coordinates.
struct Axis {
  int64_t axis;
  Scalar from, to, scale;
  bool isKnown() const { return from.known && to.known && scale.known; }
};

/// What the places of one result axis read. Nearest mode: `places` [length], -1 outside. Else: `places` and `weights`
/// [length, taps], and `outside` [length] (1 where the extrapolation value goes; null when there is no such place).
struct AxisTable {
  int64_t axis;
  OpFoldResult length;
  Value places, weights, outside;
};

/// The filter that reads around a coordinate: `taps` elements from `start` after the one before it.
struct Filter {
  Scalar stretch, start, taps;
};
} // namespace

/// The place on x's axis, in fractions of elements, that result place `at` shows.
static Scalar sourceCoordinate(ResizeOp op, const Axis &axis, Scalar at) {
  StringRef mode = op.getCoordinate();
  Scalar length = axis.scale * axis.from; // not rounded
  Scalar isOne = Scalar::equal(length, 1), spread = Scalar::select(isOne, 1, length - 1);
  if (mode == "align_corners")
    return Scalar::select(isOne, 0, at * (axis.from - 1) / spread);
  if (mode == "asymmetric")
    return at / axis.scale;
  if (mode == "tf_crop_and_resize") {
    double begin = op.getRoi()[axis.axis], end = op.getRoi()[axis.axis + tensorType(op.getX()).getRank()];
    Scalar last = axis.from - 1;
    return Scalar::select(isOne, (end - begin) * last / 2, at * (end - begin) * last / spread) + begin * last;
  }
  Scalar coordinate = (at + 0.5) / axis.scale - 0.5;
  if (mode == "pytorch_half_pixel")
    return Scalar::select(isOne, -0.5, coordinate);
  if (mode == "half_pixel_symmetric")
    return coordinate + axis.from / 2 * (1 - axis.to / length);
  return coordinate;
}

static Scalar nearestPlace(ResizeOp op, Scalar coordinate) {
  StringRef rounding = op.getNearest();
  if (rounding == "floor")
    return coordinate.floor();
  if (rounding == "ceil")
    return -(-coordinate).floor();
  return rounding == "round_prefer_ceil" ? (coordinate + 0.5).floor() : -(0.5 - coordinate).floor();
}

static Scalar clampPlace(const Axis &axis, Scalar place) { return Scalar::min(Scalar::max(place, 0), axis.from - 1); }

/// 1 where the coordinate is outside of x and extrapolation applies.
static Scalar isOutside(const Axis &axis, Scalar coordinate) {
  return Scalar::either(Scalar::less(coordinate, 0), Scalar::less(axis.from - 1, coordinate));
}

static Filter filterOf(ResizeOp op, const Axis &axis) {
  // Antialiasing widens the filter when x shrinks.
  Scalar stretch = op.getAntialias() ? Scalar::min(axis.scale, 1) : Scalar(1);
  double reach = op.getMode() == "cubic" ? 2 : 1;
  Scalar start = (-reach / stretch).floor() + 1;
  return {stretch, start, 2 - 2 * start};
}

/// Keys, "Cubic convolution interpolation for digital image processing", 1981, and the triangle.
static Scalar kernelAt(ResizeOp op, Scalar distance) {
  Scalar x = distance.abs();
  if (op.getMode() == "linear")
    return Scalar::max(1 - x, 0);
  double a = op.getCubicA().convertToDouble();
  Scalar near = ((a + 2) * x - (a + 3)) * x * x + 1, far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return Scalar::select(Scalar::less(1, x), Scalar::select(Scalar::less(x, 2), far, 0), near);
}

/// The weight of a tap, before normalisation.
static Scalar tapWeight(ResizeOp op, const Axis &axis, const Filter &filter, Scalar coordinate, Scalar tap) {
  Scalar before = coordinate.floor(), offset = filter.start + tap;
  Scalar weight = kernelAt(op, (offset - (coordinate - before)) * filter.stretch);
  if (!op.getExcludeOutside())
    return weight;
  Scalar place = before + offset, isInside = Scalar::less(-1, place) * Scalar::less(place, axis.from);
  return weight * isInside;
}

/// What the weights of a place are divided by.
static Scalar weightSum(ResizeOp op, const Axis &axis, const Filter &filter, Scalar coordinate) {
  if (!op.getAntialias() && !op.getExcludeOutside())
    return 1;
  Scalar sum = Scalar::sum(filter.taps, [&](Scalar tap) { return tapWeight(op, axis, filter, coordinate, tap); });
  return Scalar::select(Scalar::equal(sum, 0), 1, sum);
}

/// A table of `shape` (one or two axes) whose elements are `element(i, k)`, of type `type`.
static Value makeTable(LoweringBuilder &b, ArrayRef<Scalar> shape, Type type, bool isKnown,
                       llvm::function_ref<Scalar(Scalar, Scalar)> element) {
  if (!isKnown) {
    Shape extents;
    for (const Scalar &extent : shape)
      extents.push_back(extent.asExtent(b));
    return b.generate(extents, type, [&](ArrayRef<Value> at) {
      Scalar row(b, at[0]), column = at.size() > 1 ? Scalar(b, at[1]) : Scalar(0);
      return element(row, column).as(b, type);
    });
  }
  SmallVector<int64_t> extents;
  SmallVector<Attribute> values;
  for (const Scalar &extent : shape)
    extents.push_back((int64_t)*extent.known);
  for (int64_t i = 0; i < extents[0]; ++i)
    for (int64_t k = 0; k < (extents.size() > 1 ? extents[1] : 1); ++k) {
      double value = *element((double)i, (double)k).known;
      values.push_back(isa<FloatType>(type) ? Attribute(b.b.getFloatAttr(type, value))
                                            : Attribute(b.b.getIntegerAttr(type, (int64_t)value)));
    }
  return arith::ConstantOp::create(b.b, b.loc, DenseElementsAttr::get(RankedTensorType::get(extents, type), values));
}

static AxisTable nearestTable(LoweringBuilder &b, ResizeOp op, const Axis &axis) {
  bool extrapolates = op.getCoordinate() == "tf_crop_and_resize";
  Value places = makeTable(b, {axis.to}, b.b.getI64Type(), axis.isKnown(), [&](Scalar at, Scalar) {
    Scalar coordinate = sourceCoordinate(op, axis, at), place = clampPlace(axis, nearestPlace(op, coordinate));
    return extrapolates ? Scalar::select(isOutside(axis, coordinate), -1, place) : place;
  });
  return {axis.axis, axis.to.asExtent(b), places, {}, {}};
}

static AxisTable weightTable(LoweringBuilder &b, ResizeOp op, const Axis &axis, Type number) {
  Filter filter = filterOf(op, axis);
  Type i64 = b.b.getI64Type();
  Value places = makeTable(b, {axis.to, filter.taps}, i64, axis.isKnown(), [&](Scalar at, Scalar tap) {
    return clampPlace(axis, sourceCoordinate(op, axis, at).floor() + filter.start + tap);
  });
  Value weights = makeTable(b, {axis.to, filter.taps}, number, axis.isKnown(), [&](Scalar at, Scalar tap) {
    Scalar coordinate = sourceCoordinate(op, axis, at);
    return tapWeight(op, axis, filter, coordinate, tap) / weightSum(op, axis, filter, coordinate);
  });
  Value outside;
  if (op.getCoordinate() == "tf_crop_and_resize")
    outside = makeTable(b, {axis.to}, i64, axis.isKnown(),
                        [&](Scalar at, Scalar) { return isOutside(axis, sourceCoordinate(op, axis, at)); });
  return {axis.axis, axis.to.asExtent(b), places, weights, outside};
}

/// The axis' extents and scale, as far as they are known.
static Axis axisOf(LoweringBuilder &b, ResizeOp op, ValueRange operands, int64_t axis) {
  Value x = operands[0], extents = op.getExtents() ? operands[1] : Value(),
        factors = op.getFactors() ? operands[2] : Value();
  int64_t from = tensorType(op.getX()).getDimSize(axis), to = tensorType(op.getY()).getDimSize(axis);
  Axis result{axis, ShapedType::isDynamic(from) ? Scalar(b, b.dim(x, axis)) : Scalar(from), 0, 0};
  double scale = op.getScales()[axis];
  result.scale = scale == 0 ? Scalar(b, b.extract(factors, {b.index(axis)})) : Scalar(scale);
  if (!ShapedType::isDynamic(to))
    result.to = Scalar(to);
  else
    result.to = extents ? Scalar(b, b.extract(extents, {b.index(axis)})) : (result.from * result.scale).floor();
  return result;
}

//===- lowering -----------------------------------------------------------===//

/// The value that result places outside x get.
static Value extrapolation(LoweringBuilder &b, ResizeOp op, Type number) {
  return b.number(number, op.getExtrapolation().convertToDouble());
}

/// How often nearest mode repeats each element along the axis; 0 when it does not do that. Where the extent is unknown
/// the pattern of a short axis tells, for coordinates that do not depend on the extent.
static int64_t repeats(ResizeOp op, Axis axis) {
  if (!axis.scale.known || *axis.scale.known != std::floor(*axis.scale.known))
    return 0;
  if (!axis.isKnown()) {
    if (!llvm::is_contained({"half_pixel", "asymmetric", "pytorch_half_pixel"}, op.getCoordinate()) || op.getExtents())
      return 0;
    axis.from = 4;
    axis.to = axis.from * axis.scale;
  }
  int64_t extent = *axis.from.known, length = *axis.to.known;
  if (extent == 0 || length % extent != 0)
    return 0;
  int64_t times = length / extent;
  for (int64_t at = 0; at < length; ++at)
    if (*clampPlace(axis, nearestPlace(op, sourceCoordinate(op, axis, (double)at))).known != at / times)
      return 0;
  return times;
}

/// Nearest mode where each element of x is repeated a whole number of times: y seen as [..., extent, times, ...] reads
/// x through an affine map. Null when that is not the case.
static Value repeatElements(LoweringBuilder &b, ResizeOp op, Value x, ArrayRef<Axis> axes) {
  SmallVector<int64_t> times(tensorType(x).getRank(), 1);
  if (op.getCoordinate() == "tf_crop_and_resize")
    return {};
  for (const Axis &axis : axes)
    if (!(times[axis.axis] = repeats(op, axis)))
      return {};
  Shape shape;
  SmallVector<AffineExpr> exprs;
  SmallVector<ReassociationIndices> groups;
  for (auto [axis, count] : llvm::enumerate(times)) {
    groups.push_back({(int64_t)shape.size()});
    exprs.push_back(b.b.getAffineDimExpr(shape.size()));
    shape.push_back(b.extent(x, axis));
    if (count == 1)
      continue;
    groups.back().push_back(shape.size());
    shape.push_back(b.b.getIndexAttr(count));
  }
  AffineMap map = AffineMap::get(shape.size(), 0, exprs, b.b.getContext());
  Value y =
      b.map({x}, {map}, shape, tensorType(x).getElementType(), [](ArrayRef<Value> elements) { return elements[0]; });
  return shape.size() == groups.size() ? y : tensor::CollapseShapeOp::create(b.b, b.loc, y, groups).getResult();
}

/// Nearest mode through one table of places per axis.
static Value pickElements(LoweringBuilder &b, ResizeOp op, Value x, ArrayRef<AxisTable> tables) {
  Shape shape = b.extents(x);
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  bool hasOutside = op.getCoordinate() == "tf_crop_and_resize";
  for (const AxisTable &table : tables) {
    maps.push_back(AffineMap::get(shape.size(), 0, b.b.getAffineDimExpr(table.axis)));
    inputs.push_back(table.places);
    shape[table.axis] = table.length;
  }
  Type element = tensorType(x).getElementType();
  return b.map(inputs, maps, shape, element, [&](ArrayRef<Value> elements) {
    SmallVector<Value> place;
    for (size_t axis = 0; axis < shape.size(); ++axis)
      place.push_back(linalg::IndexOp::create(b.b, b.loc, axis));
    Value zero = b.index(0), isOutside;
    for (auto [i, table] : llvm::enumerate(tables)) {
      Value source = b.toIndex(elements[i]);
      if (hasOutside) {
        Value isHere = b.compare("lt", source, zero);
        isOutside = isOutside ? b.logicalOr(isOutside, isHere) : isHere;
        source = b.max(source, zero);
      }
      place[table.axis] = source;
    }
    Value value = b.extract(x, place);
    return isOutside ? b.select(isOutside, extrapolation(b, op, element), value) : value;
  });
}

/// x interpolated along one axis; elements are converted to `number`.
static Value interpolate(LoweringBuilder &b, Value x, const AxisTable &table, Type number, bool isUnsigned) {
  Shape shape = b.extents(x);
  int64_t rank = shape.size();
  shape[table.axis] = table.length;
  AffineMap tableMap =
      AffineMap::get(rank + 1, 0, {b.b.getAffineDimExpr(table.axis), b.b.getAffineDimExpr(rank)}, b.b.getContext());
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  SmallVector<AffineExpr> result;
  for (int64_t axis = 0; axis < rank; ++axis)
    result.push_back(b.b.getAffineDimExpr(axis));
  return b.generic({table.places, table.weights}, b.fill(b.number(number, 0), shape),
                   {tableMap, tableMap, AffineMap::get(rank + 1, 0, result, b.b.getContext())}, iterators,
                   [&](ArrayRef<Value> elements) {
                     SmallVector<Value> place;
                     for (int64_t axis = 0; axis < rank; ++axis)
                       place.push_back(axis == table.axis ? b.toIndex(elements[0])
                                                          : Value(linalg::IndexOp::create(b.b, b.loc, axis)));
                     Value value = b.cast(b.extract(x, place), number, isUnsigned);
                     return b.add(elements[2], b.mul(value, elements[1]), /*reassoc=*/true);
                   });
}

/// Interpolated numbers as elements of x's type: extrapolated outside; integers are rounded, short ones saturate.
static Value finish(LoweringBuilder &b, ResizeOp op, Value y, ArrayRef<AxisTable> tables) {
  Type number = tensorType(y).getElementType(), nnElement = getElementTypeOrSelf(op.getX());
  Type element = loweredType(nnElement);
  bool isUnsigned = nnElement.isUnsignedInteger();
  int64_t rank = tensorType(y).getRank();
  SmallVector<Value> inputs{y};
  SmallVector<AffineMap> maps{b.b.getMultiDimIdentityMap(rank)};
  for (const AxisTable &table : tables) {
    if (!table.outside)
      continue;
    inputs.push_back(table.outside);
    maps.push_back(AffineMap::get(rank, 0, b.b.getAffineDimExpr(table.axis)));
  }
  if (inputs.size() == 1 && number == element)
    return y;
  return b.map(inputs, maps, b.extents(y), element, [&](ArrayRef<Value> elements) {
    Value value = elements[0];
    for (Value mark : elements.slice(1, inputs.size() - 1))
      value = b.select(b.compare("ne", mark, b.number(mark.getType(), 0)), extrapolation(b, op, number), value);
    if (element.isInteger())
      value = b.math<math::RoundEvenOp>(value);
    if (element.isInteger() && element.getIntOrFloatBitWidth() <= 16) {
      double range = std::ldexp(1.0, element.getIntOrFloatBitWidth() - (isUnsigned ? 0 : 1));
      value = b.quickMin(b.quickMax(value, b.number(number, isUnsigned ? 0 : -range)), b.number(number, range - 1));
    }
    return b.cast(value, element, /*fromUnsigned=*/false, isUnsigned);
  });
}

FailureOr<SmallVector<Value>> ResizeOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0];
  Type element = tensorType(x).getElementType();
  SmallVector<Axis> axes;
  for (int64_t axis = 0; axis < tensorType(x).getRank(); ++axis)
    if (isResized(*this, axis))
      axes.push_back(axisOf(b, *this, operands, axis));
  if (axes.empty())
    return SmallVector<Value>{x};
  SmallVector<AxisTable> tables;
  if (getMode() == "nearest") {
    if (Value y = repeatElements(b, *this, x, axes))
      return SmallVector<Value>{y};
    for (const Axis &axis : axes)
      tables.push_back(nearestTable(b, *this, axis));
    return SmallVector<Value>{pickElements(b, *this, x, tables)};
  }
  Type number = isa<FloatType>(element) && element.getIntOrFloatBitWidth() >= 32 ? element : b.b.getF32Type();
  // Axes that shrink first: later ones then have less to do.
  llvm::sort(axes, [](const Axis &one, const Axis &other) {
    return std::make_pair(one.scale.known.value_or(1), one.axis) <
           std::make_pair(other.scale.known.value_or(1), other.axis);
  });
  bool isUnsigned = getElementTypeOrSelf(getX()).isUnsignedInteger();
  Value y = x;
  for (const Axis &axis : axes) {
    tables.push_back(weightTable(b, *this, axis, number));
    y = interpolate(b, y, tables.back(), number, isUnsigned);
  }
  return SmallVector<Value>{finish(b, *this, y, tables)};
}
