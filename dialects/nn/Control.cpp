//===- Control.cpp - where tensors steer control flow ------------------------===//

#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

/// One boolean, as far as its shape is known.
static LogicalResult verifyBoolean(Operation *op, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  bool isOne =
      llvm::all_of(type.getShape(), [](int64_t extent) { return extent == 1 || ShapedType::isDynamic(extent); });
  if (!type.getElementType().isInteger(1) || !isOne) // condition C1, require C1
    return op->emitOpError("expects one boolean, but got ") << type;
  return success();
}

/// The boolean that a constant holds; nothing for other attributes.
static std::optional<bool> booleanOf(Attribute constant) {
  auto elements = dyn_cast_if_present<DenseElementsAttr>(constant);
  if (!elements || elements.getNumElements() != 1)
    return {};
  return *elements.value_begin<bool>();
}

static Value loadBoolean(LoweringBuilder &b, Value tensor, Type nnType) {
  SmallVector<Value> first(cast<RankedTensorType>(tensor.getType()).getRank(), b.index(0));
  return b.load(b.extract(tensor, first), getElementTypeOrSelf(nnType));
}

LogicalResult ConditionOp::verify() { return verifyBoolean(*this, getX()); }

OpFoldResult ConditionOp::fold(FoldAdaptor adaptor) {
  std::optional<bool> known = booleanOf(adaptor.getX());
  return known ? BoolAttr::get(getContext(), *known) : OpFoldResult();
}

FailureOr<SmallVector<Value>> ConditionOp::lower(LoweringBuilder &b, ValueRange operands) {
  return SmallVector<Value>{loadBoolean(b, operands[0], getX().getType())};
}

LogicalResult RequireOp::verify() { return verifyBoolean(*this, getHolds()); }

OpFoldResult RequireOp::fold(FoldAdaptor adaptor) {
  return booleanOf(adaptor.getHolds()).value_or(false) ? getX() : OpFoldResult();
}

FailureOr<SmallVector<Value>> RequireOp::lower(LoweringBuilder &b, ValueRange operands) {
  b.check(b.logicalNot(loadBoolean(b, operands[1], getHolds().getType())), getText());
  return SmallVector<Value>{operands[0]};
}
