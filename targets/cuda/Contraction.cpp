//===- Contraction.cpp - the loops of a product ------------------------------------------===//

#include "tegula/targets/cuda/Contraction.h"
#include "tegula/compiler/tile/Dot.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tegula::cuda {

/// An argument of the body, perhaps converted.
static bool isFactor(Value value, Block *body) {
  while (Operation *made = value.getDefiningOp()) {
    if (!isa<CastOpInterface>(made))
      return false;
    value = made->getOperand(0);
  }
  return cast<BlockArgument>(value).getOwner() == body;
}

/// The product that the body adds to the sum, perhaps converted: zeros beyond the end of the depth add nothing. Null if
/// it does something else.
static Operation *productOf(linalg::GenericOp op) {
  Block *body = op.getBlock();
  Operation *sum = body->getTerminator()->getOperand(0).getDefiningOp();
  if (!isa_and_present<arith::AddFOp, arith::AddIOp>(sum))
    return nullptr;
  Value result = body->getArguments().back(), term;
  for (unsigned side : {0, 1})
    if (sum->getOperand(side) == result)
      term = sum->getOperand(1 - side);
  Operation *product = term ? term.getDefiningOp() : nullptr;
  while (product && isa<CastOpInterface>(product))
    product = product->getOperand(0).getDefiningOp();
  bool isProduct = isa_and_present<arith::MulFOp, arith::MulIOp>(product) && isFactor(product->getOperand(0), body) &&
                   isFactor(product->getOperand(1), body);
  return isProduct ? product : nullptr;
}

std::optional<Factors> factorsOf(linalg::GenericOp op) {
  Operation *product = productOf(op);
  if (!product)
    return std::nullopt;
  Factors factors;
  factors.sum = op.getBlock()->getArguments().back().getType();
  // Shorter numbers are exact in the product's type, and that in the sum's.
  if (product->getResult(0).getType() != factors.sum)
    return std::nullopt;
  for (Value operand : product->getOperands()) {
    Value argument = operand;
    Operation *cast = operand.getDefiningOp();
    if (cast)
      argument = cast->getOperand(0);
    if (!isa<BlockArgument>(argument) || (cast && !isa<arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp>(cast)))
      return std::nullopt;
    unsigned number = llvm::cast<BlockArgument>(argument).getArgNumber();
    if (number > 1 || (number == 0 ? factors.left : factors.right))
      return std::nullopt;
    (number == 0 ? factors.left : factors.right) = argument.getType();
    (number == 0 ? factors.isLeftUnsigned : factors.isRightUnsigned) = isa_and_present<arith::ExtUIOp>(cast);
  }
  tgl::TargetAttr target = tgl::targetOf(op);
  factors.mayRound = target && llvm::is_contained(llvm::split(target.getRealDot(), ','), "tf32");
  return factors;
}

std::optional<Contraction> contractionOf(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 2 || op.getNumResults() > 1 || op.getNumDpsInits() != 1 || op.hasIndexSemantics() ||
      op.getNumReductionLoops() == 0)
    return std::nullopt;
  if (!productOf(op))
    return std::nullopt;
  AffineMap left = op.getIndexingMapsArray()[0], right = op.getIndexingMapsArray()[1];
  AffineMap result = op.getIndexingMapsArray()[2];
  if (!result.isProjectedPermutation())
    return std::nullopt;
  for (AffineMap map : {left, right})
    for (AffineExpr expr : map.getResults())
      for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
        if (!coefficientOf(expr, loop))
          return std::nullopt;
  Contraction contraction;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    bool isLeft = left.isFunctionOfDim(loop), isRight = right.isFunctionOfDim(loop);
    if (op.getIteratorTypesArray()[loop] == utils::IteratorType::reduction)
      contraction.depth.push_back(loop);
    else if (!result.isFunctionOfDim(loop))
      return std::nullopt;
    else if (isLeft && isRight)
      contraction.batch.push_back(loop);
    else if (isRight)
      contraction.columns.push_back(loop);
    else
      contraction.rows.push_back(loop);
  }
  if (contraction.rows.empty() || contraction.columns.empty())
    return std::nullopt;
  return contraction;
}

std::optional<int64_t> extentOf(linalg::GenericOp op, ArrayRef<unsigned> loops) {
  int64_t product = 1;
  for (unsigned loop : loops) {
    int64_t extent = op.getStaticLoopRanges()[loop];
    if (ShapedType::isDynamic(extent))
      return std::nullopt;
    product *= extent;
  }
  return product;
}

} // namespace tegula::cuda
