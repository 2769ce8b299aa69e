//===- Dot.cpp - sums of products of small integers, several at a time ----------------------===//

#include "tegula/compiler/tile/Dot.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
namespace tegula {

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

} // namespace tegula
