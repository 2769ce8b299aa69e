//===- Control.cpp - where tensors steer control flow ------------------------===//

#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

LogicalResult ConditionOp::verify() {
  auto type = cast<RankedTensorType>(getX().getType());
  bool isOne =
      llvm::all_of(type.getShape(), [](int64_t extent) { return extent == 1 || ShapedType::isDynamic(extent); });
  if (!type.getElementType().isInteger(1) || !isOne) // condition C1
    return emitOpError("expects one boolean, but got ") << type;
  return success();
}

FailureOr<SmallVector<Value>> ConditionOp::lower(LoweringBuilder &b, ValueRange operands) {
  SmallVector<Value> first(cast<RankedTensorType>(operands[0].getType()).getRank(), b.index(0));
  return SmallVector<Value>{b.load(b.extract(operands[0], first), getElementTypeOrSelf(getX()))};
}
