//===- Elementwise.cpp - unary, binary, select, cast ----------------------===//
//
// The kinds and their scalar formulas come from Elementwise.def; this file only spreads them over tensors.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Math/IR/Math.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;
using namespace tegula::nn;

#define P(i) s.number(x.getType(), params[i])
#define N(v) s.number(x.getType(), v)
#define F isa<FloatType>(x.getType())

namespace {
struct UnaryRule {
  StringLiteral kind, formula;
  Value (*emit)(LoweringBuilder &s, Value x, ArrayRef<double> params, bool u);
};
struct BinaryRule {
  StringLiteral kind;
  bool isComparison;
  Value (*emit)(LoweringBuilder &s, Value x, Value y, bool u);
};
} // namespace

static constexpr UnaryRule kUnaryRules[] = {
#define NN_UNARY(kind, onnx, formula)                                                                                  \
  {#kind, #formula,                                                                                                    \
   []([[maybe_unused]] LoweringBuilder &s, [[maybe_unused]] Value x, [[maybe_unused]] ArrayRef<double> params,         \
      [[maybe_unused]] bool u) -> Value { return formula; }},
#include "tegula/dialects/nn/Elementwise.def"
};

static constexpr BinaryRule kBinaryRules[] = {
#define NN_BINARY(kind, onnx, formula)                                                                                 \
  {#kind, false,                                                                                                       \
   []([[maybe_unused]] LoweringBuilder &s, Value x, Value y, [[maybe_unused]] bool u) -> Value { return formula; }},
#define NN_COMPARE(kind, onnx, formula)                                                                                \
  {#kind, true,                                                                                                        \
   []([[maybe_unused]] LoweringBuilder &s, Value x, Value y, [[maybe_unused]] bool u) -> Value { return formula; }},
#include "tegula/dialects/nn/Elementwise.def"
};

#undef P
#undef N
#undef F

template <typename Rules> static auto findRule(const Rules &rules, StringRef kind) {
  return llvm::find_if(rules, [&](const auto &rule) { return rule.kind == kind; });
}
bool tegula::nn::isUnaryKind(StringRef kind) { return findRule(kUnaryRules, kind) != std::end(kUnaryRules); }
bool tegula::nn::isBinaryKind(StringRef kind) { return findRule(kBinaryRules, kind) != std::end(kBinaryRules); }
bool tegula::nn::isPredicateKind(StringRef kind) {
  auto rule = findRule(kBinaryRules, kind);
  return kind == "is_nan" || kind == "is_inf" || (rule != std::end(kBinaryRules) && rule->isComparison);
}

/// How many constants a unary formula reads.
static size_t parameterCount(const UnaryRule &rule) {
  return rule.formula.contains("P(1)") ? 2 : rule.formula.contains("P(0)") ? 1 : 0;
}

static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

/// Infers the type of an elementwise op from its operands' shapes.
static LogicalResult inferBroadcast(std::optional<Location> location, ValueRange operands, Type element,
                                    SmallVectorImpl<Type> &types) {
  SmallVector<ArrayRef<int64_t>> shapes = llvm::map_to_vector(operands, shapeOf);
  std::string why;
  FailureOr<SmallVector<int64_t>> shape = broadcastShapes(shapes, why);
  if (failed(shape))
    return emitOptionalError(location, why);
  types.push_back(RankedTensorType::get(*shape, element));
  return success();
}

/// linalg.generic over the broadcast of `operands`; `type` may know extents that the operands' types do not.
static Value mapBroadcast(LoweringBuilder &b, ValueRange operands, Type type, LoweringBuilder::Body body) {
  SmallVector<ArrayRef<int64_t>> shapes = llvm::map_to_vector(operands, shapeOf);
  std::string why;
  SmallVector<int64_t> shape = *broadcastShapes(shapes, why);
  for (auto [extent, known] : llvm::zip(shape, cast<RankedTensorType>(type).getShape()))
    if (ShapedType::isDynamic(extent))
      extent = known;
  SmallVector<AffineMap> maps =
      llvm::map_to_vector(shapes, [&](ArrayRef<int64_t> from) { return b.broadcastMap(from, shape); });
  return b.map(SmallVector<Value>(operands), maps, b.broadcastExtents(operands, shape),
               loweredType(getElementTypeOrSelf(type)), body);
}

//===- unary --------------------------------------------------------------===//

LogicalResult UnaryOp::inferReturnTypes(MLIRContext *context, std::optional<Location>, UnaryOp::Adaptor adaptor,
                                        SmallVectorImpl<Type> &types) {
  auto type = cast<RankedTensorType>(adaptor.getX().getType());
  if (isPredicateKind(adaptor.getKind())) // unary C2
    type = type.clone(IntegerType::get(context, 1));
  types.push_back(type);
  return success();
}

LogicalResult UnaryOp::verify() {
  auto rule = findRule(kUnaryRules, getKind());
  if (rule == std::end(kUnaryRules)) // unary C1
    return emitOpError("has no kind '") << getKind() << "'";
  size_t have = getParams() ? getParams()->size() : 0;
  if (have < parameterCount(*rule))
    return emitOpError("kind '") << getKind() << "' expects " << parameterCount(*rule) << " params, but got " << have;
  return success();
}

OpFoldResult UnaryOp::fold(FoldAdaptor adaptor) {
  if (getKind() == "identity" && getX().getType() == getY().getType())
    return getX();
  return foldSmall(getOperation(), adaptor.getOperands());
}

FailureOr<SmallVector<Value>> UnaryOp::lower(LoweringBuilder &b, ValueRange operands) {
  if (getKind() == "identity")
    return SmallVector<Value>{operands[0]};
  const UnaryRule &rule = *findRule(kUnaryRules, getKind());
  Type from = getElementTypeOrSelf(getX()), to = getElementTypeOrSelf(getY());
  ArrayRef<double> params = getParams().value_or(ArrayRef<double>());
  return SmallVector<Value>{mapBroadcast(b, operands, getY().getType(), [&](ArrayRef<Value> elements) {
    return b.store(rule.emit(b, b.load(elements[0], from), params, from.isUnsignedInteger()), to);
  })};
}

//===- binary -------------------------------------------------------------===//

LogicalResult BinaryOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                         BinaryOp::Adaptor adaptor, SmallVectorImpl<Type> &types) {
  Type a = getElementTypeOrSelf(adaptor.getA()), b = getElementTypeOrSelf(adaptor.getB());
  if (a != b) // binary C3
    return emitOptionalError(location, "operands hold ", a, " and ", b, ", but expected one element type");
  Type element = isPredicateKind(adaptor.getKind()) ? IntegerType::get(context, 1) : a;
  return inferBroadcast(location, adaptor.getOperands(), element, types); // binary C2
}

LogicalResult BinaryOp::verify() {
  if (!isBinaryKind(getKind())) // binary C1
    return emitOpError("has no kind '") << getKind() << "'";
  return success();
}

OpFoldResult BinaryOp::fold(FoldAdaptor adaptor) { return foldSmall(getOperation(), adaptor.getOperands()); }

FailureOr<SmallVector<Value>> BinaryOp::lower(LoweringBuilder &b, ValueRange operands) {
  const BinaryRule &rule = *findRule(kBinaryRules, getKind());
  Type from = getElementTypeOrSelf(getA()), to = getElementTypeOrSelf(getY());
  return SmallVector<Value>{mapBroadcast(b, operands, getY().getType(), [&](ArrayRef<Value> elements) {
    Value x = b.load(elements[0], from), y = b.load(elements[1], from);
    return b.store(rule.emit(b, x, y, from.isUnsignedInteger()), to);
  })};
}

//===- select -------------------------------------------------------------===//

LogicalResult SelectOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, SelectOp::Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  Type condition = getElementTypeOrSelf(adaptor.getCondition());
  Type a = getElementTypeOrSelf(adaptor.getA()), b = getElementTypeOrSelf(adaptor.getB());
  if (!condition.isInteger(1)) // select C1
    return emitOptionalError(location, "condition expects booleans, but holds ", condition);
  if (a != b) // select C1
    return emitOptionalError(location, "choices hold ", a, " and ", b, ", but expected one element type");
  return inferBroadcast(location, adaptor.getOperands(), a, types); // select C2
}

OpFoldResult SelectOp::fold(FoldAdaptor adaptor) { return foldSmall(getOperation(), adaptor.getOperands()); }

FailureOr<SmallVector<Value>> SelectOp::lower(LoweringBuilder &b, ValueRange operands) {
  Type condition = getElementTypeOrSelf(getCondition());
  return SmallVector<Value>{mapBroadcast(b, operands, getY().getType(), [&](ArrayRef<Value> elements) {
    return b.select(b.load(elements[0], condition), elements[1], elements[2]);
  })};
}

//===- cast ---------------------------------------------------------------===//

LogicalResult CastOp::verify() {
  if (failed(verifyCompatibleShape(getX().getType(), getY().getType()))) // cast C1
    return emitOpError("expects a result of the input's shape, but got ")
           << getY().getType() << " of " << getX().getType();
  return success();
}

OpFoldResult CastOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getY().getType())
    return getX();
  return foldSmall(getOperation(), adaptor.getOperands());
}

FailureOr<SmallVector<Value>> CastOp::lower(LoweringBuilder &b, ValueRange operands) {
  Type from = getElementTypeOrSelf(getX()), to = getElementTypeOrSelf(getY());
  if (from == to)
    return SmallVector<Value>{operands[0]};
  Type target = to.isInteger(1) ? to : loweredType(to);
  return SmallVector<Value>{mapBroadcast(b, operands, getY().getType(), [&](ArrayRef<Value> elements) {
    Value x = b.load(elements[0], from);
    return b.store(b.cast(x, target, from.isUnsignedInteger(), to.isUnsignedInteger()), to);
  })};
}
