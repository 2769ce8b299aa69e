//===- Control.cpp - rows of branches --------------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tegula {

/// Imports a branch into the region that starts with `block`.
static FailureOr<Values> importBranch(Node &n, const onnx::AttributeProto &branch, Block &block) {
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  return n.importer.inlineGraph(branch.g(), inner, cast<NameLoc>(n.loc).getName().getValue());
}

/// The type that both branches' values fit: extents that differ are known at run time only.
static FailureOr<RankedTensorType> jointType(Node &n, size_t output, Value x, Value y) {
  if (n.elementOf(x) != n.elementOf(y) || n.rankOf(x) != n.rankOf(y)) {
    InFlightDiagnostic diagnostic = emitError(n.loc)
                                    << "[T0102] the branches give output " << output << " types that differ in more "
                                    << "than extents";
    diagnostic.attachNote() << "then_branch: " << x.getType() << ", else_branch: " << y.getType();
    diagnostic.attachNote() << "help: fix the input shapes with --shape or --dim, so that the condition is constant";
    return failure();
  }
  Ints shape(n.shapeOf(x));
  for (auto [extent, other] : llvm::zip(shape, n.shapeOf(y)))
    if (extent != other)
      extent = ShapedType::kDynamic;
  return RankedTensorType::get(shape, n.elementOf(x));
}

/// Ends a branch: its values, each as the joint type.
static void yieldAs(Node &n, Block &block, ArrayRef<Value> values, ArrayRef<Type> types) {
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  Node there(n.importer, n.proto, n.opset, inner, n.loc, {});
  Values yielded;
  for (auto [value, type] : llvm::zip(values, types))
    yielded.push_back(value.getType() == type
                          ? value
                          : there.reshape(value, cast<RankedTensorType>(type).getShape(), there.shape(value)));
  scf::YieldOp::create(inner, n.loc, yielded);
}

/// A condition known at compile time picks a branch; another becomes scf.if.
static FailureOr<Values> ifOp(Node &n) {
  const onnx::AttributeProto *then = n.attribute("then_branch"), *other = n.attribute("else_branch");
  if (!then || !other || !then->has_g() || !other->has_g() || !n.in(0))
    return n.refuse("T0201", "the condition or a branch is missing");
  if (then->g().input_size() || other->g().input_size())
    return n.refuse("T0201", "a branch has inputs; it sees the values around it by their names instead");
  if (!n.elementOf(n.in(0)).isInteger(1))
    return n.refuse("T0202", "the condition must be a boolean");
  if (auto known = n.constInts(n.in(0)); known && known->size() == 1)
    return n.importer.inlineGraph((*known)[0] ? then->g() : other->g(), n.b, cast<NameLoc>(n.loc).getName().getValue());
  Value condition = nn::ConditionOp::create(n.b, n.loc, n.b.getI1Type(), n.in(0));
  // The types of the results are known once both branches are there: these move to an op that has them.
  auto draft = scf::IfOp::create(n.b, n.loc, TypeRange(), condition, /*addThenBlock=*/true, /*addElseBlock=*/true);
  Block &thenBlock = *draft.thenBlock(), &elseBlock = *draft.elseBlock();
  FailureOr<Values> thenValues = importBranch(n, *then, thenBlock), elseValues = importBranch(n, *other, elseBlock);
  if (failed(thenValues) || failed(elseValues))
    return failure();
  if (thenValues->size() != elseValues->size())
    return n.refuse("T0201", "the branches have " + Twine(thenValues->size()) + " and " + Twine(elseValues->size()) +
                                 " outputs");
  SmallVector<Type> types;
  for (size_t i = 0; i < thenValues->size(); ++i) {
    FailureOr<RankedTensorType> type = jointType(n, i, (*thenValues)[i], (*elseValues)[i]);
    if (failed(type))
      return failure();
    types.push_back(*type);
  }
  yieldAs(n, thenBlock, *thenValues, types);
  yieldAs(n, elseBlock, *elseValues, types);
  auto op = scf::IfOp::create(n.b, n.loc, types, condition, /*addThenBlock=*/false, /*addElseBlock=*/false);
  op.getThenRegion().takeBody(draft.getThenRegion());
  op.getElseRegion().takeBody(draft.getElseRegion());
  draft.erase();
  return Values(op.getResults());
}

ArrayRef<Row> controlRows() {
  static const Row rows[] = {{"If", 1, ifOp}};
  return rows;
}

} // namespace tegula
