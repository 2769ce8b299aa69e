//===- Pool.cpp - windows over spatial axes -------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

using Exprs = SmallVector<AffineExpr>;
using Shape = LoweringBuilder::Shape;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

namespace {
/// The windows along one spatial axis.
struct Window {
  int64_t kernel, stride, dilation, low, high;
  bool ceil;
  int64_t reach() const { return (kernel - 1) * dilation + 1; }

  /// Whether the padded axis may be shorter than a window though x has elements, by less than a stride.
  bool mayBeShort() const { return stride > 1 && low + high + 1 < reach(); }
  /// By how much the last window may leave the padded axis.
  int64_t overhang() const { return ceil || mayBeShort() ? stride - 1 : 0; }

  /// How many windows an axis of `extent` elements has, as in the standard: with `ceil` the last one may leave the
  /// padded axis, but has to start inside x or its low pad. A padded axis shorter than a window by less than a stride
  /// has one of those without `ceil` too: the standard's formula says none, but ONNX's shape inference and ONNX Runtime
  /// divide towards 0.
  int64_t count(int64_t extent) const {
    int64_t room = std::max(low + extent + high - reach(), -stride);
    bool isUp = ceil || (mayBeShort() && room < 0);
    int64_t steps = llvm::divideFloorSigned(room + (isUp ? stride - 1 : 0), stride);
    return isUp && steps * stride >= low + extent ? steps : steps + 1;
  }
  Value count(LoweringBuilder &b, Value extent) const {
    Value zero = b.index(0), one = b.index(1), width = b.index(stride);
    Value room = b.max(b.add(extent, b.index(low + high - reach())), b.index(-stride));
    Value up = b.add(room, b.index(overhang()));
    if (!ceil && mayBeShort())
      up = b.select(b.compare("lt", room, zero), up, room);
    Value steps = arith::FloorDivSIOp::create(b.b, b.loc, up, width);
    Value windows = b.add(steps, one);
    if (ceil || mayBeShort()) {
      Value isOutside = b.compare("ge", b.mul(steps, width), b.add(extent, b.index(low)));
      windows = b.select(isOutside, steps, windows);
    }
    return b.max(windows, zero);
  }
  /// Elements that the windows may touch, pads included.
  int64_t padded(int64_t extent) const { return std::max(low + extent + high, (count(extent) - 1) * stride + reach()); }
};

/// The windows of a whole op. One entry per spatial axis, the first of which is axis `first` of x.
struct Windows {
  template <typename Op> Windows(Op op, int64_t first) : first(first) {
    for (size_t i = 0; i < op.getKernel().size(); ++i)
      axes.push_back(
          {op.getKernel()[i], op.getStrides()[i], op.getDilations()[i], op.getLow()[i], op.getHigh()[i], op.getCeil()});
  }

  OpFoldResult count(LoweringBuilder &b, Value x, size_t i) const {
    OpFoldResult extent = b.extent(x, first + i);
    if (auto known = getConstantIntValue(extent))
      return b.b.getIndexAttr(axes[i].count(*known));
    return axes[i].count(b, b.asValue(extent));
  }
  /// The extents of the result.
  Shape shape(LoweringBuilder &b, Value x) const {
    Shape result = b.extents(x);
    for (size_t i = 0; i < axes.size(); ++i)
      result[first + i] = count(b, x, i);
    return result;
  }
  Shape kernel(LoweringBuilder &b) const {
    Shape result;
    for (const Window &axis : axes)
      result.push_back(b.b.getIndexAttr(axis.kernel));
    return result;
  }

  SmallVector<Window> axes;
  int64_t first;
};
} // namespace

/// Checks the windows' attributes and infers the result's shape.
template <typename Adaptor>
static LogicalResult inferWindows(std::optional<Location> location, Adaptor adaptor, int64_t first,
                                  SmallVectorImpl<int64_t> &shape) {
  auto type = cast<RankedTensorType>(adaptor.getX().getType());
  int64_t spatial = type.getRank() - 2;
  if (spatial < 0)
    return emitOptionalError(location, "expects an input with at least 2 axes, but got ", type.getRank());
  std::pair<StringRef, ArrayRef<int64_t>> lists[] = {{"kernel", adaptor.getKernel()},
                                                     {"strides", adaptor.getStrides()},
                                                     {"dilations", adaptor.getDilations()},
                                                     {"low pads", adaptor.getLow()},
                                                     {"high pads", adaptor.getHigh()}};
  for (auto [i, list] : llvm::enumerate(lists)) {
    auto [name, values] = list;
    if ((int64_t)values.size() != spatial) // pool C1
      return emitOptionalError(location, name, " expects ", spatial, " numbers, one per spatial axis, but got ",
                               values.size());
    int64_t least = i < 3 ? 1 : 0;
    for (int64_t value : values)
      if (value < least) // pool C1
        return emitOptionalError(location, name, " expects numbers from ", least, ", but got ", value);
  }
  llvm::append_range(shape, type.getShape());
  Windows windows(adaptor, first);
  for (auto [i, axis] : llvm::enumerate(windows.axes)) {
    int64_t &extent = shape[first + i];
    if (ShapedType::isDynamic(extent))
      continue;
    int64_t padded = axis.low + extent + axis.high;
    if (padded < axis.reach() && axis.count(extent) == 0) // pool C2
      return emitOptionalError(location, "the kernel covers ", axis.reach(), " elements of spatial axis ", i,
                               ", but the padded input has ", padded);
    extent = axis.count(extent);
  }
  return success();
}

/// x inside a tensor of `border` that holds every window.
static Value padWindows(LoweringBuilder &b, Value x, const Windows &windows, Value border) {
  Shape sizes = b.extents(x), before(sizes.size(), b.b.getIndexAttr(0)), after = before;
  bool isPadded = false;
  for (auto [i, axis] : llvm::enumerate(windows.axes)) {
    int64_t at = windows.first + i, margin = axis.low + axis.high + axis.overhang();
    if (auto known = getConstantIntValue(sizes[at]))
      margin = axis.padded(*known) - *known;
    before[at] = b.b.getIndexAttr(axis.low);
    after[at] = b.b.getIndexAttr(margin - axis.low);
    isPadded |= margin != 0;
  }
  return isPadded ? b.surround(x, border, before, after) : x;
}

namespace {
/// The loops of a pool: x's axes with the places of windows for the spatial ones, then the windows' axes.
struct PoolLoops {
  PoolLoops(LoweringBuilder &b, const Windows &windows, int64_t rank) : parallel(rank) {
    int64_t spatial = windows.axes.size();
    total = rank + spatial;
    iterators.assign(rank, utils::IteratorType::parallel);
    iterators.append(spatial, utils::IteratorType::reduction);
    Exprs input, window, result;
    for (int64_t axis = 0; axis < rank; ++axis)
      result.push_back(b.b.getAffineDimExpr(axis));
    input = result;
    for (auto [i, axis] : llvm::enumerate(windows.axes)) {
      window.push_back(b.b.getAffineDimExpr(rank + i));
      input[windows.first + i] = input[windows.first + i] * axis.stride + window.back() * axis.dilation;
    }
    x = AffineMap::get(total, 0, input, b.b.getContext());
    k = AffineMap::get(total, 0, window, b.b.getContext());
    y = AffineMap::get(total, 0, result, b.b.getContext());
  }
  int64_t parallel, total;
  AffineMap x, k, y;
  SmallVector<utils::IteratorType> iterators;
};
} // namespace

/// Folds the windows of the padded x from `start`. The body gets an element of x and the value so far.
static Value reduceWindows(LoweringBuilder &b, Value padded, const Windows &windows, ArrayRef<OpFoldResult> shape,
                           Value start, llvm::function_ref<Value(Value, Value)> body) {
  PoolLoops loops(b, windows, shape.size());
  Value kernel = b.empty(windows.kernel(b), b.b.getI8Type()); // lends its shape only
  return b.generic({padded, kernel}, b.fill(start, shape), {loops.x, loops.k, loops.y}, loops.iterators,
                   [&](ArrayRef<Value> elements) { return body(elements[0], elements[2]); });
}

static Value poolMax(LoweringBuilder &b, Value x, const Windows &windows, bool isUnsigned) {
  Shape shape = windows.shape(b, x);
  Value lowest = b.extreme(tensorType(x).getElementType(), /*largest=*/false, isUnsigned);
  Value padded = padWindows(b, x, windows, lowest);
  return reduceWindows(b, padded, windows, shape, lowest,
                       [&](Value element, Value best) { return b.quickMax(element, best, isUnsigned); });
}

//===- pool ---------------------------------------------------------------===//

LogicalResult PoolOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, PoolOp::Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  auto type = cast<RankedTensorType>(adaptor.getX().getType());
  if (!llvm::is_contained({"max", "average", "sum"}, adaptor.getKind()))
    return emitOptionalError(location, "has no kind '", adaptor.getKind(), "'");
  bool isLast = adaptor.getLayout() == "channels_last";
  if (!isLast && adaptor.getLayout() != "channels_first")
    return emitOptionalError(location, "has no layout '", adaptor.getLayout(), "'");
  SmallVector<int64_t> shape;
  if (failed(inferWindows(location, adaptor, isLast ? 1 : 2, shape)))
    return failure();
  types.push_back(type.clone(shape));
  return success();
}

/// How many elements of the window at place `at` count in an average: those in [begin, end) of the padded axis.
static int64_t countedElements(const Window &axis, int64_t at, int64_t begin, int64_t end) {
  int64_t count = 0;
  for (int64_t k = 0; k < axis.kernel; ++k) {
    int64_t place = at * axis.stride + k * axis.dilation;
    count += place >= begin && place < end;
  }
  return count;
}

/// The same at run time, as a vector over all places: places `at * stride + k * dilation`, k in [first, last).
static Value countedElements(LoweringBuilder &b, const Window &axis, OpFoldResult places, Value begin, Value end,
                             Type number) {
  Value zero = b.index(0), one = b.index(1), kernel = b.index(axis.kernel), dilation = b.index(axis.dilation);
  return b.generate({places}, number, [&](ArrayRef<Value> indices) {
    Value start = b.mul(indices[0], b.index(axis.stride));
    auto before = [&](Value limit) { // window elements below the limit
      Value steps = arith::FloorDivSIOp::create(b.b, b.loc, b.sub(b.sub(limit, start), one), dilation);
      return b.clampIndex(b.add(steps, one), zero, kernel);
    };
    return b.fromIndex(b.max(b.sub(before(end), before(begin)), one), number);
  });
}

/// The divisors of an average along spatial axis `i`: null where every window has all its elements.
static Value axisDivisors(LoweringBuilder &b, PoolOp op, Value x, const Windows &windows, size_t i, Type number) {
  const Window &axis = windows.axes[i];
  OpFoldResult extent = b.extent(x, windows.first + i), places = windows.count(b, x, i);
  int64_t begin = op.getCountIncludePad() ? 0 : axis.low,
          above = op.getCountIncludePad() ? axis.low + axis.high : axis.low;
  auto known = getConstantIntValue(extent);
  if (!known) {
    bool isWhole = axis.overhang() == 0 && (op.getCountIncludePad() || (axis.low == 0 && axis.high == 0));
    if (isWhole)
      return {};
    return countedElements(b, axis, places, b.index(begin), b.add(b.asValue(extent), b.index(above)), number);
  }
  SmallVector<int64_t> counts;
  for (int64_t at = 0; at < *getConstantIntValue(places); ++at)
    counts.push_back(std::max<int64_t>(countedElements(axis, at, begin, *known + above), 1));
  if (llvm::all_of(counts, [&](int64_t count) { return count == axis.kernel; }))
    return {};
  auto type = RankedTensorType::get({(int64_t)counts.size()}, number);
  SmallVector<Attribute> values;
  for (int64_t count : counts)
    values.push_back(isa<FloatType>(number) ? Attribute(b.b.getFloatAttr(number, (double)count))
                                            : Attribute(b.b.getIntegerAttr(number, count)));
  return arith::ConstantOp::create(b.b, b.loc, DenseElementsAttr::get(type, values));
}

FailureOr<SmallVector<Value>> PoolOp::lower(LoweringBuilder &b, ValueRange operands) {
  Value x = operands[0];
  Type element = tensorType(x).getElementType();
  bool isUnsigned = getElementTypeOrSelf(getX()).isUnsignedInteger(), isAverage = getKind() == "average";
  Windows windows(*this, isChannelsLast() ? 1 : 2);
  if (getKind() == "max")
    return SmallVector<Value>{poolMax(b, x, windows, isUnsigned)};
  // Short numbers lose their last bits, or overflow, in sums.
  Type number = element;
  if (element.getIntOrFloatBitWidth() < 32)
    number = isa<FloatType>(element) ? Type(b.b.getF32Type()) : b.b.getI32Type();
  Shape shape = windows.shape(b, x);
  Value padded = padWindows(b, x, windows, b.number(element, 0));
  Value sum = reduceWindows(b, padded, windows, shape, b.number(number, 0), [&](Value value, Value soFar) {
    return b.add(soFar, b.cast(value, number, isUnsigned), /*reassoc=*/true);
  });
  if (!isAverage && number == element)
    return SmallVector<Value>{sum};
  double whole = 1;
  SmallVector<Value> inputs{sum};
  SmallVector<AffineMap> maps{b.b.getMultiDimIdentityMap(shape.size())};
  for (size_t i = 0; isAverage && i < windows.axes.size(); ++i) {
    Value divisors = axisDivisors(b, *this, x, windows, i, number);
    if (!divisors) {
      whole *= windows.axes[i].kernel;
      continue;
    }
    inputs.push_back(divisors);
    maps.push_back(AffineMap::get(shape.size(), 0, b.b.getAffineDimExpr(windows.first + i)));
  }
  return SmallVector<Value>{b.map(inputs, maps, shape, element, [&](ArrayRef<Value> elements) {
    Value divisor;
    if (isAverage)
      divisor = b.number(number, whole);
    for (Value count : elements.slice(1, inputs.size() - 1))
      divisor = b.mul(divisor, count);
    Value value = divisor ? b.div(elements[0], divisor, isUnsigned) : elements[0];
    return b.cast(value, element);
  })};
}

//===- max_pool_indices ---------------------------------------------------===//

LogicalResult MaxPoolIndicesOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                                 MaxPoolIndicesOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  SmallVector<int64_t> shape;
  if (failed(inferWindows(location, adaptor, 2, shape))) // max_pool_indices C1
    return failure();
  types.push_back(RankedTensorType::get(shape, IntegerType::get(context, 64)));
  return success();
}

/// The place of an element in an image stored by rows, or by columns.
static Value flatPlace(LoweringBuilder &b, ArrayRef<Value> place, ArrayRef<Value> extents, bool byColumns) {
  Value flat;
  for (size_t i = 0; i < place.size(); ++i) {
    size_t axis = byColumns ? place.size() - 1 - i : i;
    flat = flat ? b.add(b.mul(flat, extents[axis]), place[axis]) : place[axis];
  }
  return flat ? flat : b.index(0);
}

/// The place by rows as a place by columns.
static Value toColumns(LoweringBuilder &b, Value flat, ArrayRef<Value> extents) {
  SmallVector<Value> place(extents.size());
  for (size_t axis = extents.size(); axis-- > 0;) {
    place[axis] = arith::RemUIOp::create(b.b, b.loc, flat, extents[axis]);
    flat = arith::DivUIOp::create(b.b, b.loc, flat, extents[axis]);
  }
  return flatPlace(b, place, extents, /*byColumns=*/true);
}

FailureOr<SmallVector<Value>> MaxPoolIndicesOp::lower(LoweringBuilder &b, ValueRange operands) {
  // The maxima first; then, of the places by rows that hold a window's maximum, the lowest.
  Value x = operands[0];
  Windows windows(*this, 2);
  bool isUnsigned = getElementTypeOrSelf(getX()).isUnsignedInteger();
  Value best = poolMax(b, x, windows, isUnsigned);
  Value padded = padWindows(b, x, windows, b.extreme(tensorType(x).getElementType(), false, isUnsigned));
  int64_t rank = tensorType(x).getRank(), spatial = windows.axes.size();
  SmallVector<Value> extents;
  for (int64_t i = 0; i < spatial; ++i)
    extents.push_back(b.dim(x, i + 2));
  PoolLoops loops(b, windows, rank);
  Shape shape = windows.shape(b, x);
  Type type = b.b.getI64Type();
  Value none = b.integer(type, INT64_MAX);
  auto loop = [&](int64_t i) { return Value(linalg::IndexOp::create(b.b, b.loc, i)); };
  Value kernel = b.empty(windows.kernel(b), b.b.getI8Type());
  Value first =
      b.generic({padded, kernel, best}, b.fill(none, shape), {loops.x, loops.k, loops.y, loops.y}, loops.iterators,
                [&](ArrayRef<Value> elements) {
                  Value isFound = b.compare("eq", elements[0], elements[2]);
                  SmallVector<Value> place;
                  for (auto [i, axis] : llvm::enumerate(windows.axes)) {
                    Value at =
                        b.add(b.mul(loop(i + 2), b.index(axis.stride)), b.mul(loop(rank + i), b.index(axis.dilation)));
                    place.push_back(b.sub(at, b.index(axis.low)));
                    // One comparison: below 0 is a large unsigned number.
                    isFound = b.logicalAnd(isFound, b.compare("lt", place.back(), extents[i], /*isUnsigned=*/true));
                  }
                  Value flat = b.fromIndex(flatPlace(b, place, extents, /*byColumns=*/false), type);
                  return b.min(elements[3], b.select(isFound, flat, none));
                });
  Value image = b.index(1), channels = b.dim(x, 1);
  for (Value extent : extents)
    image = b.mul(image, extent);
  return SmallVector<Value>{
      b.map({first}, {b.b.getMultiDimIdentityMap(rank)}, shape, type, [&](ArrayRef<Value> elements) {
        Value flat = b.toIndex(elements[0]);
        if (getColumnMajor())
          flat = toColumns(b, flat, extents);
        Value before = b.add(b.mul(loop(0), channels), loop(1));
        return b.fromIndex(b.add(b.mul(before, image), flat), type);
      })};
}
