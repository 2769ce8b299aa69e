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
#include "tegula/dialects/tgl/Tgl.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_BINDRESULTS
#include "tegula/compiler/buffer/Passes.h.inc"

namespace {
struct BindResults : impl::BindResultsBase<BindResults> {
  using BindResultsBase::BindResultsBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal() || function->hasAttr(kBoundOutputs) || !function->hasAttr(tgl::kOutputTypes))
      return;
    // The caller's inputs are read only.
    for (BlockArgument argument : function.getArguments())
      if (isa<TensorType>(argument.getType()))
        function.setArgAttr(argument.getArgNumber(), bufferization::BufferizationDialect::kWritableAttrName,
                            BoolAttr::get(&getContext(), false));
    auto returned = cast<func::ReturnOp>(function.getBody().front().getTerminator());
    OpBuilder b(returned);
    SmallVector<Value> kept;
    SmallVector<int64_t> bound;
    llvm::DenseMap<int64_t, ArrayRef<int64_t>> shapes;
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
      shapes[index] = type.getShape();
    }
    returned->setOperands(kept);
    SmallVector<Type> results;
    for (Value value : kept)
      results.push_back(value.getType());
    function.setType(FunctionType::get(&getContext(), function.getArgumentTypes(), results));
    function->setAttr(kBoundOutputs, b.getDenseI64ArrayAttr(bound));
    // The declared types of bound outputs are the final ones.
    SmallVector<Attribute> types(function->getAttrOfType<ArrayAttr>(tgl::kOutputTypes).getValue());
    for (auto [index, attr] : llvm::enumerate(types))
      if (llvm::is_contained(bound, (int64_t)index)) {
        auto declared = cast<RankedTensorType>(cast<TypeAttr>(attr).getValue());
        attr = TypeAttr::get(RankedTensorType::get(shapes[index], declared.getElementType()));
      }
    function->setAttr(tgl::kOutputTypes, b.getArrayAttr(types));
  }
};
} // namespace
} // namespace tegula
