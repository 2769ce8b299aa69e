//===- Reduce.cpp - rows of reductions -------------------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

using namespace mlir;

namespace tegula {

/// The axes to reduce; all of them when none are given, none with noop_with_empty_axes.
static FailureOr<Ints> reducedAxes(Node &n, int sinceInput) {
  int64_t rank = n.rankOf(n.in(0));
  std::optional<Ints> axes;
  if (n.opset < sinceInput) {
    axes = n.getInts("axes");
  } else if (n.has(1)) {
    axes = n.constInts(n.in(1));
    if (!axes)
      return n.refuse("T0102", "axes known only at run time are not supported");
  }
  if (!axes || axes->empty()) {
    if (n.opset >= sinceInput && n.getInt("noop_with_empty_axes", 0))
      return Ints();
    return llvm::to_vector(llvm::seq<int64_t>(0, rank));
  }
  for (int64_t &value : *axes) {
    FailureOr<int64_t> axis = n.axis(value, rank);
    if (failed(axis))
      return failure();
    value = *axis;
  }
  llvm::sort(*axes);
  axes->erase(llvm::unique(*axes), axes->end());
  return *axes;
}

/// before(x) reduced by `kind`, then after(y).
static FailureOr<Values> reduction(Node &n, StringRef kind, int sinceInput, StringRef before = "",
                                   StringRef after = "") {
  FailureOr<Ints> axes = reducedAxes(n, sinceInput);
  if (failed(axes))
    return failure();
  Value x = n.in(0);
  if (before == "square")
    x = n.binary("mul", x, x);
  else if (!before.empty())
    x = n.unary(before, x);
  if (!axes->empty())
    x = n.reduce(kind, x, *axes, n.getInt("keepdims", 1));
  else if (x == n.in(0))
    x = n.unary("identity", x);
  if (!after.empty()) {
    Type element = n.elementOf(n.in(0));
    x = isa<FloatType>(element) ? n.unary(after, x) : n.cast(n.unary(after, n.cast(x, n.b.getF64Type())), element);
  }
  return one(x);
}

static FailureOr<Values> logSumExp(Node &n) {
  FailureOr<Ints> axes = reducedAxes(n, 18);
  if (failed(axes))
    return failure();
  Value x = n.in(0), top = n.reduce("max", x, *axes, true);
  // An infinite maximum would make inf - inf.
  Value finite = n.select(n.unary("is_inf", top, {1, 1}), n.number(n.elementOf(x), 0), top);
  Value sum = n.reduce("sum", n.unary("exp", n.binary("sub", x, finite)), *axes, true);
  Value y = n.binary("add", n.unary("log", sum), finite);
  if (!y || n.getInt("keepdims", 1))
    return one(y);
  Ints shape;
  for (auto [axis, extent] : llvm::enumerate(n.shapeOf(y)))
    if (!llvm::is_contained(*axes, (int64_t)axis))
      shape.push_back(extent);
  if (ShapedType::isDynamicShape(shape))
    return n.refuse("T0102", "keepdims=0 needs static extents");
  return one(n.reshape(y, shape));
}

static FailureOr<Values> argReduce(Node &n, StringRef kind) {
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", 0), n.rankOf(n.in(0)));
  if (failed(axis))
    return failure();
  return one(n.make<nn::ArgReduceOp>(n.in(0), {n.word("kind", kind), n.attr("axis", *axis),
                                               n.flag("keepdims", n.getInt("keepdims", 1)),
                                               n.flag("select_last", n.getInt("select_last_index", 0))}));
}

static FailureOr<Values> cumulate(Node &n, StringRef kind) {
  auto given = n.constInts(n.in(1));
  if (!given || given->size() != 1)
    return n.refuse("T0102", "an axis known only at run time is not supported");
  FailureOr<int64_t> axis = n.axis((*given)[0], n.rankOf(n.in(0)));
  if (failed(axis))
    return failure();
  return one(n.finish("nn.cumulate", n.in(0), n.in(0).getType(),
                      {n.word("kind", kind), n.attr("axis", *axis), n.flag("exclusive", n.getInt("exclusive", 0)),
                       n.flag("reverse", n.getInt("reverse", 0))}));
}

/// Max and Min of booleans are any and all.
static FailureOr<Values> extremum(Node &n, StringRef kind, StringRef boolKind) {
  return reduction(n, n.elementOf(n.in(0)).isInteger(1) ? boolKind : kind, 18);
}

ArrayRef<Row> reduceRows() {
  static const Row rows[] = {
      {"ReduceSum", 1, [](Node &n) { return reduction(n, "sum", 13); }},
      {"ReduceMean", 1, [](Node &n) { return reduction(n, "mean", 18); }},
      {"ReduceMax", 1, [](Node &n) { return extremum(n, "max", "any"); }},
      {"ReduceMin", 1, [](Node &n) { return extremum(n, "min", "all"); }},
      {"ReduceProd", 1, [](Node &n) { return reduction(n, "prod", 18); }},
      {"ReduceL1", 1, [](Node &n) { return reduction(n, "sum", 18, "abs"); }},
      {"ReduceL2", 1, [](Node &n) { return reduction(n, "sum", 18, "square", "sqrt"); }},
      {"ReduceSumSquare", 1, [](Node &n) { return reduction(n, "sum", 18, "square"); }},
      {"ReduceLogSum", 1, [](Node &n) { return reduction(n, "sum", 18, "", "log"); }},
      {"ReduceLogSumExp", 1, logSumExp},
      {"ArgMax", 1, [](Node &n) { return argReduce(n, "max"); }},
      {"ArgMin", 1, [](Node &n) { return argReduce(n, "min"); }},
      {"CumSum", 11, [](Node &n) { return cumulate(n, "sum"); }},
      {"CumProd", 26, [](Node &n) { return cumulate(n, "prod"); }},
  };
  return rows;
}

} // namespace tegula
