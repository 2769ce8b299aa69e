//===- Control.cpp - rows of branches --------------------------------------------------------------===//

#include "tegula/compiler/import/GraphImporter.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tegula {

namespace {
/// One way of If: the block of its ops, and what they give, or why no run can take it.
struct Branch {
  StringRef name;
  const onnx::GraphProto &graph;
  Block &block;
  Values values;
  std::string why;
};
} // namespace

static LogicalResult importBranch(Node &n, Branch &branch) {
  OpBuilder inner = OpBuilder::atBlockEnd(&branch.block);
  StringRef prefix = cast<NameLoc>(n.loc).getName().getValue();
  FailureOr<Values> values = n.importer.tryInlineGraph(branch.graph, inner, prefix, branch.why);
  if (succeeded(values))
    branch.values = *values;
  return success(succeeded(values) || !branch.why.empty());
}

/// Makes of a branch that cannot run, or not as the rest of the model needs it, an error of the run: values of the
/// other branch's types that nobody sees.
static void stop(Node &n, Branch &branch, ArrayRef<Value> others) {
  std::string text = "the model was compiled for runs that do not take " + branch.name.str() + ": " + branch.why;
  emitWarning(n.loc) << "a run that takes " << branch.name << " ends with an error: " << branch.why;
  while (!branch.block.empty())
    branch.block.back().erase();
  OpBuilder inner = OpBuilder::atBlockEnd(&branch.block);
  Node there(n.importer, n.proto, n.opset, inner, n.loc, {});
  branch.values.clear();
  for (Value other : others) {
    Ints shape(there.shapeOf(other));
    for (int64_t &extent : shape)
      extent = ShapedType::isDynamic(extent) ? 0 : extent;
    auto type = RankedTensorType::get(shape, there.elementOf(other));
    Value nothing = there.finish("nn.expand", there.number(type.getElementType(), 0), type, {});
    Value never = there.constant(DenseElementsAttr::get(RankedTensorType::get({}, inner.getI1Type()), false));
    branch.values.push_back(there.require(nothing, never, text));
  }
}

/// The type that both branches' values fit: extents that differ are known at run time only.
static RankedTensorType jointType(Value x, Value y) {
  Ints shape(Node::shapeOf(x));
  for (auto [extent, other] : llvm::zip(shape, Node::shapeOf(y)))
    if (extent != other)
      extent = ShapedType::kDynamic;
  return RankedTensorType::get(shape, Node::elementOf(x));
}

/// Where a value's rank differs, sets `why` of the branch that the rest of the graph does not follow, as far as
/// exporters go: they write `extent == 1 ? squeeze : as it is` and mean the first, or `extent == 1 ? constant :
/// formula` and mean the second.
static LogicalResult compareTypes(Node &n, Branch &then, Branch &other) {
  for (auto [i, values] : llvm::enumerate(llvm::zip(then.values, other.values))) {
    auto [x, y] = values;
    if (n.elementOf(x) != n.elementOf(y))
      return emitError(n.loc) << "[T0202] the branches give output " << i << " as " << x.getType() << " and "
                              << y.getType();
    bool isThenSpecial = x.getDefiningOp<nn::ConstantOp>() && !y.getDefiningOp<nn::ConstantOp>();
    Branch &left = isThenSpecial ? then : other, &kept = isThenSpecial ? other : then;
    if (n.rankOf(x) != n.rankOf(y))
      left.why = "its output " + std::to_string(i) + " has rank " + std::to_string(n.rankOf(left.values[i])) +
                 ", that of " + kept.name.str() + " " + std::to_string(n.rankOf(kept.values[i]));
  }
  if (then.why.empty() || other.why.empty())
    return success();
  return n.refuse("T0102",
                  "the branches give several outputs with differing ranks: of then_branch, " + then.why +
                      "; of else_branch, " + other.why,
                  "fix the input shapes with --shape or --dim, so that the condition is constant");
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
  Branch first{"then_branch", then->g(), *draft.thenBlock(), {}, {}};
  Branch second{"else_branch", other->g(), *draft.elseBlock(), {}, {}};
  LogicalResult isFirstGood = importBranch(n, first), isSecondGood = importBranch(n, second);
  if (failed(isFirstGood) || failed(isSecondGood))
    return failure();
  if (!first.why.empty() && !second.why.empty())
    return n.refuse("T0202", "neither branch can run: " + first.why + "; " + second.why);
  if (first.why.empty() && second.why.empty()) {
    if (first.values.size() != second.values.size())
      return n.refuse("T0201", "the branches have " + Twine(first.values.size()) + " and " +
                                   Twine(second.values.size()) + " outputs");
    if (failed(compareTypes(n, first, second)))
      return failure();
  }
  if (!first.why.empty())
    stop(n, first, second.values);
  if (!second.why.empty())
    stop(n, second, first.values);
  SmallVector<Type> types;
  for (auto [x, y] : llvm::zip(first.values, second.values))
    types.push_back(jointType(x, y));
  yieldAs(n, first.block, first.values, types);
  yieldAs(n, second.block, second.values, types);
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
