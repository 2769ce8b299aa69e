//===- BindDynamicResults.cpp - results of dynamic shape go to the runtime ----------===//
//
//   func.func @m(..., %call: !llvm.ptr) -> memref<?x4xf32> { return %y }
// becomes
//   func.func @m(..., %call: !llvm.ptr) {
//     %p = llvm.call @tegula_rt_output(%call, 0, 2, %dims); copy %y to %p unless it is null (the runtime has the error)
//
// Needs: OutlineUnits. Leaves: an entry without results. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/buffer/Passes.h"
#include "tegula/compiler/emit/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/FunctionCallUtils.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_BINDDYNAMICRESULTS
#include "tegula/compiler/emit/Passes.h.inc"

/// Stores the extents of `memory` in a stack array and returns its address.
static Value storeExtents(OpBuilder &b, Location loc, Value memory) {
  auto type = cast<MemRefType>(memory.getType());
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value count = LLVM::ConstantOp::create(b, loc, b.getI64Type(), std::max<int64_t>(type.getRank(), 1));
  Value array = LLVM::AllocaOp::create(b, loc, pointer, b.getI64Type(), count);
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    Value extent = arith::IndexCastOp::create(b, loc, b.getI64Type(), b.createOrFold<memref::DimOp>(loc, memory, axis));
    Value place = LLVM::GEPOp::create(b, loc, pointer, b.getI64Type(), array, ArrayRef<LLVM::GEPArg>{(int32_t)axis});
    LLVM::StoreOp::create(b, loc, extent, place);
  }
  return array;
}

namespace {
struct BindDynamicResults : impl::BindDynamicResultsBase<BindDynamicResults> {
  using BindDynamicResultsBase::BindDynamicResultsBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function->hasAttr(kEntry) && function.getNumResults())
        bind(function);
  }

  void bind(func::FuncOp function) {
    MLIRContext *context = &getContext();
    auto returned = cast<func::ReturnOp>(function.getBody().front().getTerminator());
    Location loc = returned.getLoc();
    OpBuilder b(returned);
    auto pointer = LLVM::LLVMPointerType::get(context);
    FailureOr<LLVM::LLVMFuncOp> output = LLVM::lookupOrCreateFn(
        b, getOperation(), "tegula_rt_output", {pointer, b.getI32Type(), b.getI32Type(), pointer}, pointer);
    if (failed(output))
      return signalPassFailure();
    auto boundAttr = function->getAttrOfType<DenseI64ArrayAttr>(kBoundOutputs);
    ArrayRef<int64_t> bound = boundAttr ? boundAttr.asArrayRef() : ArrayRef<int64_t>();
    Value call = function.getArguments().back();
    int64_t index = 0;
    for (Value memory : returned.getOperands()) {
      while (llvm::is_contained(bound, index))
        ++index;
      copyOut(b, loc, memory, index++, call, *output);
    }
    returned->setOperands({});
    function.setType(b.getFunctionType(function.getArgumentTypes(), {}));
  }

  void copyOut(OpBuilder &b, Location loc, Value memory, int64_t index, Value call, LLVM::LLVMFuncOp output) {
    auto type = cast<MemRefType>(memory.getType());
    auto constant = [&](int64_t value) -> Value { return LLVM::ConstantOp::create(b, loc, b.getI32Type(), value); };
    Value extents = storeExtents(b, loc, memory);
    Value target =
        LLVM::CallOp::create(b, loc, output, ValueRange{call, constant(index), constant(type.getRank()), extents})
            .getResult();
    Value null = LLVM::ZeroOp::create(b, loc, target.getType());
    Value isThere = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, target, null);
    Value bytes = arith::ConstantIndexOp::create(b, loc, (type.getElementTypeBitWidth() + 7) / 8);
    for (int64_t axis = 0; axis < type.getRank(); ++axis)
      bytes = b.createOrFold<arith::MulIOp>(loc, bytes, b.createOrFold<memref::DimOp>(loc, memory, axis));
    Value zero = arith::ConstantIndexOp::create(b, loc, 0);
    bytes = arith::SelectOp::create(b, loc, isThere, bytes, zero);
    Value address = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, memory);
    Value bits = arith::IndexCastOp::create(b, loc, b.getI64Type(), address);
    Value source = LLVM::IntToPtrOp::create(b, loc, target.getType(), bits);
    LLVM::MemcpyOp::create(b, loc, target, source, arith::IndexCastOp::create(b, loc, b.getI64Type(), bytes), false);
  }
};
} // namespace
} // namespace tegula
