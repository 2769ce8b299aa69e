//===- Reduce.cpp - rows of reductions -------------------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"
#include "tegula/compiler/import/RuntimeAxes.h"

using namespace mlir;

namespace tegula {

namespace {
/// The axes that a node reduces: known, or known at run time only.
struct ReducedAxes {
  Ints known;
  std::optional<RuntimeAxes> runtime;

  Value reduce(Node &n, StringRef kind, Value x, bool keepdims) const {
    if (!runtime)
      return n.reduce(kind, x, known, keepdims);
    Value y = runtime->reduce(kind, x, keepdims);
    if (!y)
      (void)n.refuse("T0102", "keepdims = 0 with axes known at run time only needs distinct axes of known number");
    return y;
  }
};
} // namespace

/// The axes to reduce; all of them when none are given, none with noop_with_empty_axes.
static FailureOr<ReducedAxes> reducedAxes(Node &n, int sinceInput) {
  int64_t rank = n.rankOf(n.in(0));
  bool nothingWhenEmpty = n.opset >= sinceInput && n.getInt("noop_with_empty_axes", 0);
  std::optional<Ints> axes;
  if (n.opset < sinceInput) {
    axes = n.getInts("axes");
  } else if (n.has(1) && n.shapeOf(n.in(1)) != ArrayRef<int64_t>{0}) {
    axes = n.constInts(n.in(1));
    if (!axes) {
      ReducedAxes result{{}, RuntimeAxes(n, n.in(1), rank)};
      if (!nothingWhenEmpty)
        result.runtime->allWhenEmpty();
      return result;
    }
  }
  if (!axes || axes->empty())
    return ReducedAxes{nothingWhenEmpty ? Ints() : llvm::to_vector(llvm::seq<int64_t>(0, rank)), std::nullopt};
  for (int64_t &value : *axes) {
    FailureOr<int64_t> axis = n.axis(value, rank);
    if (failed(axis))
      return failure();
    value = *axis;
  }
  llvm::sort(*axes);
  axes->erase(llvm::unique(*axes), axes->end());
  return ReducedAxes{*axes, std::nullopt};
}

/// before(x) reduced by `kind`, then after(y).
static FailureOr<Values> reduction(Node &n, StringRef kind, int sinceInput, StringRef before = "",
                                   StringRef after = "") {
  FailureOr<ReducedAxes> axes = reducedAxes(n, sinceInput);
  if (failed(axes))
    return failure();
  Value x = n.in(0);
  if (before == "square")
    x = n.binary("mul", x, x);
  else if (!before.empty())
    x = n.unary(before, x);
  if (axes->runtime || !axes->known.empty())
    x = axes->reduce(n, kind, x, n.getInt("keepdims", 1));
  else if (x == n.in(0))
    x = n.unary("identity", x);
  if (!after.empty() && x) {
    Type element = n.elementOf(n.in(0));
    x = isa<FloatType>(element) ? n.unary(after, x) : n.cast(n.unary(after, n.cast(x, n.b.getF64Type())), element);
  }
  return one(x);
}

/// log(sum(exp(x))), with the largest element taken out first.
static FailureOr<Values> logSumExp(Node &n) {
  FailureOr<ReducedAxes> axes = reducedAxes(n, 18);
  if (failed(axes))
    return failure();
  bool keepdims = n.getInt("keepdims", 1);
  Value x = n.in(0), top = axes->reduce(n, "max", x, true);
  if (!top)
    return failure();
  // An infinite maximum would make inf - inf.
  Value finite = n.select(n.unary("is_inf", top, {1, 1}), n.number(n.elementOf(x), 0), top);
  Value sum = n.unary("log", axes->reduce(n, "sum", n.unary("exp", n.binary("sub", x, finite)), keepdims));
  // The maximum of an axis of equal elements drops the axes where the result does.
  return one(n.binary("add", sum, keepdims ? finite : axes->reduce(n, "max", finite, false)));
}

static FailureOr<Values> argReduce(Node &n, StringRef kind) {
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", 0), n.rankOf(n.in(0)));
  if (failed(axis))
    return failure();
  return one(n.make<nn::ArgReduceOp>(n.in(0), {n.word("kind", kind), n.attr("axis", *axis),
                                               n.flag("keepdims", n.getInt("keepdims", 1)),
                                               n.flag("select_last", n.getInt("select_last_index", 0))}));
}

static Value cumulateAlong(Node &n, StringRef kind, Value x, int64_t axis) {
  if (!x)
    return {};
  return n.finish("nn.cumulate", x, x.getType(),
                  {n.word("kind", kind), n.attr("axis", axis), n.flag("exclusive", n.getInt("exclusive", 0)),
                   n.flag("reverse", n.getInt("reverse", 0))});
}

/// x seen as [before, extent, after] around an axis known at run time only.
static Value cumulateRuntime(Node &n, StringRef kind) {
  Value x = n.in(0), shape = n.shape(x), one = n.intScalar(1);
  int64_t rank = n.rankOf(x);
  Value axis = RuntimeAxes(n, n.in(1), rank).axis();
  Value places = n.ints(llvm::to_vector(llvm::seq<int64_t>(0, rank)));
  auto product = [&](StringRef where) {
    return n.reduce("prod", n.select(n.binary(where, places, axis), shape, one), {0}, true);
  };
  Value parts = n.concat({product("less"), product("equal"), product("greater")}, 0);
  Value y = cumulateAlong(n, kind, n.reshape(x, Ints(3, ShapedType::kDynamic), parts), 1);
  return n.reshape(y, n.shapeOf(x), shape);
}

static FailureOr<Values> cumulate(Node &n, StringRef kind) {
  auto given = n.constInts(n.in(1));
  if (!given)
    return one(cumulateRuntime(n, kind));
  if (given->size() != 1)
    return n.refuse("T0201", "expected one axis, but got " + Twine(given->size()));
  FailureOr<int64_t> axis = n.axis((*given)[0], n.rankOf(n.in(0)));
  if (failed(axis))
    return failure();
  return one(cumulateAlong(n, kind, n.in(0), *axis));
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
