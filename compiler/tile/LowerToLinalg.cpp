//===- LowerToLinalg.cpp - nn -> linalg on signless tensors ----------------===//
//
// Asks each nn op to lower itself (LowerOpInterface). Function signatures and constants become signless; booleans are
// stored as i8.
//
//   %y = nn.unary relu %x : (tensor<4xf32>) -> tensor<4xf32>
// becomes
//   %e = tensor.empty() : tensor<4xf32>
//   %y = linalg.generic {...} ins(%x) outs(%e) { ... arith.maximumf ... }
//
// Needs: func, nn, scf. Leaves: no nn op, no unsigned and no i1 tensor. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/Passes.h"
#include "tegula/dialects/nn/Nn.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERTOLINALG
#include "tegula/compiler/tile/Passes.h.inc"

/// The constant's value at the lowered type; weights keep their blob.
static ElementsAttr loweredValue(ElementsAttr value) {
  auto type = cast<RankedTensorType>(nn::loweredType(value.getShapedType()));
  if (type == value.getShapedType())
    return value;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return DenseResourceElementsAttr::get(type, resource.getRawHandle());
  SmallVector<APInt> elements;
  unsigned width = type.getElementType().getIntOrFloatBitWidth();
  for (const APInt &element : cast<DenseElementsAttr>(value).getValues<APInt>())
    elements.push_back(element.zextOrTrunc(width));
  return DenseElementsAttr::get(type, elements);
}

static LogicalResult lowerBlock(Block &from, OpBuilder &builder, IRMapping &mapping, bool roundsEach);

/// Tensors are lowered; a scalar (a condition) is a value, not storage.
static Type loweredTensor(Type type) { return isa<TensorType>(type) ? nn::loweredType(type) : type; }

/// Clones an op of another dialect with converted types; its regions are lowered in turn.
static LogicalResult lowerOther(Operation &op, OpBuilder &builder, IRMapping &mapping, bool roundsEach) {
  OperationState state(op.getLoc(), op.getName());
  for (Value operand : op.getOperands())
    state.addOperands(mapping.lookup(operand));
  for (Type type : op.getResultTypes())
    state.addTypes(loweredTensor(type));
  state.addAttributes(op.getDiscardableAttrDictionary().getValue());
  if (op.getPropertiesStorage())
    state.propertiesAttr = op.getPropertiesAsAttribute();
  for (unsigned i = 0; i < op.getNumRegions(); ++i)
    state.addRegion();
  Operation *clone = builder.create(state);
  bool ok = true;
  for (auto [source, target] : llvm::zip(op.getRegions(), clone->getRegions()))
    for (Block &block : source) {
      Block *copy = new Block();
      target.push_back(copy);
      for (BlockArgument argument : block.getArguments())
        mapping.map(argument, copy->addArgument(loweredTensor(argument.getType()), argument.getLoc()));
      OpBuilder inner = OpBuilder::atBlockEnd(copy);
      ok &= succeeded(lowerBlock(block, inner, mapping, roundsEach));
    }
  mapping.map(op.getResults(), clone->getResults());
  return success(ok);
}

/// Stands in for the results of an op that could not be lowered, so that the problems of later ops are found too.
static void mapToPoison(Operation &op, OpBuilder &builder, IRMapping &mapping) {
  for (Value result : op.getResults())
    mapping.map(result, ub::PoisonOp::create(builder, op.getLoc(), nn::loweredType(result.getType())));
}

/// Whether the op's results have no elements: nothing is to be computed, and no slice is in bounds.
static bool isEmpty(Operation &op) {
  return isa<nn::LowerOpInterface>(op) && isPure(&op) && op.getNumResults() > 0 &&
         llvm::all_of(op.getResultTypes(), [](Type type) {
           auto tensor = dyn_cast<RankedTensorType>(type);
           return tensor && llvm::is_contained(tensor.getShape(), 0) && tensor.hasStaticShape();
         });
}

/// With `roundsEach` as in LoweringBuilder.
static LogicalResult lowerBlock(Block &from, OpBuilder &builder, IRMapping &mapping, bool roundsEach) {
  bool ok = true;
  for (Operation &op : from) {
    if (auto constant = dyn_cast<nn::ConstantOp>(op)) {
      mapping.map(constant.getY(), arith::ConstantOp::create(builder, op.getLoc(), loweredValue(constant.getValue())));
      continue;
    }
    if (isEmpty(op)) {
      for (Value result : op.getResults())
        mapping.map(result,
                    tensor::EmptyOp::create(builder, op.getLoc(), cast<RankedTensorType>(result.getType()).getShape(),
                                            nn::loweredType(getElementTypeOrSelf(result.getType()))));
      continue;
    }
    auto lowerable = dyn_cast<nn::LowerOpInterface>(op);
    if (!lowerable) {
      ok &= succeeded(lowerOther(op, builder, mapping, roundsEach));
      continue;
    }
    SmallVector<Value> operands;
    for (Value operand : op.getOperands())
      operands.push_back(mapping.lookup(operand));
    nn::LoweringBuilder lowering(builder, op.getLoc());
    lowering.roundsEach = roundsEach;
    FailureOr<SmallVector<Value>> results = lowerable.lower(lowering, operands);
    if (failed(results)) {
      ok = false;
      mapToPoison(op, builder, mapping);
      continue;
    }
    for (auto [result, value] : llvm::zip(op.getResults(), *results)) {
      Type wanted = loweredTensor(result.getType());
      if (value.getType() != wanted)
        value = tensor::CastOp::create(builder, op.getLoc(), wanted, value);
      mapping.map(result, value);
    }
  }
  return success(ok);
}

/// Ends the run unless inputs' extents of one symbol are equal: what follows reads memory as if they were.
static void checkSymbols(func::FuncOp function, Block &block, OpBuilder &builder) {
  auto source = function->getParentOfType<ModuleOp>()->getAttrOfType<DictionaryAttr>(tgl::kSource);
  auto dims = source ? source.getAs<ArrayAttr>("dims") : ArrayAttr();
  if (!dims || !function->hasAttr(tgl::kInputs) || dims.size() != block.getNumArguments())
    return;
  llvm::StringMap<Value> extents;
  for (auto [argument, symbols] : llvm::zip(block.getArguments(), dims)) {
    auto type = cast<RankedTensorType>(argument.getType());
    nn::LoweringBuilder b(builder, argument.getLoc());
    for (auto [axis, symbol] : llvm::enumerate(cast<ArrayAttr>(symbols))) {
      StringRef name = cast<StringAttr>(symbol).getValue();
      if ((int64_t)axis >= type.getRank() || !type.isDynamicDim(axis) || name.empty())
        continue;
      Value extent = b.dim(argument, axis);
      auto [known, isNew] = extents.try_emplace(name, extent);
      if (!isNew)
        b.check(b.compare("ne", extent, known->second),
                "the extent of axis " + Twine(axis) + " differs from others of dimension '" + name + "'");
    }
  }
}

namespace {
struct LowerToLinalg : impl::LowerToLinalgBase<LowerToLinalg> {
  using LowerToLinalgBase::LowerToLinalgBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    SmallVector<Type> inputs, results;
    for (Type type : function.getArgumentTypes())
      inputs.push_back(nn::loweredType(type));
    for (Type type : function.getResultTypes())
      results.push_back(nn::loweredType(type));
    Region body;
    Block *block = new Block();
    body.push_back(block);
    IRMapping mapping;
    for (BlockArgument argument : function.getArguments())
      mapping.map(argument, block->addArgument(nn::loweredType(argument.getType()), argument.getLoc()));
    OpBuilder builder(&getContext());
    builder.setInsertionPointToEnd(block);
    checkSymbols(function, *block, builder);
    // In a quantized network a difference of rounding may become one of a whole step.
    bool isQuantized = function
                           .walk([](Operation *op) {
                             bool rounds = isa<nn::QuantizeOp, nn::LookupOp>(op);
                             return rounds ? WalkResult::interrupt() : WalkResult::advance();
                           })
                           .wasInterrupted();
    if (failed(lowerBlock(function.getBody().front(), builder, mapping, isQuantized))) {
      body.dropAllReferences();
      return signalPassFailure();
    }
    function.getBody().takeBody(body);
    function.setType(FunctionType::get(&getContext(), inputs, results));
  }
};
} // namespace
} // namespace tegula
