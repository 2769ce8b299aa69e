//===- Normalize.cpp - rows of softmax and normalisations --------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

using namespace mlir;

namespace tegula {

static Value softmaxOp(Node &n, StringRef kind, Value x, int64_t axis) {
  return n.finish("nn.softmax", x, x.getType(), {n.word("kind", kind), n.attr("axis", axis)});
}

/// Axes from `begin` to before `end`.
static Ints axesOf(int64_t begin, int64_t end) { return llvm::to_vector(llvm::seq<int64_t>(begin, end)); }

/// x as [rows, columns] around `axis`.
static Value asRows(Node &n, Value x, int64_t axis) {
  return n.regroup(x, {{axesOf(0, axis)}, {axesOf(axis, n.rankOf(x))}});
}

static FailureOr<Values> softmax(Node &n, StringRef kind) {
  Value x = n.in(0);
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", n.opset < 13 ? 1 : -1), n.rankOf(x), n.opset < 13);
  if (failed(axis))
    return failure();
  if (n.opset >= 13 || *axis == n.rankOf(x) - 1)
    return one(softmaxOp(n, kind, x, *axis));
  Value rows = asRows(n, x, *axis); // before 13: over all axes from `axis` on
  if (!rows)
    return failure();
  return one(n.reshape(softmaxOp(n, kind, rows, 1), n.shapeOf(x), n.shape(x)));
}

/// 1 at the first maximum along the axis.
static FailureOr<Values> hardmax(Node &n) {
  Value x = n.in(0), rows = x;
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", n.opset < 13 ? 1 : -1), n.rankOf(x), n.opset < 13);
  if (failed(axis))
    return failure();
  int64_t along = *axis;
  if (n.opset < 13) {
    rows = asRows(n, x, *axis);
    along = 1;
  }
  if (!rows || ShapedType::isDynamic(n.shapeOf(rows)[along]))
    return n.refuse("T0102", "needs a static extent along the axis");
  Value best = n.make<nn::ArgReduceOp>(
      rows, {n.word("kind", "max"), n.attr("axis", along), n.flag("keepdims", true), n.flag("select_last", false)});
  Ints shape(n.rankOf(rows), 1);
  shape[along] = n.shapeOf(rows)[along];
  Value line = n.finish("nn.range", {n.intScalar(0), n.intScalar(shape[along]), n.intScalar(1)},
                        RankedTensorType::get({shape[along]}, n.b.getI64Type()), {});
  Value y = n.cast(n.binary("equal", best, n.reshape(line, shape)), n.elementOf(x));
  return one(n.reshape(y, n.shapeOf(x), n.shape(x)));
}

/// A per-channel vector as [C, 1, ...].
static Value perChannel(Node &n, Value vector, int64_t rank) {
  Ints shape(std::max<int64_t>(rank - 1, 1), 1);
  shape[0] = n.shapeOf(vector)[0];
  return n.reshape(vector, shape);
}

static FailureOr<Values> batchNorm(Node &n) {
  bool isTest = n.opset >= 7 || n.getInt("is_test", 0);
  if (!isTest || (n.opset >= 14 ? n.getInt("training_mode", 0) : n.wantsOutput(1)))
    return n.refuse("T0102", "BatchNormalization in training mode is not supported");
  Value x = n.in(0), scale = n.in(1), bias = n.in(2), mean = n.in(3), variance = n.in(4);
  Type element = n.elementOf(scale);
  Value spread =
      n.unary("sqrt", n.binary("add", n.cast(variance, element), n.number(element, n.getFloat("epsilon", 1e-5))));
  Value factor = n.binary("div", scale, spread);
  Value offset = n.binary("sub", bias, n.binary("mul", n.cast(mean, element), factor));
  if (!factor || !offset)
    return failure();
  int64_t rank = n.rankOf(x);
  Type outer = n.elementOf(x);
  return one(n.binary("add", n.binary("mul", x, n.cast(perChannel(n, factor, rank), outer)),
                      n.cast(perChannel(n, offset, rank), outer)));
}

static Value normalizeOp(Node &n, StringRef kind, Value x, int64_t axis, double epsilon) {
  return n.finish("nn.normalize", x, x.getType(),
                  {n.word("kind", kind), n.attr("axis", axis), n.attr("epsilon", n.b.getF64FloatAttr(epsilon))});
}

static FailureOr<Values> layerNorm(Node &n) {
  Value x = n.in(0);
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", -1), n.rankOf(x));
  if (failed(axis))
    return failure();
  double epsilon = n.getFloat("epsilon", 1e-5);
  Value y = n.binary("mul", normalizeOp(n, "layer", x, *axis, epsilon), n.in(1));
  if (n.has(2))
    y = n.binary("add", y, n.in(2));
  Values results{y};
  if (n.wantsOutput(1) || n.wantsOutput(2)) {
    Ints axes = llvm::to_vector(llvm::seq<int64_t>(*axis, n.rankOf(x)));
    Type stash = n.b.getF32Type();
    Value wide = n.cast(x, stash), mean = n.reduce("mean", wide, axes, true);
    Value centred = n.binary("sub", wide, mean);
    Value variance = n.reduce("mean", n.binary("mul", centred, centred), axes, true);
    results.push_back(mean);
    results.push_back(n.unary("reciprocal", n.unary("sqrt", n.binary("add", variance, n.number(stash, epsilon)))));
  }
  if (llvm::is_contained(results, Value()))
    return failure();
  return results;
}

static FailureOr<Values> rmsNorm(Node &n) {
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", -1), n.rankOf(n.in(0)));
  if (failed(axis))
    return failure();
  return one(n.binary("mul", normalizeOp(n, "rms", n.in(0), *axis, n.getFloat("epsilon", 1e-5)), n.in(1)));
}

/// Instance and group normalisation: rows of one instance's group.
static FailureOr<Values> groupedNorm(Node &n, int64_t groups, bool perGroup) {
  Value x = n.in(0);
  auto type = n.typeOf(x);
  if (type.getRank() < 2 || type.isDynamicDim(1) || groups < 1 || type.getShape()[1] % groups)
    return n.refuse("T0102", "needs [N, C, ...] with C known and divisible by the groups");
  Value y = n.regroup(x, {{{0}, groups}, {axesOf(1, type.getRank()), 1, groups}});
  y = normalizeOp(n, "layer", y, 1, n.getFloat("epsilon", 1e-5));
  y = n.reshape(y, type.getShape(), n.shape(x));
  auto spread = [&](Value vector) -> Value {
    if (!perGroup || n.shapeOf(vector)[0] == type.getShape()[1])
      return perChannel(n, vector, type.getRank());
    int64_t each = type.getShape()[1] / groups;
    Value table = n.finish("nn.expand", n.reshape(vector, {groups, 1}),
                           RankedTensorType::get({groups, each}, n.elementOf(vector)), {});
    return perChannel(n, n.reshape(table, {groups * each}), type.getRank());
  };
  return one(n.binary("add", n.binary("mul", y, spread(n.in(1))), spread(n.in(2))));
}
static FailureOr<Values> instanceNorm(Node &n) { return groupedNorm(n, n.shapeOf(n.in(0))[1], false); }
static FailureOr<Values> groupNorm(Node &n) { return groupedNorm(n, n.getInt("num_groups", 1), n.opset < 21); }

static FailureOr<Values> lpNorm(Node &n) {
  Value x = n.in(0);
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", -1), n.rankOf(x));
  if (failed(axis))
    return failure();
  Value norm = n.getInt("p", 2) == 1 ? n.reduce("sum", n.unary("abs", x), {*axis}, true)
                                     : n.unary("sqrt", n.reduce("sum", n.binary("mul", x, x), {*axis}, true));
  // A zero row stays zero.
  Type element = n.elementOf(x);
  Value safe = n.select(n.binary("equal", norm, n.number(element, 0)), n.number(element, 1), norm);
  return one(n.binary("div", x, safe));
}

/// y = x / (bias + alpha / size * sum of squares of `size` channels around)^beta
static FailureOr<Values> lrn(Node &n) {
  Value x = n.in(0);
  auto type = n.typeOf(x);
  if (type.getRank() < 3)
    return n.refuse("T0202", "needs an input [N, C, ...]");
  int64_t size = n.getInt("size", 1);
  // Sliding over channels is pooling over an axis of [N, 1, C, inner].
  Value squares = n.regroup(n.binary("mul", x, x), {{{0}}, {}, {{1}}, {axesOf(2, type.getRank())}});
  Value sums = n.make<nn::PoolOp>(
      squares, {n.word("kind", "sum"), n.word("layout", "channels_first"), n.attr("kernel", {size, 1}),
                n.attr("strides", {1, 1}), n.attr("dilations", {1, 1}), n.attr("low", {(size - 1) / 2, 0}),
                n.attr("high", {size / 2, 0}), n.flag("ceil", false), n.flag("count_include_pad", true)});
  Type element = type.getElementType();
  Value base = n.binary("add",
                        n.binary("mul", n.reshape(sums, type.getShape(), n.shape(x)),
                                 n.number(element, n.getFloat("alpha", 1e-4) / size)),
                        n.number(element, n.getFloat("bias", 1)));
  return one(n.binary("div", x, n.binary("pow", base, n.number(element, n.getFloat("beta", 0.75)))));
}

ArrayRef<Row> normalizeRows() {
  static const Row rows[] = {
      {"Softmax", 1, [](Node &n) { return softmax(n, "softmax"); }},
      {"LogSoftmax", 1, [](Node &n) { return softmax(n, "log_softmax"); }},
      {"Hardmax", 1, hardmax},
      {"BatchNormalization", 1, batchNorm},
      {"LayerNormalization", 17, layerNorm},
      {"RMSNormalization", 23, rmsNorm},
      {"InstanceNormalization", 1, instanceNorm},
      {"GroupNormalization", 18, groupNorm},
      {"LpNormalization", 1, lpNorm},
      {"LRN", 1, lrn},
  };
  return rows;
}

} // namespace tegula
