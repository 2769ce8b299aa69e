//===- Reduction.cpp - what a reduction does ----------------------------------------------===//

#include "tegula/targets/cuda/Reduction.h"
#include "tegula/compiler/tile/Dot.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tegula::cuda {

/// What changes nothing, as numbers: 0 for sums, the least for the greater of two.
static bool isNeutral(Operation *combiner, Attribute start) {
  if (auto value = dyn_cast<FloatAttr>(start)) {
    const llvm::APFloat &number = value.getValue();
    if (isa<arith::AddFOp>(combiner))
      return number.isZero();
    if (isa<arith::MulFOp>(combiner))
      return number.isExactlyValue(1.0);
    bool isLeast = number.isInfinity() && number.isNegative(), isMost = number.isInfinity() && !number.isNegative();
    return (isa<arith::MaximumFOp, arith::MaxNumFOp>(combiner) && isLeast) ||
           (isa<arith::MinimumFOp, arith::MinNumFOp>(combiner) && isMost);
  }
  auto value = dyn_cast<IntegerAttr>(start);
  if (!value)
    return false;
  const llvm::APInt &number = value.getValue();
  if (isa<arith::AddIOp, arith::OrIOp, arith::XOrIOp, arith::MaxUIOp>(combiner))
    return number.isZero();
  if (isa<arith::MulIOp>(combiner))
    return number.isOne();
  if (isa<arith::AndIOp, arith::MinUIOp>(combiner))
    return number.isAllOnes();
  if (isa<arith::MaxSIOp>(combiner))
    return number.isMinSignedValue();
  return isa<arith::MinSIOp>(combiner) && number.isMaxSignedValue();
}

Operation *combinerOf(linalg::GenericOp op, Attribute start) {
  Block *body = op.getBlock();
  Operation *combiner = body->getTerminator()->getOperand(0).getDefiningOp();
  Value result = body->getArguments().back();
  if (!combiner || combiner->getBlock() != body || combiner->getNumOperands() != 2 || !result.hasOneUse() ||
      *result.user_begin() != combiner || !isNeutral(combiner, start))
    return nullptr;
  return combiner;
}

bool readsRows(linalg::GenericOp op) {
  unsigned innermost = op.getNumLoops() - 1;
  if (op.getIteratorTypesArray()[innermost] != utils::IteratorType::reduction)
    return false;
  bool any = false;
  for (OpOperand *operand : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(operand);
    if (!map.isFunctionOfDim(innermost))
      continue;
    for (AffineExpr expr : map.getResults().drop_back())
      if (expr.isFunctionOfDim(innermost))
        return false;
    if (coefficientOf(map.getResults().back(), innermost) != 1)
      return false;
    any = true;
  }
  return any;
}

} // namespace tegula::cuda
