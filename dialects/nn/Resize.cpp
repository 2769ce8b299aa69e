//===- Resize.cpp - interpolation on a grid of another size ---------------===//
//
// Interpolation is separable: every resized axis has a table, made at compile time, of the places that each result
// place reads and of their weights. Coordinates follow the standard's formulas for Resize.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/nn/Nn.h"
#include <cmath>

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

LogicalResult ResizeOp::verify() {
  RankedTensorType from = tensorType(getX()), to = tensorType(getY());
  int64_t rank = from.getRank();
  if (!llvm::is_contained({"nearest", "linear", "cubic"}, getMode()))
    return emitOpError("has no mode '") << getMode() << "'";
  if (!llvm::is_contained({"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
                           "tf_crop_and_resize"},
                          getCoordinate()))
    return emitOpError("has no coordinate transformation '") << getCoordinate() << "'";
  if (!llvm::is_contained({"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}, getNearest()))
    return emitOpError("has no rounding '") << getNearest() << "'";
  if (to.getRank() != rank || to.getElementType() != from.getElementType())
    return emitOpError("result expects the input's axes and elements, but is ") << to << " of " << from;
  if ((int64_t)getScales().size() != rank) // resize C2
    return emitOpError("expects ") << rank << " scales, but got " << getScales().size();
  for (double scale : getScales())
    if (!(scale > 0)) // resize C2
      return emitOpError("expects positive scales, but got ") << scale;
  if (getCoordinate() == "tf_crop_and_resize" && (int64_t)getRoi().size() != 2 * rank)
    return emitOpError("expects ") << 2 * rank << " numbers for the region of interest, but got " << getRoi().size();
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (!isResized(*this, axis))
      continue;
    if (from.isDynamicDim(axis) || to.isDynamicDim(axis)) // resize C1
      return emitOpError("axis ") << axis << " is resized and expects known extents";
    if (from.getDimSize(axis) == 0 && to.getDimSize(axis) != 0) // resize C1
      return emitOpError("axis ") << axis << " has no elements to interpolate";
  }
  return success();
}

//===- tables -------------------------------------------------------------===//

namespace {
/// What the places of one result axis read: `taps` places of x and as many weights each. `isOutside` marks those that
/// get the extrapolation value.
struct AxisTable {
  int64_t axis, taps;
  SmallVector<int64_t> places;
  SmallVector<double> weights;
  SmallVector<bool> isOutside;
};
} // namespace

/// The place on x's axis, in fractions of elements, that result place `at` shows.
static double sourceCoordinate(ResizeOp op, int64_t axis, int64_t at) {
  StringRef mode = op.getCoordinate();
  double scale = op.getScales()[axis], extent = tensorType(op.getX()).getDimSize(axis);
  double length = scale * extent; // not rounded
  if (mode == "align_corners")
    return length == 1 ? 0 : at * (extent - 1) / (length - 1);
  if (mode == "asymmetric")
    return at / scale;
  if (mode == "tf_crop_and_resize") {
    double begin = op.getRoi()[axis], end = op.getRoi()[axis + tensorType(op.getX()).getRank()];
    double within = length == 1 ? (end - begin) * (extent - 1) / 2 : at * (end - begin) * (extent - 1) / (length - 1);
    return within + begin * (extent - 1);
  }
  if (mode == "pytorch_half_pixel" && length == 1)
    return -0.5;
  double coordinate = (at + 0.5) / scale - 0.5;
  if (mode == "half_pixel_symmetric") {
    double adjustment = tensorType(op.getY()).getDimSize(axis) / length;
    coordinate += extent / 2 * (1 - adjustment);
  }
  return coordinate;
}

static double cubicWeight(double distance, double a) {
  double x = std::abs(distance);
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/// Weights of the taps for a coordinate `ratio` (in (0, 1]) beyond the element before it.
static SmallVector<double> tapWeights(ResizeOp op, int64_t axis, double ratio) {
  StringRef nearest = op.getNearest();
  if (op.getMode() == "nearest") {
    bool takesNext = ratio == 1 || nearest == "ceil" || (nearest == "round_prefer_floor" && ratio > 0.5) ||
                     (nearest == "round_prefer_ceil" && ratio >= 0.5);
    return {takesNext ? 0.0 : 1.0, takesNext ? 1.0 : 0.0};
  }
  // Antialiasing widens the filter when x shrinks.
  double stretch = op.getAntialias() ? std::min(op.getScales()[axis], 1.0) : 1.0, a = op.getCubicA().convertToDouble();
  bool isCubic = op.getMode() == "cubic";
  int64_t start = (int64_t)std::floor((isCubic ? -2 : -1) / stretch) + 1;
  SmallVector<double> weights;
  double sum = 0;
  for (int64_t tap = start; tap < 2 - start; ++tap) {
    double distance = (tap - ratio) * stretch;
    weights.push_back(isCubic ? cubicWeight(distance, a) : std::max(0.0, 1 - std::abs(distance)));
    sum += weights.back();
  }
  if (op.getAntialias())
    for (double &weight : weights)
      weight /= sum;
  return weights;
}

static AxisTable makeTable(ResizeOp op, int64_t axis) {
  AxisTable table{axis, 0, {}, {}, {}};
  int64_t extent = tensorType(op.getX()).getDimSize(axis);
  for (int64_t at = 0; at < tensorType(op.getY()).getDimSize(axis); ++at) {
    double coordinate = sourceCoordinate(op, axis, at), before = std::floor(coordinate);
    bool isExact = before == coordinate;
    SmallVector<double> weights = tapWeights(op, axis, isExact ? 1 : coordinate - before);
    table.taps = weights.size();
    int64_t first = (int64_t)before - table.taps / 2 + (isExact ? 0 : 1);
    double inside = 0;
    for (int64_t tap = 0; tap < table.taps; ++tap) {
      bool isInside = first + tap >= 0 && first + tap < extent;
      if (op.getExcludeOutside() && !isInside)
        weights[tap] = 0;
      inside += weights[tap];
      table.places.push_back(std::min(std::max<int64_t>(first + tap, 0), extent - 1));
    }
    for (double weight : weights)
      table.weights.push_back(op.getExcludeOutside() && inside != 0 ? weight / inside : weight);
    table.isOutside.push_back(op.getCoordinate() == "tf_crop_and_resize" &&
                              (coordinate < 0 || coordinate > extent - 1));
  }
  return table;
}

/// For nearest mode: the one place that each result place reads; -1 outside.
static SmallVector<int64_t> nearestPlaces(const AxisTable &table) {
  SmallVector<int64_t> places;
  for (size_t at = 0; at < table.isOutside.size(); ++at)
    places.push_back(table.isOutside[at] ? -1 : table.places[at * 2 + (table.weights[at * 2] == 0 ? 1 : 0)]);
  return places;
}

//===- lowering -----------------------------------------------------------===//

static Value constantTable(LoweringBuilder &b, ArrayRef<int64_t> shape, ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get(shape, b.b.getI64Type());
  return arith::ConstantOp::create(b.b, b.loc, DenseElementsAttr::get(type, values));
}
static Value constantTable(LoweringBuilder &b, ArrayRef<int64_t> shape, ArrayRef<double> values, Type number) {
  SmallVector<Attribute> elements;
  for (double value : values)
    elements.push_back(b.b.getFloatAttr(number, value));
  return arith::ConstantOp::create(b.b, b.loc, DenseElementsAttr::get(RankedTensorType::get(shape, number), elements));
}

/// The value that result places outside x get.
static Value extrapolation(LoweringBuilder &b, ResizeOp op, Type number) {
  return b.number(number, op.getExtrapolation().convertToDouble());
}

/// Nearest mode where each element of x is repeated a whole number of times: y seen as [..., extent, times, ...] reads
/// x through an affine map. Null when that is not the case.
static Value repeatElements(LoweringBuilder &b, Value x, ArrayRef<AxisTable> tables) {
  SmallVector<int64_t> times(tensorType(x).getRank(), 1);
  for (const AxisTable &table : tables) {
    SmallVector<int64_t> places = nearestPlaces(table);
    int64_t extent = tensorType(x).getDimSize(table.axis), length = places.size();
    if (extent == 0 || length % extent != 0)
      return {};
    times[table.axis] = length / extent;
    for (int64_t at = 0; at < length; ++at)
      if (places[at] != at / times[table.axis])
        return {};
  }
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
  bool hasOutside = false;
  for (const AxisTable &table : tables) {
    SmallVector<int64_t> places = nearestPlaces(table);
    hasOutside |= llvm::is_contained(places, -1);
    int64_t length = places.size();
    maps.push_back(AffineMap::get(shape.size(), 0, b.b.getAffineDimExpr(table.axis)));
    inputs.push_back(constantTable(b, {length}, places));
    shape[table.axis] = b.b.getIndexAttr(length);
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
  int64_t rank = shape.size(), length = table.isOutside.size();
  shape[table.axis] = b.b.getIndexAttr(length);
  AffineMap tableMap =
      AffineMap::get(rank + 1, 0, {b.b.getAffineDimExpr(table.axis), b.b.getAffineDimExpr(rank)}, b.b.getContext());
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  SmallVector<AffineExpr> result;
  for (int64_t axis = 0; axis < rank; ++axis)
    result.push_back(b.b.getAffineDimExpr(axis));
  Value places = constantTable(b, {length, table.taps}, table.places);
  Value weights = constantTable(b, {length, table.taps}, table.weights, number);
  return b.generic({places, weights}, b.fill(b.number(number, 0), shape),
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
    if (!llvm::is_contained(table.isOutside, true))
      continue;
    SmallVector<int64_t> marks(table.isOutside.begin(), table.isOutside.end());
    inputs.push_back(constantTable(b, {(int64_t)marks.size()}, marks));
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
  SmallVector<AxisTable> tables;
  for (int64_t axis = 0; axis < tensorType(x).getRank(); ++axis)
    if (isResized(*this, axis))
      tables.push_back(makeTable(*this, axis));
  if (tables.empty())
    return SmallVector<Value>{x};
  if (getMode() == "nearest") {
    Value y = repeatElements(b, x, tables);
    return SmallVector<Value>{y ? y : pickElements(b, *this, x, tables)};
  }
  Type number = isa<FloatType>(element) && element.getIntOrFloatBitWidth() >= 32 ? element : b.b.getF32Type();
  // Axes that shrink first: later ones then have less to do.
  llvm::sort(tables, [&](const AxisTable &one, const AxisTable &other) {
    return std::make_pair(getScales()[one.axis], one.axis) < std::make_pair(getScales()[other.axis], other.axis);
  });
  bool isUnsigned = getElementTypeOrSelf(getX()).isUnsignedInteger();
  Value y = x;
  for (const AxisTable &table : tables)
    y = interpolate(b, y, table, number, isUnsigned);
  return SmallVector<Value>{finish(b, *this, y, tables)};
}
