//===- Dot.cpp - sums of products of small integers, several at a time ----------------------===//

#include "tegula/compiler/tile/Dot.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
namespace tegula {

std::optional<int64_t> coefficientOf(AffineExpr expr, unsigned dim) {
  if (!expr.isFunctionOfDim(dim))
    return 0;
  if (isa<AffineDimExpr>(expr))
    return 1;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return std::nullopt;
  std::optional<int64_t> lhs = coefficientOf(binary.getLHS(), dim), rhs = coefficientOf(binary.getRHS(), dim);
  if (!lhs || !rhs)
    return std::nullopt;
  if (binary.getKind() == AffineExprKind::Add)
    return *lhs + *rhs;
  auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (binary.getKind() == AffineExprKind::Mul && factor)
    return *lhs * factor.getValue();
  return std::nullopt;
}

/// The block argument of 8 or 16 bits that `value` widens to 32 bits; null if it is none.
static BlockArgument widened(Value value, bool &isUnsigned) {
  Operation *op = value.getDefiningOp();
  if (!isa_and_present<arith::ExtUIOp, arith::ExtSIOp>(op) ||
      !(op->getOperand(0).getType().isInteger(8) || op->getOperand(0).getType().isInteger(16)))
    return {};
  isUnsigned = isa<arith::ExtUIOp>(op);
  return dyn_cast<BlockArgument>(op->getOperand(0));
}

std::optional<DotForm> dotFormOf(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 || op.getNumReductionLoops() == 0 ||
      op.getNumParallelLoops() == 0)
    return std::nullopt;
  Value result = op.getBlock()->getTerminator()->getOperand(0), sum = op.getRegionOutputArgs()[0];
  auto add = result.getDefiningOp<arith::AddIOp>();
  if (!add || !result.getType().isInteger(32) || (add.getLhs() != sum && add.getRhs() != sum))
    return std::nullopt;
  auto product = (add.getLhs() == sum ? add.getRhs() : add.getLhs()).getDefiningOp<arith::MulIOp>();
  bool isUnsigned[2];
  BlockArgument factors[2];
  for (int i : {0, 1}) {
    factors[i] = product ? widened(product->getOperand(i), isUnsigned[i]) : BlockArgument();
    if (!factors[i])
      return std::nullopt;
  }
  unsigned last = op.getNumLoops() - 1, innermost = op.getNumParallelLoops() - 1;
  int64_t extent = op.getStaticLoopRanges()[last];
  int64_t count = 32 / factors[factors[0].getArgNumber() == 0 ? 0 : 1].getType().getIntOrFloatBitWidth();
  if (ShapedType::isDynamic(extent) || extent % count)
    return std::nullopt;
  auto isDim = [](AffineExpr expr, unsigned dim) {
    auto found = dyn_cast<AffineDimExpr>(expr);
    return found && found.getPosition() == dim;
  };
  int right = factors[0].getArgNumber() == 1 ? 0 : 1;
  OpOperand *operands[2] = {&op->getOpOperand(0), &op->getOpOperand(1)};
  AffineMap x = op.getMatchingIndexingMap(operands[0]), w = op.getMatchingIndexingMap(operands[1]);
  unsigned rank = w.getNumResults();
  if (isUnsigned[right] || factors[right].getArgNumber() != 1 || factors[1 - right].getArgNumber() != 0 ||
      x.getNumResults() < 1 || !isDim(x.getResults().back(), last) || x.isFunctionOfDim(innermost) || rank < 2 ||
      !isDim(w.getResult(rank - 1), innermost) || !isDim(w.getResult(rank - 2), last) ||
      !isa_and_present<arith::ConstantOp, linalg::UnPackOp>(operands[1]->get().getDefiningOp()))
    return std::nullopt;
  for (AffineExpr expr : x.getResults().drop_back())
    if (expr.isFunctionOfDim(last))
      return std::nullopt;
  if (factors[right].getType().getIntOrFloatBitWidth() > factors[1 - right].getType().getIntOrFloatBitWidth())
    return std::nullopt;
  return DotForm{operands[0], operands[1], isUnsigned[1 - right], count};
}

std::pair<unsigned, int64_t> rowsOfLeft(linalg::GenericOp op, unsigned loop) {
  std::optional<DotForm> form = dotFormOf(op);
  std::pair<unsigned, int64_t> found{0, 0};
  if (!form)
    return found;
  ArrayRef<AffineExpr> exprs = op.getMatchingIndexingMap(form->left).getResults();
  for (auto [axis, expr] : llvm::enumerate(exprs)) {
    if (!expr.isFunctionOfDim(loop))
      continue;
    std::optional<int64_t> factor = coefficientOf(expr, loop);
    if (!factor || *factor <= 0 || found.second || axis + 1 == exprs.size())
      return {0, 0};
    found = {axis, *factor};
  }
  return found;
}

bool canUseMatrices(linalg::GenericOp op, unsigned loop) {
  auto fill = op.getDpsInitOperand(0)->get().getDefiningOp<linalg::FillOp>();
  return fill && matchPattern(fill.value(), m_Zero()) && rowsOfLeft(op, loop).second > 0;
}

} // namespace tegula
