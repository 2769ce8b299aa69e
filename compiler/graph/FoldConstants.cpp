//===- FoldConstants.cpp - ops on constants are compiled and run ---------------------------===//
//
//   %v = nn.binary mul %w, %s   (both constant)   ->   %v = nn.constant dense_resource<folded>
//
// The constant part becomes a function of its own: large constants are its arguments, so that no weight is copied into
// code.
//
// Needs: nn. Leaves: no op on constants of static shape, except where the result would be much larger than its inputs.
// Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/Evaluate.h"
#include "tegula/compiler/graph/Passes.h"
#include "tegula/dialects/nn/Nn.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "tegula/compiler/graph/Passes.h.inc"

static constexpr int64_t kLargeResultBytes = 1 << 20;

static int64_t bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getNumElements() * ((tensor.getElementTypeBitWidth() + 7) / 8);
}

/// Whether the op can be evaluated, all its operands being constant.
static bool canEvaluate(Operation &op) {
  if (!isa<nn::NnDialect>(op.getDialect()) || isa<nn::ConstantOp, nn::ConditionOp>(op) || op.getNumOperands() == 0 ||
      !isPure(&op))
    return false;
  int64_t inputs = 0, results = 0;
  for (Value operand : op.getOperands())
    inputs += bytesOf(operand.getType());
  for (Type type : op.getResultTypes()) {
    if (!cast<RankedTensorType>(type).hasStaticShape() || cast<RankedTensorType>(type).getNumElements() == 0)
      return false;
    results += bytesOf(type);
  }
  return results <= kLargeResultBytes || results <= 8 * inputs;
}

namespace {
struct FoldConstants : impl::FoldConstantsBase<FoldConstants> {
  using FoldConstantsBase::FoldConstantsBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function->hasAttr(tgl::kInputs) && failed(fold(function)))
        return signalPassFailure();
  }

  LogicalResult fold(func::FuncOp function) {
    hoistFromBranches(function);
    SetVector<Operation *> ops;
    for (Operation &op : function.getBody().front())
      if (isOnConstants(op, ops) && canEvaluate(op))
        ops.insert(&op);
    SmallVector<Value> wanted;
    for (Operation *op : ops)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !ops.contains(user); }))
          wanted.push_back(result);
    if (wanted.empty())
      return success();

    SmallVector<DenseResourceElementsAttr> large;
    OwningOpRef<ModuleOp> part = extract(function, ops.getArrayRef(), wanted, large);
    FailureOr<SmallVector<AsmResourceBlob>> values = evaluateConstants(*part, large);
    if (failed(values))
      return function.emitError("[T9002] the constant part of the model could not be evaluated");
    for (auto [value, blob] : llvm::zip(wanted, *values)) {
      OpBuilder b(value.getDefiningOp());
      auto type = cast<RankedTensorType>(value.getType());
      Value constant = nn::ConstantOp::create(b, value.getLoc(), constantOf(type, std::move(blob)));
      value.replaceAllUsesWith(constant);
    }
    folded += ops.size();
    for (Operation *op : llvm::reverse(ops.getArrayRef()))
      op->erase();
    releaseUnused(function, large);
    return success();
  }

  static bool isOnConstants(Operation &op, const SetVector<Operation *> &ops) {
    return op.getNumRegions() == 0 && llvm::all_of(op.getOperands(), [&](Value operand) {
             Operation *def = operand.getDefiningOp();
             return def && (isa<nn::ConstantOp>(def) || ops.contains(def));
           });
  }

  /// Ops on constants inside branches and loops move before them, to be folded like all others.
  static void hoistFromBranches(func::FuncOp function) {
    Block &body = function.getBody().front();
    SetVector<Operation *> constant;
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (op == function || !isOnConstants(*op, constant) || !(isa<nn::ConstantOp>(op) || canEvaluate(*op)))
        return;
      constant.insert(op);
      if (Operation *top = body.findAncestorOpInBlock(*op); top != op)
        op->moveBefore(top);
    });
  }

  /// Small results become dense attributes again, for folders and kernels.
  static ElementsAttr constantOf(RankedTensorType type, AsmResourceBlob blob) {
    if (type.getNumElements() <= nn::kSmallElements && !type.getElementType().isInteger(1))
      return DenseElementsAttr::getFromRawBuffer(type, blob.getData());
    if (type.getNumElements() <= nn::kSmallElements) {
      SmallVector<bool> bits;
      for (char byte : blob.getData())
        bits.push_back(byte != 0);
      return DenseElementsAttr::get(type, bits);
    }
    return DenseResourceElementsAttr::get(type, "folded", std::move(blob));
  }

  /// A module with one function: large constants -> wanted values.
  OwningOpRef<ModuleOp> extract(func::FuncOp function, ArrayRef<Operation *> ops, ArrayRef<Value> wanted,
                                SmallVectorImpl<DenseResourceElementsAttr> &large) {
    OpBuilder b(&getContext());
    OwningOpRef<ModuleOp> module = ModuleOp::create(function.getLoc());
    auto part = func::FuncOp::create(function.getLoc(), "constants", b.getFunctionType({}, {}));
    module->push_back(part);
    Block *body = part.addEntryBlock();
    b.setInsertionPointToStart(body);
    IRMapping mapping;
    SmallVector<Attribute> inputNames, inputTypes, outputNames, outputTypes;
    for (Operation *op : ops) {
      for (Value operand : op->getOperands()) {
        if (mapping.contains(operand))
          continue;
        auto constant = operand.getDefiningOp<nn::ConstantOp>();
        if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue())) {
          mapping.map(operand, body->addArgument(operand.getType(), operand.getLoc()));
          inputNames.push_back(b.getStringAttr("c" + std::to_string(large.size())));
          inputTypes.push_back(TypeAttr::get(operand.getType()));
          large.push_back(resource);
        } else {
          b.clone(*constant, mapping);
        }
      }
      b.clone(*op, mapping);
    }
    SmallVector<Value> results;
    SmallVector<Type> types;
    for (Value value : wanted) {
      outputNames.push_back(b.getStringAttr("r" + std::to_string(results.size())));
      outputTypes.push_back(TypeAttr::get(value.getType()));
      results.push_back(mapping.lookup(value));
      types.push_back(value.getType());
    }
    func::ReturnOp::create(b, function.getLoc(), results);
    part.setType(b.getFunctionType(body->getArgumentTypes(), types));
    part->setAttr(tgl::kInputs, b.getArrayAttr(inputNames));
    part->setAttr(tgl::kInputTypes, b.getArrayAttr(inputTypes));
    part->setAttr(tgl::kOutputs, b.getArrayAttr(outputNames));
    part->setAttr(tgl::kOutputTypes, b.getArrayAttr(outputTypes));
    return module;
  }

  /// Frees the bytes of constants that nothing refers to any more.
  void releaseUnused(func::FuncOp function, ArrayRef<DenseResourceElementsAttr> large) {
    llvm::StringSet<> used;
    SmallVector<nn::ConstantOp> dead;
    function.walk([&](nn::ConstantOp constant) {
      if (constant->use_empty())
        dead.push_back(constant);
      else if (auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue()))
        used.insert(resource.getRawHandle().getKey());
    });
    for (nn::ConstantOp constant : dead)
      constant.erase();
    for (DenseResourceElementsAttr resource : large) {
      auto handle = resource.getRawHandle();
      if (!used.contains(handle.getKey()) && handle.getBlob())
        handle.getResource()->setBlob(AsmResourceBlob());
    }
  }
};
} // namespace
} // namespace tegula
