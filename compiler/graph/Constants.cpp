//===- Constants.cpp - what is known at compile time ----------------------------===//

#include "tegula/compiler/graph/Constants.h"
#include "tegula/dialects/nn/Nn.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

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

ArrayRef<char> bytesOf(Value value) {
  while (value && isa_and_present<nn::ReshapeOp, nn::TransposeOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  auto constant = value ? value.getDefiningOp<nn::ConstantOp>() : nn::ConstantOp();
  if (!constant)
    return {};
  if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()))
    return dense.getRawData();
  auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue());
  AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
  return blob ? blob->getData() : ArrayRef<char>();
}

} // namespace tegula
