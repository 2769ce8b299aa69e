//===- Shape.cpp - rows of constants and moves of data ------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/RuntimeAxes.h"

#include <cmath>

using namespace mlir;

namespace tegula {

static FailureOr<Values> constantOp(Node &n) {
  if (const onnx::AttributeProto *a = n.attribute("value")) {
    ElementsAttr value = n.importer.tensor(a->t(), n.loc);
    if (!value)
      return failure();
    return one(n.constant(value));
  }
  Builder &b = n.b;
  if (n.attribute("value_int"))
    return one(n.intScalar(n.getInt("value_int", 0)));
  if (auto ints = n.getInts("value_ints"))
    return one(n.ints(*ints));
  if (n.attribute("value_float"))
    return one(n.number(b.getF32Type(), n.getFloat("value_float", 0)));
  if (auto floats = n.getFloats("value_floats")) {
    SmallVector<float> values(floats->begin(), floats->end());
    return one(n.constant(DenseElementsAttr::get(RankedTensorType::get({(int64_t)values.size()}, b.getF32Type()),
                                                 ArrayRef<float>(values))));
  }
  return n.refuse("T0102", "this kind of Constant is not supported");
}

/// `value` (one element) spread over a shape that is a tensor.
static Value spread(Node &n, Value value, Value shape) {
  std::optional<Ints> extents = n.partialInts(shape);
  if (!extents) {
    (void)n.refuse("T0102", "the rank of the result is not known");
    return {};
  }
  for (int64_t &extent : *extents)
    if (extent < 0 && !ShapedType::isDynamic(extent)) {
      (void)n.refuse("T0201", "the shape has the extent " + Twine(extent));
      return {};
    }
  auto type = RankedTensorType::get(*extents, n.elementOf(value));
  if (type.hasStaticShape() && type.getNumElements() <= nn::kSmallElements)
    if (auto constant = value.getDefiningOp<nn::ConstantOp>())
      if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()))
        return n.constant(DenseElementsAttr::get(type, dense.getValues<Attribute>()[0]));
  SmallVector<Value> operands{value};
  if (!type.hasStaticShape())
    operands.push_back(shape);
  return n.finish("nn.expand", operands, type, {});
}

static FailureOr<Values> constantOfShape(Node &n) {
  Value value = n.number(n.b.getF32Type(), 0);
  if (const onnx::AttributeProto *a = n.attribute("value")) {
    ElementsAttr attr = n.importer.tensor(a->t(), n.loc);
    if (!attr)
      return failure();
    value = n.reshape(n.constant(attr), {});
  }
  return one(spread(n, value, n.in(0)));
}

static FailureOr<Values> shapeOp(Node &n) {
  int64_t rank = n.rankOf(n.in(0));
  auto clamp = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  int64_t start = clamp(n.getInt("start", 0)), end = n.attribute("end") ? clamp(n.getInt("end", rank)) : rank;
  return one(n.shape(n.in(0), start, std::max(start, end)));
}

static FailureOr<Values> sizeOp(Node &n) {
  auto type = n.typeOf(n.in(0));
  if (type.hasStaticShape())
    return one(n.intScalar(type.getNumElements()));
  return one(n.reduce("prod", n.shape(n.in(0)), {0}, false));
}

/// The target of Reshape with 0 and -1 resolved as far as they are known, and the run-time shape tensor.
static FailureOr<Values> reshapeOp(Node &n) {
  Value x = n.in(0), target = n.opset >= 5 ? n.in(1) : n.ints(n.getInts("shape").value_or(Ints()));
  std::optional<Ints> wanted = n.partialInts(target);
  if (!wanted)
    return n.refuse("T0102", "the rank of the result is not known");
  bool allowZero = n.getInt("allowzero", 0);
  ArrayRef<int64_t> have = n.shapeOf(x);
  Ints shape(*wanted);
  int64_t minus = -1, known = 1;
  bool isRuntime = false;
  SmallVector<bool> copies(shape.size(), false);
  for (auto [axis, extent] : llvm::enumerate(shape)) {
    if (ShapedType::isDynamic(extent)) {
      isRuntime = true;
    } else if (extent == 0 && !allowZero) {
      if (axis >= have.size())
        return n.refuse("T0202", "extent 0 at axis " + Twine(axis) + " copies an axis that the input lacks");
      extent = have[axis];
      copies[axis] = true;
    } else if (extent == -1) {
      if (minus >= 0)
        return n.refuse("T0201", "two extents are -1");
      minus = axis;
    } else if (extent < -1) {
      return n.refuse("T0201", "extent " + Twine(extent) + " in the target shape");
    }
    if (extent >= 0)
      known *= extent;
  }
  auto type = n.typeOf(x);
  std::optional<Ints> inferred = n.inferredShape(0);
  bool othersKnown = llvm::count_if(shape, [](int64_t e) { return ShapedType::isDynamic(e); }) == 0;
  if (minus >= 0) {
    shape[minus] = ShapedType::kDynamic;
    if (othersKnown && type.hasStaticShape()) {
      if (known == 0 || type.getNumElements() % known)
        return n.refuse("T0202",
                        "cannot reshape " + Twine(type.getNumElements()) + " elements to multiples of " + Twine(known));
      shape[minus] = type.getNumElements() / known;
    }
  }
  if (inferred && inferred->size() == shape.size())
    for (auto [extent, better] : llvm::zip(shape, *inferred))
      if (ShapedType::isDynamic(extent))
        extent = better;
  if (!ShapedType::isDynamicShape(shape))
    return one(n.reshape(x, shape));
  // At run time: elements of the target, copied extents, and the quotient for -1.
  SmallVector<Value> parts;
  Value product = n.ints({1}), total = n.reshape(n.reduce("prod", n.shape(x), {0}, false), {1});
  if (have.empty())
    total = n.ints({1});
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    Value part;
    if ((int64_t)axis == minus)
      part = Value();
    else if (!ShapedType::isDynamic(shape[axis]))
      part = n.ints({shape[axis]});
    else if (copies[axis])
      part = n.shape(x, axis, axis + 1);
    else {
      part = n.slice(n.cast(target, n.b.getI64Type()), 0, axis, 1);
      if (isRuntime && axis < have.size() && !allowZero) // an extent known at run time only may be 0: copy
        part = n.select(n.binary("equal", part, n.ints({0})), n.shape(x, axis, axis + 1), part);
    }
    if (part)
      product = n.binary("mul", product, part);
    parts.push_back(part);
  }
  if (minus >= 0)
    parts[minus] = n.binary("div", total, product);
  else if (isRuntime) // one of the run-time extents may be -1: the product is then negative
    for (size_t axis = 0; axis < shape.size(); ++axis)
      if (ShapedType::isDynamic((*wanted)[axis])) {
        Value isMinus = n.binary("equal", parts[axis], n.ints({-1}));
        Value quotient = n.unary("neg", n.binary("div", total, product));
        parts[axis] = n.select(isMinus, quotient, parts[axis]);
      }
  if (llvm::is_contained(parts, Value()))
    return failure();
  return one(n.reshape(x, shape, n.concat(parts, 0)));
}

static FailureOr<Values> flatten(Node &n) {
  Value x = n.in(0);
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", 1), n.rankOf(x), true);
  if (failed(axis))
    return failure();
  int64_t rows = 1, columns = 1;
  for (auto [i, extent] : llvm::enumerate(n.shapeOf(x))) {
    int64_t &product = (int64_t)i < *axis ? rows : columns;
    product = ShapedType::isDynamic(extent) || ShapedType::isDynamic(product) ? ShapedType::kDynamic : product * extent;
  }
  auto part = [&](int64_t from, int64_t to) -> Value {
    return from == to ? n.ints({1}) : n.reshape(n.reduce("prod", n.shape(x, from, to), {0}, false), {1});
  };
  Value runtime;
  if (ShapedType::isDynamic(rows) || ShapedType::isDynamic(columns))
    runtime = n.concat({part(0, *axis), part(*axis, n.rankOf(x))}, 0);
  return one(n.reshape(x, {rows, columns}, runtime));
}

/// Axes from an attribute (old versions) or an input; nullopt when absent.
static FailureOr<std::optional<Ints>> axesOf(Node &n, int sinceInput, size_t input, int64_t rank) {
  std::optional<Ints> axes;
  if (n.opset < sinceInput) {
    axes = n.getInts("axes");
  } else if (n.has(input)) {
    axes = n.constInts(n.in(input));
    if (!axes)
      return n.refuse("T0102", "axes known only at run time are not supported");
  }
  if (axes)
    for (int64_t &value : *axes) {
      FailureOr<int64_t> axis = n.axis(value, rank);
      if (failed(axis))
        return failure();
      value = *axis;
    }
  return axes;
}

/// Whether the vector at `input` (since version `since`) is there, and known at run time only.
static bool isRuntimeVector(Node &n, int since, size_t input) {
  return n.opset >= since && n.has(input) && !n.constInts(n.in(input)) && n.rankOf(n.in(input)) <= 1;
}

/// Squeeze without axes takes the extents of the run to be no 1: they would change the rank of the result.
static Value requireWide(Node &n, Value x) {
  Ints dynamic;
  for (auto [axis, extent] : llvm::enumerate(n.shapeOf(x)))
    if (ShapedType::isDynamic(extent))
      dynamic.push_back(axis);
  Value extents = n.make<nn::GatherOp>({n.shape(x), n.ints(dynamic)}, n.attr("axis", (int64_t)0));
  Value isNone = n.reduce("all", n.unary("not", n.binary("equal", extents, n.ints({1}))), {0}, false);
  return n.require(x, isNone,
                   "the model was compiled for extents that Squeeze without axes keeps, but one of them is 1");
}

static FailureOr<Values> squeeze(Node &n) {
  Value x = n.in(0);
  if (isRuntimeVector(n, 13, 1)) {
    RuntimeAxes axes(n, n.in(1), n.rankOf(x));
    Value others = axes.count() ? axes.others() : Value();
    if (!others)
      return n.refuse("T0102", "the rank of the result is not known");
    Value shape = n.make<nn::GatherOp>({n.shape(x), others}, n.attr("axis", (int64_t)0));
    return one(n.reshape(x, Ints(n.shapeOf(others)[0], ShapedType::kDynamic), shape));
  }
  auto axes = axesOf(n, 13, 1, n.rankOf(x));
  if (failed(axes))
    return failure();
  if (!*axes && ShapedType::isDynamicShape(n.shapeOf(x)))
    x = requireWide(n, x);
  Ints shape, kept;
  for (auto [axis, extent] : llvm::enumerate(n.shapeOf(x))) {
    bool drop = *axes ? llvm::is_contained(**axes, (int64_t)axis) : extent == 1;
    if (drop && *axes && extent != 1 && !ShapedType::isDynamic(extent))
      return n.refuse("T0202", "axis " + Twine(axis) + " has the extent " + Twine(extent) + "; only 1 can be squeezed");
    if (!drop) {
      shape.push_back(extent);
      kept.push_back(axis);
    }
  }
  Value runtime;
  if (ShapedType::isDynamicShape(shape))
    runtime = n.make<nn::GatherOp>({n.shape(x), n.ints(kept)}, n.attr("axis", (int64_t)0));
  return one(n.reshape(x, shape, runtime));
}

/// Axes known at run time only: extent 1 where they are, those of x in order elsewhere.
static FailureOr<Values> unsqueezeRuntime(Node &n) {
  Value x = n.in(0), given = n.in(1);
  int64_t count = n.rankOf(given) == 0 ? 1 : n.shapeOf(given)[0], rank = n.rankOf(x) + count;
  if (ShapedType::isDynamic(count))
    return n.refuse("T0102", "the rank of the result is not known");
  Value isNew = RuntimeAxes(n, given, rank).marks(), one64 = n.intScalar(1), shape = n.ints(Ints(rank, 1));
  if (n.rankOf(x) > 0) {
    Value isOld = n.select(isNew, n.intScalar(0), one64);
    Value before = n.finish(
        "nn.cumulate", isOld, isOld.getType(),
        {n.word("kind", "sum"), n.attr("axis", (int64_t)0), n.flag("exclusive", true), n.flag("reverse", false)});
    Value place = n.binary("min", before, n.intScalar(n.rankOf(x) - 1));
    shape = n.select(isNew, one64, n.make<nn::GatherOp>({n.shape(x), place}, n.attr("axis", (int64_t)0)));
  }
  return one(n.reshape(x, Ints(rank, ShapedType::kDynamic), shape));
}

static FailureOr<Values> unsqueeze(Node &n) {
  Value x = n.in(0);
  if (isRuntimeVector(n, 13, 1))
    return unsqueezeRuntime(n);
  std::optional<Ints> given = n.opset < 13 ? n.getInts("axes") : n.constInts(n.in(1));
  if (!given)
    return n.refuse("T0102", "axes known only at run time are not supported");
  int64_t rank = n.rankOf(x) + given->size();
  Ints axes;
  for (int64_t value : *given) {
    FailureOr<int64_t> axis = n.axis(value, rank);
    if (failed(axis))
      return failure();
    if (llvm::is_contained(axes, *axis))
      return n.refuse("T0201", "axis " + Twine(*axis) + " is named twice");
    axes.push_back(*axis);
  }
  Ints shape;
  SmallVector<Value> parts;
  for (int64_t axis = 0, next = 0; axis < rank; ++axis) {
    bool isNew = llvm::is_contained(axes, axis);
    shape.push_back(isNew ? 1 : n.shapeOf(x)[next]);
    if (ShapedType::isDynamicShape(n.shapeOf(x)))
      parts.push_back(isNew ? n.ints({1}) : n.shape(x, next, next + 1));
    next += !isNew;
  }
  return one(n.reshape(x, shape, parts.empty() ? Value() : n.concat(parts, 0)));
}

static FailureOr<Values> transposeOp(Node &n) {
  int64_t rank = n.rankOf(n.in(0));
  Ints perm = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, rank)));
  if (auto given = n.getInts("perm"))
    perm = *given;
  Value y = n.transpose(n.in(0), perm);
  return one(y);
}

static FailureOr<Values> expand(Node &n) {
  Value x = n.in(0);
  std::optional<Ints> target = n.partialInts(n.in(1));
  if (!target)
    return n.refuse("T0102", "the rank of the result is not known");
  int64_t rank = std::max<int64_t>(target->size(), n.rankOf(x));
  Ints wanted(rank - target->size(), 1), have(rank - n.rankOf(x), 1), shape;
  llvm::append_range(wanted, *target);
  llvm::append_range(have, n.shapeOf(x));
  for (auto [want, extent] : llvm::zip(wanted, have)) {
    if (!ShapedType::isDynamic(want) && want < 0)
      return n.refuse("T0201", "the shape has the extent " + Twine(want));
    if (ShapedType::isDynamic(want))
      shape.push_back(!ShapedType::isDynamic(extent) && extent != 1 ? extent : ShapedType::kDynamic);
    else if (ShapedType::isDynamic(extent))
      shape.push_back(want == 1 ? extent : want);
    else if (want == 1 || extent == 1 || want == extent)
      shape.push_back(want == 1 ? extent : want);
    else
      return n.refuse("T0202", "extents " + Twine(extent) + " and " + Twine(want) + " do not broadcast");
  }
  if (auto inferred = n.inferredShape(0); inferred && inferred->size() == shape.size())
    for (auto [extent, better] : llvm::zip(shape, *inferred))
      if (ShapedType::isDynamic(extent))
        extent = better;
  auto type = RankedTensorType::get(shape, n.elementOf(x));
  if (type == x.getType() && type.hasStaticShape())
    return one(x);
  SmallVector<Value> operands{x};
  if (!type.hasStaticShape()) {
    auto padded = [&](Value v, int64_t missing) -> Value {
      return missing ? n.concat({n.ints(Ints(missing, 1)), v}, 0) : v;
    };
    Value target64 = n.cast(n.in(1), n.b.getI64Type());
    operands.push_back(n.make<nn::BinaryOp>(
        {padded(target64, rank - target->size()), padded(n.shape(x), rank - n.rankOf(x))}, n.word("kind", "max")));
  }
  return one(n.finish("nn.expand", operands, type, {}));
}

static FailureOr<Values> tile(Node &n) {
  Value x = n.in(0);
  if (n.rankOf(n.in(1)) != 1 || (n.shapeOf(n.in(1))[0] != n.rankOf(x) && !ShapedType::isDynamic(n.shapeOf(n.in(1))[0])))
    return n.refuse("T0202", "repeats needs one number for each of the " + Twine(n.rankOf(x)) + " axes");
  std::optional<Ints> repeats = n.partialInts(n.in(1));
  Ints shape;
  for (auto [axis, extent] : llvm::enumerate(n.shapeOf(x))) {
    int64_t count = repeats && axis < repeats->size() ? (*repeats)[axis] : ShapedType::kDynamic;
    if (count < 0 && !ShapedType::isDynamic(count))
      return n.refuse("T0201", "repeats holds " + Twine(count) + "; expected numbers from 0");
    shape.push_back(ShapedType::isDynamic(count) || ShapedType::isDynamic(extent) ? ShapedType::kDynamic
                                                                                  : count * extent);
  }
  return one(
      n.finish("nn.tile", {x, n.cast(n.in(1), n.b.getI64Type())}, RankedTensorType::get(shape, n.elementOf(x)), {}));
}

static FailureOr<Values> concat(Node &n) {
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", 1), n.rankOf(n.in(0)));
  if (failed(axis))
    return failure();
  return one(n.concat(n.inputs, *axis));
}

/// Parts whose sizes are known at run time only.
static FailureOr<Values> splitRuntime(Node &n, int64_t axis) {
  Value x = n.in(0), size, ends;
  int64_t parts = n.getInt("num_outputs", n.proto.output_size());
  if (n.has(1)) {
    size = n.cast(n.in(1), n.b.getI64Type());
    ends = n.finish(
        "nn.cumulate", size, size.getType(),
        {n.word("kind", "sum"), n.attr("axis", (int64_t)0), n.flag("exclusive", false), n.flag("reverse", false)});
    if (n.rankOf(size) != 1 || n.shapeOf(size)[0] < n.proto.output_size())
      return n.refuse("T0202", "expected one size for each of the " + Twine(n.proto.output_size()) + " outputs");
  } else {
    Value extent = n.shape(x, axis, axis + 1), last = n.intScalar(parts - 1);
    size = n.binary("div", n.binary("add", extent, last), n.intScalar(parts));
    ends = n.binary("mul", size, n.ints(llvm::to_vector(llvm::seq<int64_t>(1, parts + 1))));
  }
  Value starts = n.binary("sub", ends, size);
  Ints shape(n.shapeOf(x));
  shape[axis] = ShapedType::kDynamic;
  Values results;
  for (int64_t part = 0; part < n.proto.output_size(); ++part)
    results.push_back(n.finish("nn.dynamic_slice", {x, n.slice(starts, 0, part, 1), n.slice(ends, 0, part, 1)},
                               RankedTensorType::get(shape, n.elementOf(x)), n.attr("axes", Ints{axis})));
  return results;
}

static FailureOr<Values> split(Node &n) {
  Value x = n.in(0);
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", 0), n.rankOf(x));
  if (failed(axis))
    return failure();
  int64_t extent = n.shapeOf(x)[*axis], count = n.proto.output_size();
  std::optional<Ints> sizes = n.opset < 13 ? n.getInts("split") : n.has(1) ? n.constInts(n.in(1)) : std::nullopt;
  if (!sizes) {
    if (n.has(1) || ShapedType::isDynamic(extent))
      return splitRuntime(n, *axis);
    int64_t parts = n.getInt("num_outputs", count), size = (extent + parts - 1) / parts;
    sizes = Ints(parts, size);
    sizes->back() = extent - size * (parts - 1);
  }
  Values results;
  int64_t start = 0;
  for (int64_t size : *sizes) {
    if (size < 0 || (!ShapedType::isDynamic(extent) && start + size > extent))
      return n.refuse("T0202", "the split sizes do not fit the extent " + Twine(extent));
    results.push_back(n.slice(x, *axis, start, size));
    if (!results.back())
      return failure();
    start += size;
  }
  return results;
}

/// Axes known at run time only: starts, ends and steps for every axis.
static FailureOr<Values> sliceRuntime(Node &n) {
  Value x = n.in(0);
  int64_t rank = n.rankOf(x);
  RuntimeAxes axes(n, n.in(3), rank);
  SmallVector<Value> operands{x, axes.spread(n.in(1), 0), axes.spread(n.in(2), INT64_MAX)};
  if (n.has(4))
    operands.push_back(axes.spread(n.in(4), 1));
  auto type = RankedTensorType::get(Ints(rank, ShapedType::kDynamic), n.elementOf(x));
  return one(
      n.finish("nn.dynamic_slice", operands, type, n.attr("axes", llvm::to_vector(llvm::seq<int64_t>(0, rank)))));
}

static FailureOr<Values> slice(Node &n) {
  Value x = n.in(0);
  int64_t rank = n.rankOf(x);
  if (isRuntimeVector(n, 10, 3))
    return sliceRuntime(n);
  std::optional<Ints> starts, ends, axes, steps;
  if (n.opset < 10) {
    starts = n.getInts("starts");
    ends = n.getInts("ends");
    axes = n.getInts("axes");
  } else {
    starts = n.constInts(n.in(1));
    ends = n.constInts(n.in(2));
    axes = n.has(3) ? n.constInts(n.in(3)) : std::nullopt;
    steps = n.has(4) ? n.constInts(n.in(4)) : std::nullopt;
  }
  if (!starts && (n.opset < 10 || n.rankOf(n.in(1)) != 1))
    return n.refuse("T0201", "starts is missing or no vector");
  int64_t count = starts ? (int64_t)starts->size() : n.shapeOf(n.in(1))[0];
  if (!axes && (ShapedType::isDynamic(count) || count > rank))
    return n.refuse("T0102", "the number of sliced axes is not known, or larger than " + Twine(rank));
  if (!axes)
    axes = llvm::to_vector(llvm::seq<int64_t>(0, count));
  for (int64_t &value : *axes) {
    FailureOr<int64_t> axis = n.axis(value, rank);
    if (failed(axis))
      return failure();
    value = *axis;
  }
  for (size_t i = 0; i < axes->size(); ++i)
    if (llvm::is_contained(ArrayRef(*axes).drop_front(i + 1), (*axes)[i]))
      return n.refuse("T0201", "axis " + Twine((*axes)[i]) + " is named twice");
  bool isStatic = starts && ends && (steps || !n.has(4));
  for (int64_t axis : *axes)
    isStatic &= !ShapedType::isDynamic(n.shapeOf(x)[axis]);
  if (isStatic &&
      (starts->size() != axes->size() || ends->size() != axes->size() || (steps && steps->size() != axes->size())))
    return n.refuse("T0201", "starts, ends, axes and steps have different lengths");
  if (isStatic) {
    Ints first(rank, 0), sizes(rank, -1), stride(rank, 1);
    for (size_t i = 0; i < axes->size(); ++i) {
      int64_t extent = n.shapeOf(x)[(*axes)[i]], step = steps ? (*steps)[i] : 1;
      if (step == 0)
        return n.refuse("T0201", "a step is 0");
      auto clamp = [&](int64_t v, int64_t low, int64_t high) { return std::clamp(v < 0 ? v + extent : v, low, high); };
      int64_t lo = step > 0 ? 0 : -1, hi = step > 0 ? extent : extent - 1;
      int64_t from = clamp(std::max((*starts)[i], -extent - 1), step > 0 ? 0 : 0, hi), to;
      to = (*ends)[i] < -extent ? lo : clamp((*ends)[i], lo, hi);
      first[(*axes)[i]] = from;
      sizes[(*axes)[i]] = step > 0 ? std::max<int64_t>(0, (to - from + step - 1) / step)
                                   : std::max<int64_t>(0, (from - to - step - 1) / -step);
      stride[(*axes)[i]] = step;
      if (sizes[(*axes)[i]] == 0)
        first[(*axes)[i]] = 0;
    }
    return one(n.make<nn::SliceOp>(x, {n.attr("starts", first), n.attr("sizes", sizes), n.attr("steps", stride)}));
  }
  Ints shape(n.shapeOf(x));
  for (int64_t axis : *axes)
    shape[axis] = ShapedType::kDynamic;
  if (auto inferred = n.inferredShape(0); inferred && inferred->size() == shape.size())
    for (auto [extent, better] : llvm::zip(shape, *inferred))
      if (ShapedType::isDynamic(extent))
        extent = better;
  Type i64 = n.b.getI64Type();
  SmallVector<Value> operands{x, n.opset < 10 ? n.ints(*starts) : n.cast(n.in(1), i64),
                              n.opset < 10 ? n.ints(*ends) : n.cast(n.in(2), i64)};
  if (n.has(4))
    operands.push_back(n.cast(n.in(4), i64));
  return one(
      n.finish("nn.dynamic_slice", operands, RankedTensorType::get(shape, n.elementOf(x)), n.attr("axes", *axes)));
}

static FailureOr<Values> pad(Node &n) {
  Value x = n.in(0), value, pads;
  int64_t rank = n.rankOf(x);
  std::optional<Ints> amounts;
  if (n.opset < 11) {
    amounts = n.getInts("pads");
    value = n.number(n.elementOf(x), n.getFloat("value", 0));
  } else {
    amounts = n.constInts(n.in(1));
    if (n.has(2))
      value = n.reshape(n.in(2), {});
    pads = amounts ? Value() : n.cast(n.in(1), n.b.getI64Type());
  }
  Ints axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (n.has(3)) {
    auto given = n.constInts(n.in(3));
    if (given && amounts) {
      axes = *given;
    } else {
      RuntimeAxes where(n, n.in(3), rank);
      Value all = n.cast(n.in(1), n.b.getI64Type());
      int64_t count = where.count().value_or(ShapedType::kDynamic);
      if (n.rankOf(all) != 1 || ShapedType::isDynamic(count) || n.shapeOf(all)[0] != 2 * count)
        return n.refuse("T0102", "pads need two amounts for each of the axes, in known number");
      pads = n.concat({where.spread(n.slice(all, 0, 0, count), 0), where.spread(n.slice(all, 0, count, count), 0)}, 0);
      amounts = std::nullopt;
    }
  }
  Ints low(rank, 0), high(rank, 0), shape(n.shapeOf(x));
  if (amounts) {
    if (amounts->size() != 2 * axes.size())
      return n.refuse("T0201", "expected " + Twine(2 * axes.size()) + " pads, but got " + Twine(amounts->size()));
    for (size_t i = 0; i < axes.size(); ++i) {
      FailureOr<int64_t> axis = n.axis(axes[i], rank);
      if (failed(axis))
        return failure();
      low[*axis] = (*amounts)[i];
      high[*axis] = (*amounts)[i + axes.size()];
      if (!ShapedType::isDynamic(shape[*axis]))
        shape[*axis] += low[*axis] + high[*axis];
      if (shape[*axis] < 0 && !ShapedType::isDynamic(shape[*axis]))
        return n.refuse("T0202", "negative pads remove more than there is");
    }
  } else {
    llvm::fill(shape, ShapedType::kDynamic);
  }
  auto type = RankedTensorType::get(shape, n.elementOf(x));
  auto op = nn::PadOp::create(n.b, n.loc, type, x, pads, value, n.b.getStringAttr(n.getString("mode", "constant")),
                              n.b.getDenseI64ArrayAttr(low), n.b.getDenseI64ArrayAttr(high));
  return one(op.getY());
}

static FailureOr<Values> depthToSpace(Node &n) {
  Value x = n.in(0);
  int64_t size = n.getInt("blocksize", 1), channels = n.rankOf(x) == 4 ? n.shapeOf(x)[1] : -1;
  if (n.rankOf(x) != 4 || ShapedType::isDynamic(channels) || size < 1 || size > 4096 || channels % (size * size))
    return n.refuse("T0102", "needs [N, C, H, W] with C known and divisible by the squared block size");
  bool isCrd = n.getString("mode", "DCR") == "CRD";
  Node::Group depth{{1}, 1, size * size}, block{{}, size};
  Value blocks = isCrd ? n.regroup(x, {{{0}}, depth, block, block, {{2}}, {{3}}})
                       : n.regroup(x, {{{0}}, block, block, depth, {{2}}, {{3}}});
  Value moved = isCrd ? n.transpose(blocks, {0, 1, 4, 2, 5, 3}) : n.transpose(blocks, {0, 3, 4, 1, 5, 2});
  return one(n.regroup(moved, {{{0}}, {{1}}, {{2, 3}}, {{4, 5}}}));
}

static FailureOr<Values> spaceToDepth(Node &n) {
  Value x = n.in(0);
  int64_t size = n.getInt("blocksize", 1);
  auto divides = [&](int64_t extent) { return ShapedType::isDynamic(extent) || extent % size == 0; };
  if (n.rankOf(x) != 4 || size < 1 || !divides(n.shapeOf(x)[2]) || !divides(n.shapeOf(x)[3]))
    return n.refuse("T0102", "needs [N, C, H, W] with H and W divisible by the block size");
  Node::Group block{{}, size};
  Value blocks = n.regroup(x, {{{0}}, {{1}}, {{2}, 1, size}, block, {{3}, 1, size}, block});
  bool isCrd = n.getString("mode", "DCR") == "CRD";
  Value moved = isCrd ? n.transpose(blocks, {0, 1, 3, 5, 2, 4}) : n.transpose(blocks, {0, 3, 5, 1, 2, 4});
  return one(n.regroup(moved, {{{0}}, {{1, 2, 3}}, {{4}}, {{5}}}));
}

static FailureOr<Values> range(Node &n) {
  auto start = n.constInts(n.in(0)), limit = n.constInts(n.in(1)), delta = n.constInts(n.in(2));
  auto f0 = n.constFloats(n.in(0)), f1 = n.constFloats(n.in(1)), f2 = n.constFloats(n.in(2));
  int64_t count = ShapedType::kDynamic;
  double length = NAN;
  if (start && limit && delta)
    length = ((double)(*limit)[0] - (double)(*start)[0]) / (double)(*delta)[0];
  else if (f0 && f1 && f2)
    length = ((*f1)[0] - (*f0)[0]) / (*f2)[0];
  if (length > 0x1p36)
    return n.refuse("T0401", "the range has more than 2^36 elements");
  if (!std::isnan(length))
    count = std::max<int64_t>(0, (int64_t)std::ceil(std::max(length, -1.0)));
  else if (auto inferred = n.inferredShape(0); inferred && inferred->size() == 1)
    count = (*inferred)[0];
  SmallVector<Value> operands;
  for (Value value : n.inputs)
    operands.push_back(n.reshape(value, {}));
  return one(n.finish("nn.range", operands, RankedTensorType::get({count}, n.elementOf(n.in(0))), {}));
}

static FailureOr<Values> eyeLike(Node &n) {
  auto type = n.typeOf(n.in(0));
  Type element = n.attribute("dtype") ? n.importer.elementType(n.getInt("dtype", 1)) : type.getElementType();
  if (!element || !type.hasStaticShape() || type.getRank() != 2)
    return n.refuse("T0102", "needs a static matrix and a supported element type");
  Type i64 = n.b.getI64Type();
  auto line = [&](int64_t extent, bool isColumn) {
    Value line = n.finish("nn.range", {n.intScalar(0), n.intScalar(extent), n.intScalar(1)},
                          RankedTensorType::get({extent}, i64), {});
    return isColumn ? n.reshape(line, {extent, 1}) : line;
  };
  Value row = n.binary("add", line(type.getShape()[0], true), n.intScalar(n.getInt("k", 0)));
  Value isOn = n.binary("equal", row, line(type.getShape()[1], false));
  return one(n.cast(isOn, element));
}

static FailureOr<Values> trilu(Node &n) {
  SmallVector<Value> operands{n.in(0)};
  if (n.has(1))
    operands.push_back(n.reshape(n.in(1), {}));
  return one(n.finish("nn.trilu", operands, n.in(0).getType(), n.flag("upper", n.getInt("upper", 1))));
}

ArrayRef<Row> shapeRows() {
  static const Row rows[] = {
      {"Constant", 1, constantOp},
      {"ConstantOfShape", 9, constantOfShape},
      {"Shape", 1, shapeOp},
      {"Size", 1, sizeOp},
      {"Reshape", 1, reshapeOp},
      {"Flatten", 1, flatten},
      {"Squeeze", 1, squeeze},
      {"Unsqueeze", 1, unsqueeze},
      {"Transpose", 1, transposeOp},
      {"Expand", 8, expand},
      {"Tile", 6, tile},
      {"Concat", 4, concat},
      {"Split", 2, split},
      {"Slice", 1, slice},
      {"Pad", 2, pad},
      {"DepthToSpace", 1, depthToSpace},
      {"SpaceToDepth", 1, spaceToDepth},
      {"Range", 11, range},
      {"EyeLike", 9, eyeLike},
      {"Trilu", 14, trilu},
  };
  return rows;
}

} // namespace tegula
