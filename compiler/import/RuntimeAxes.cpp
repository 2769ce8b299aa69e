//===- RuntimeAxes.cpp - axes that are known at run time only ---------------------------------------===//

#include "tegula/compiler/import/RuntimeAxes.h"

using namespace mlir;

namespace tegula {

static Value countUp(Node &n, int64_t count) { return n.ints(llvm::to_vector(llvm::seq<int64_t>(0, count))); }

/// A vector as a column.
static Value column(Node &n, Value vector) {
  int64_t length = n.shapeOf(vector)[0];
  Value shape = ShapedType::isDynamic(length) ? n.concat({n.shape(vector), n.ints({1})}, 0) : Value();
  return n.reshape(vector, {length, 1}, shape);
}

RuntimeAxes::RuntimeAxes(Node &node, Value given, int64_t rank) : n(node), rank(rank) {
  Value wide = n.cast(given, n.b.getI64Type());
  if (n.rankOf(wide) == 0)
    wide = n.reshape(wide, {1});
  axes = n.select(n.binary("less", wide, n.intScalar(0)), n.binary("add", wide, n.intScalar(rank)), wide);
  isHere = n.binary("equal", column(n, axes), n.reshape(countUp(n, rank), {1, rank}));
  isNamed = n.reduce("any", isHere, {0}, false);
}

std::optional<int64_t> RuntimeAxes::count() const {
  int64_t length = n.shapeOf(axes)[0];
  return ShapedType::isDynamic(length) ? std::nullopt : std::optional<int64_t>(length);
}

void RuntimeAxes::allWhenEmpty() {
  if (!count())
    isNamed = n.binary("or", isNamed, n.binary("equal", n.shape(axes), n.ints({0})));
}

Value RuntimeAxes::spread(Value values, int64_t absent) const {
  Value wide = n.cast(values, n.b.getI64Type());
  Value zero = n.intScalar(0), placed = n.select(isHere, column(n, wide), zero);
  return n.select(isNamed, n.reduce("sum", placed, {0}, false), n.intScalar(absent));
}

Value RuntimeAxes::others() const {
  // Named axes sort behind all others.
  Value order = n.select(isNamed, n.intScalar(rank), countUp(n, rank));
  int64_t left = rank - *count();
  auto type = RankedTensorType::get({left}, n.b.getI64Type());
  if (left <= 0)
    return left < 0 ? Value() : n.ints({});
  return nn::TopKOp::create(n.b, n.loc, type, type, order, n.ints({left}), 0, /*largest=*/false).getValues();
}

Value RuntimeAxes::reduce(StringRef kind, Value x, bool keepdims) const {
  if (!x || (!keepdims && !count()))
    return {};
  Value extents = n.shape(x), one = n.intScalar(1);
  Value reduced = n.select(isNamed, extents, one), kept = n.select(isNamed, one, extents);
  Value pairs = n.reshape(n.concat({column(n, reduced), column(n, kept)}, 1), {2 * rank});
  Ints axesToReduce;
  for (int64_t axis = 0; axis < rank; ++axis)
    axesToReduce.push_back(2 * axis);
  Value y = n.reduce(kind, n.reshape(x, Ints(2 * rank, ShapedType::kDynamic), pairs), axesToReduce, false);
  if (keepdims)
    return n.reshape(y, Ints(rank, ShapedType::kDynamic), kept);
  Value left = others();
  if (!left)
    return {};
  Value shape = n.make<nn::GatherOp>({extents, left}, n.attr("axis", (int64_t)0));
  return n.reshape(y, Ints(n.shapeOf(left)[0], ShapedType::kDynamic), shape);
}

} // namespace tegula
