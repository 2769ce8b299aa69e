//===- Resize.cpp - rows of interpolation --------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

#include <cmath>

using namespace mlir;

namespace tegula {

namespace {
/// What a Resize node asks for: scales or sizes of `axes`, as constants where they are known and as tensors.
struct Request {
  std::optional<SmallVector<double>> scales;
  std::optional<Ints> sizes;
  Value runtimeScales, runtimeSizes;
  std::string coordinate, nearest;
};

/// Scales and extents for all axes.
struct Grid {
  SmallVector<double> scales; // 0: known at run time only
  Ints shape;
};
} // namespace

static bool isDynamic(int64_t extent) { return ShapedType::isDynamic(extent); }

/// From scales and sizes that are constants.
static Grid constantGrid(Node &n, const Request &request, ArrayRef<int64_t> axes, StringRef policy) {
  ArrayRef<int64_t> from = n.shapeOf(n.in(0));
  Grid grid{SmallVector<double>(from.size(), 1.0), Ints(from)};
  double common = policy == "not_larger" ? INFINITY : 0;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    if (request.scales) {
      grid.scales[axis] = (*request.scales)[i];
      if (!isDynamic(from[axis]))
        grid.shape[axis] = (int64_t)std::floor(std::min(from[axis] * (double)(float)grid.scales[axis], 0x1p40));
    } else {
      grid.scales[axis] = isDynamic(from[axis]) ? 0 : (double)(*request.sizes)[i] / from[axis];
      grid.shape[axis] = (*request.sizes)[i];
    }
    common = policy == "not_larger" ? std::min(common, grid.scales[axis]) : std::max(common, grid.scales[axis]);
  }
  if (request.sizes && policy != "stretch")
    for (int64_t axis : axes) {
      grid.scales[axis] = common;
      grid.shape[axis] = (int64_t)std::floor(from[axis] * common + 0.5);
    }
  return grid;
}

/// `part` (one element per entry of `axes`) spread over all axes, the others from `rest`.
static Value overAxes(Node &n, Value part, ArrayRef<int64_t> axes, Value rest) {
  SmallVector<Value> elements;
  for (int64_t axis = 0; axis < n.shapeOf(rest)[0]; ++axis) {
    const auto *found = llvm::find(axes, axis);
    elements.push_back(found == axes.end() ? n.slice(rest, 0, axis, 1) : n.slice(part, 0, found - axes.begin(), 1));
  }
  return n.concat(elements, 0);
}

/// The operands `extents` and `factors` of nn.resize, computed at run time.
static std::pair<Value, Value> runtimeGrid(Node &n, const Request &request, ArrayRef<int64_t> axes, StringRef policy) {
  Type f64 = n.b.getF64Type(), i64 = n.b.getI64Type();
  Value shape = n.shape(n.in(0)), from = n.cast(shape, f64), ones = n.binary("div", from, from);
  if (!request.runtimeSizes) {
    Value factors = overAxes(n, n.cast(request.runtimeScales, f64), axes, ones);
    return {n.cast(n.unary("floor", n.binary("mul", from, factors)), i64), factors};
  }
  Value extents = overAxes(n, n.cast(request.runtimeSizes, i64), axes, shape);
  Value factors = n.binary("div", n.cast(extents, f64), from);
  if (policy == "stretch")
    return {extents, factors};
  Value chosen = n.make<nn::GatherOp>({factors, n.ints(axes)}, n.attr("axis", (int64_t)0));
  Value common = n.reduce(policy == "not_larger" ? "min" : "max", chosen, {0}, true);
  factors =
      overAxes(n, n.finish("nn.expand", common, RankedTensorType::get({(int64_t)axes.size()}, f64), {}), axes, ones);
  return {n.cast(n.unary("floor", n.binary("add", n.binary("mul", from, factors), n.number(f64, 0.5))), i64), factors};
}

/// The region of interest for all axes; empty where it means nothing.
static FailureOr<SmallVector<double>> regionOf(Node &n, StringRef coordinate, ArrayRef<int64_t> axes) {
  SmallVector<double> roi;
  if (coordinate != "tf_crop_and_resize")
    return roi;
  int64_t rank = n.rankOf(n.in(0));
  auto given = n.constFloats(n.in(1));
  if (!given || given->size() != 2 * axes.size())
    return n.refuse("T0102", "the region of interest must be constant");
  roi.assign(2 * rank, 0.0);
  std::fill(roi.begin() + rank, roi.end(), 1.0);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    roi[axis] = (*given)[i];
    roi[rank + axis] = (*given)[i + axes.size()];
  }
  return roi;
}

/// Bounds what a shape computed from scales may hold.
static LogicalResult checkGrid(Node &n, const Grid &grid) {
  for (auto [from, to] : llvm::zip(n.shapeOf(n.in(0)), grid.shape))
    if (!isDynamic(to) && !isDynamic(from) && from > 0 && (to < 1 || to > (int64_t(1) << 36)))
      return n.refuse("T0202", "an axis of " + Twine(from) + " elements would be resized to " + Twine(to));
  return success();
}

static LogicalResult checkLengths(Node &n, const Request &request, size_t axes) {
  auto fits = [&](Value vector) { return !vector || (n.rankOf(vector) == 1 && n.shapeOf(vector)[0] == (int64_t)axes); };
  if ((request.scales && request.scales->size() != axes) || (request.sizes && request.sizes->size() != axes) ||
      !fits(request.runtimeScales) || !fits(request.runtimeSizes))
    return n.refuse("T0201", "scales or sizes do not have one entry per axis");
  auto isPositive = [](auto value) { return value > 0; };
  if ((request.scales && !llvm::all_of(*request.scales, isPositive)) ||
      (request.sizes && !llvm::all_of(*request.sizes, isPositive)))
    return n.refuse("T0201", "scales and sizes must be positive");
  return success();
}

static FailureOr<Values> makeResize(Node &n, const Request &request) {
  Value x = n.in(0);
  int64_t rank = n.rankOf(x);
  Ints axes = n.getInts("axes").value_or(llvm::to_vector(llvm::seq<int64_t>(0, rank)));
  for (int64_t &axis : axes) {
    FailureOr<int64_t> found = n.axis(axis, rank);
    if (failed(found))
      return failure();
    axis = *found;
  }
  if (failed(checkLengths(n, request, axes.size())))
    return failure();
  FailureOr<SmallVector<double>> roi = regionOf(n, request.coordinate, axes);
  if (failed(roi))
    return failure();
  std::string policy = n.getString("keep_aspect_ratio_policy", "stretch");
  bool anyDynamic = llvm::any_of(axes, [&](int64_t axis) { return isDynamic(n.shapeOf(x)[axis]); });
  bool isConstant = request.scales || (request.sizes && (policy == "stretch" || !anyDynamic));
  Grid grid{SmallVector<double>(rank, 1.0), Ints(n.shapeOf(x))};
  if (isConstant)
    grid = constantGrid(n, request, axes, policy);
  if (failed(checkGrid(n, grid)))
    return failure();
  Value extents, factors;
  if (!isConstant || llvm::is_contained(grid.scales, 0.0))
    std::tie(extents, factors) = runtimeGrid(n, request, axes, policy);
  if (!isConstant) {
    std::optional<Ints> known = n.partialInts(extents);
    for (int64_t axis : axes) {
      grid.scales[axis] = 0;
      grid.shape[axis] = known ? (*known)[axis] : ShapedType::kDynamic;
    }
  }
  if (n.failedBefore)
    return failure();
  auto op = nn::ResizeOp::create(n.b, n.loc, RankedTensorType::get(grid.shape, n.elementOf(x)), x, extents, factors,
                                 n.getString("mode", "nearest"), request.coordinate, request.nearest, grid.scales, *roi,
                                 llvm::APFloat(n.getFloat("cubic_coeff_a", -0.75)),
                                 llvm::APFloat(n.getFloat("extrapolation_value", 0)),
                                 (bool)n.getInt("exclude_outside", 0), (bool)n.getInt("antialias", 0));
  return one(op.getY());
}

static FailureOr<Values> resize(Node &n) {
  Request request;
  request.coordinate = n.opset < 11 ? "asymmetric" : n.getString("coordinate_transformation_mode", "half_pixel");
  request.nearest = n.opset < 11 ? "floor" : n.getString("nearest_mode", "round_prefer_floor");
  Value scales = n.in(n.opset < 11 ? 1 : 2), sizes = n.opset < 11 ? Value() : n.in(3);
  // An empty vector stands for an absent one.
  auto isGiven = [&](Value vector) { return vector && n.rankOf(vector) == 1 && n.shapeOf(vector)[0] != 0; };
  if (isGiven(sizes) && isGiven(scales))
    return n.refuse("T0201", "both scales and sizes are given; expected one of them");
  if (isGiven(sizes)) {
    request.sizes = n.constInts(sizes);
    request.runtimeSizes = sizes;
  } else if (isGiven(scales)) {
    request.scales = n.constFloats(scales);
    request.runtimeScales = scales;
  } else {
    return n.refuse("T0201", "neither scales nor sizes are given");
  }
  return makeResize(n, request);
}

static FailureOr<Values> upsample(Node &n) {
  Request request;
  request.coordinate = "asymmetric";
  request.nearest = "floor";
  request.scales = n.opset < 9 ? n.getFloats("scales") : n.constFloats(n.in(1));
  request.runtimeScales = n.opset < 9 ? Value() : n.in(1);
  if (!request.scales && !request.runtimeScales)
    return n.refuse("T0201", "no scales are given");
  return makeResize(n, request);
}

ArrayRef<Row> resizeRows() {
  static const Row rows[] = {{"Resize", 10, resize}, {"Upsample", 7, upsample}};
  return rows;
}

} // namespace tegula
