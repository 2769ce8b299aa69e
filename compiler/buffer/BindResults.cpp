//===- BindResults.cpp - results of static shape go to the caller's memory ----===//
//
//   func.func @m(%x: tensor<4xf32>) -> tensor<4xf32> { ... return %y }
// becomes
//   func.func @m(%x: tensor<4xf32>, %out: memref<4xf32>) {
//     bufferization.materialize_in_destination %y in restrict writable %out
//
// Needs: tensors. Leaves: results of dynamic shape only. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/buffer/Passes.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_BINDRESULTS
#include "tegula/compiler/buffer/Passes.h.inc"

namespace {
struct BindResults : impl::BindResultsBase<BindResults> {
  using BindResultsBase::BindResultsBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal() || function->hasAttr(kBoundOutputs))
      return;
    auto returned = cast<func::ReturnOp>(function.getBody().front().getTerminator());
    OpBuilder b(returned);
    SmallVector<Value> kept;
    SmallVector<int64_t> bound;
    for (auto [index, value] : llvm::enumerate(returned.getOperands())) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type || !type.hasStaticShape()) {
        kept.push_back(value);
        continue;
      }
      auto memory = MemRefType::get(type.getShape(), type.getElementType());
      unsigned at = function.getNumArguments();
      if (failed(function.insertArgument(at, memory, {}, returned.getLoc())))
        return signalPassFailure();
      auto write = bufferization::MaterializeInDestinationOp::create(b, returned.getLoc(), Type(), value,
                                                                     function.getArgument(at));
      write.setRestrict(true);
      write.setWritable(true);
      bound.push_back(index);
    }
    returned->setOperands(kept);
    SmallVector<Type> results;
    for (Value value : kept)
      results.push_back(value.getType());
    function.setType(FunctionType::get(&getContext(), function.getArgumentTypes(), results));
    function->setAttr(kBoundOutputs, b.getDenseI64ArrayAttr(bound));
  }
};
} // namespace
} // namespace tegula
