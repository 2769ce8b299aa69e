//===- Constants.cpp - what is known at compile time ----------------------------===//

#include "tegula/compiler/graph/Constants.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;

namespace tegula {

bool isConstant(Value value, int depth) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0 || !isa<nn::NnDialect>(op->getDialect()))
    return false;
  return isa<nn::ConstantOp>(op) || (op->getNumOperands() > 0 && llvm::all_of(op->getOperands(), [&](Value operand) {
                                       return isConstant(operand, depth - 1);
                                     }));
}

} // namespace tegula
