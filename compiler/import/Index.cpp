//===- Index.cpp - rows of gathers, scatters and selections ---------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

using namespace mlir;

namespace tegula {

static Value wide(Node &n, Value indices) { return n.cast(indices, n.b.getI64Type()); }

static FailureOr<Values> gather(Node &n) {
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", 0), n.rankOf(n.in(0)));
  if (failed(axis))
    return failure();
  return one(n.make<nn::GatherOp>({n.in(0), wide(n, n.in(1))}, n.attr("axis", *axis)));
}
static FailureOr<Values> gatherElements(Node &n) {
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", 0), n.rankOf(n.in(0)));
  if (failed(axis))
    return failure();
  return one(n.make<nn::GatherElementsOp>({n.in(0), wide(n, n.in(1))}, n.attr("axis", *axis)));
}
static FailureOr<Values> gatherNd(Node &n) {
  return one(n.make<nn::GatherNdOp>({n.in(0), wide(n, n.in(1))}, n.attr("batch_dims", n.getInt("batch_dims", 0))));
}
static FailureOr<Values> scatterElements(Node &n) {
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", 0), n.rankOf(n.in(0)));
  if (failed(axis))
    return failure();
  return one(n.finish("nn.scatter_elements", {n.in(0), wide(n, n.in(1)), n.in(2)}, n.in(0).getType(),
                      {n.attr("axis", *axis), n.word("reduction", n.getString("reduction", "none"))}));
}
static FailureOr<Values> scatterNd(Node &n) {
  return one(n.finish("nn.scatter_nd", {n.in(0), wide(n, n.in(1)), n.in(2)}, n.in(0).getType(),
                      n.word("reduction", n.getString("reduction", "none"))));
}

static FailureOr<Values> oneHot(Node &n) {
  Value indices = n.in(0);
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", -1), n.rankOf(indices) + 1);
  if (failed(axis))
    return failure();
  Value depth = n.reshape(wide(n, n.in(1)), {});
  auto known = n.constInts(depth);
  Ints shape(n.shapeOf(indices));
  shape.insert(shape.begin() + *axis, known ? (*known)[0] : ShapedType::kDynamic);
  return one(n.finish("nn.one_hot", {wide(n, indices), depth, n.in(2)},
                      RankedTensorType::get(shape, n.elementOf(n.in(2))), n.attr("axis", *axis)));
}

static FailureOr<Values> topK(Node &n) {
  Value x = n.in(0), k = n.opset < 10 ? n.ints({n.getInt("k", 1)}) : wide(n, n.in(1));
  FailureOr<int64_t> axis = n.axis(n.getInt("axis", -1), n.rankOf(x));
  if (failed(axis))
    return failure();
  auto known = n.constInts(k);
  Ints shape(n.shapeOf(x));
  int64_t extent = shape[*axis];
  if (known && !ShapedType::isDynamic(extent) && ((*known)[0] < 0 || (*known)[0] > extent))
    return n.refuse("T0202", "k is " + Twine((*known)[0]) + ", but the axis has " + Twine(extent) + " elements");
  shape[*axis] = known ? (*known)[0] : ShapedType::kDynamic;
  auto op =
      nn::TopKOp::create(n.b, n.loc, RankedTensorType::get(shape, n.elementOf(x)),
                         RankedTensorType::get(shape, n.b.getI64Type()), x, k, *axis, (bool)n.getInt("largest", 1));
  return Values{op.getValues(), op.getIndices()};
}

static FailureOr<Values> nonZero(Node &n) {
  auto type = RankedTensorType::get({n.rankOf(n.in(0)), ShapedType::kDynamic}, n.b.getI64Type());
  return one(n.finish("nn.non_zero", n.in(0), type, {}));
}

static FailureOr<Values> compress(Node &n) {
  Value x = n.in(0);
  int64_t axis = 0;
  if (n.attribute("axis")) {
    FailureOr<int64_t> given = n.axis(n.getInt("axis", 0), n.rankOf(x));
    if (failed(given))
      return failure();
    axis = *given;
  } else {
    auto type = n.typeOf(x);
    if (!type.hasStaticShape())
      return n.refuse("T0102", "needs a static shape when no axis is given");
    x = n.reshape(x, {type.getNumElements()});
  }
  Ints shape(n.shapeOf(x));
  shape[axis] = ShapedType::kDynamic;
  return one(n.finish("nn.compress", {x, n.in(1)}, RankedTensorType::get(shape, n.elementOf(x)), n.attr("axis", axis)));
}

ArrayRef<Row> indexRows() {
  static const Row rows[] = {
      {"Gather", 1, gather},
      {"GatherElements", 11, gatherElements},
      {"GatherND", 11, gatherNd},
      {"Scatter", 9, scatterElements},
      {"ScatterElements", 11, scatterElements},
      {"ScatterND", 11, scatterNd},
      {"OneHot", 9, oneHot},
      {"TopK", 1, topK},
      {"NonZero", 9, nonZero},
      {"Compress", 9, compress},
  };
  return rows;
}

} // namespace tegula
