//===- LowerHostLoads.cpp - the host reads single elements through the runtime ------------===//
//
//   %n = memref.load %m[%i] : memref<4xi64>   ->   %n = llvm.call @tegula_cuda_load(%call, %address, 8)
//
// Needs: OutlineUnits, so that the entry function has the run's handle. Leaves: no load in it. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/FunctionCallUtils.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERHOSTLOADS
#include "tegula/targets/cuda/Passes.h.inc"

namespace {
struct LowerHostLoads : impl::LowerHostLoadsBase<LowerHostLoads> {
  using LowerHostLoadsBase::LowerHostLoadsBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function->hasAttr(kEntry))
      return;
    SmallVector<memref::LoadOp> loads;
    function.walk([&](memref::LoadOp load) { loads.push_back(load); });
    for (memref::LoadOp load : loads)
      lower(load, function.getArguments().back());
  }

  /// The address of the element, as a pointer.
  static Value addressOf(OpBuilder &b, memref::LoadOp load, int64_t bytes) {
    Location loc = load.getLoc();
    auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, load.getMemRef());
    Value place = metadata.getOffset();
    for (auto [index, stride] : llvm::zip(load.getIndices(), metadata.getStrides()))
      place = arith::AddIOp::create(b, loc, place, arith::MulIOp::create(b, loc, index, stride));
    place = arith::MulIOp::create(b, loc, place, arith::ConstantIndexOp::create(b, loc, bytes));
    Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, metadata.getBaseBuffer());
    Value address = arith::AddIOp::create(b, loc, base, place);
    auto pointer = LLVM::LLVMPointerType::get(b.getContext());
    Value bits = arith::IndexCastOp::create(b, loc, b.getI64Type(), address);
    return LLVM::IntToPtrOp::create(b, loc, pointer, bits);
  }

  void lower(memref::LoadOp load, Value call) {
    OpBuilder b(load);
    Location loc = load.getLoc();
    Type type = load.getType(), i64 = b.getI64Type(), i32 = b.getI32Type();
    auto pointer = LLVM::LLVMPointerType::get(b.getContext());
    int64_t bits = type.isIndex() ? 64 : type.getIntOrFloatBitWidth(), bytes = (bits + 7) / 8;
    auto module = getOperation()->getParentOfType<ModuleOp>();
    OpBuilder atModule = OpBuilder::atBlockBegin(module.getBody());
    FailureOr<LLVM::LLVMFuncOp> read =
        LLVM::lookupOrCreateFn(atModule, module, "tegula_cuda_load", {pointer, pointer, i32}, i64);
    if (failed(read))
      return signalPassFailure();
    Value size = LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(bytes));
    Value bitsRead = LLVM::CallOp::create(b, loc, *read, ValueRange{call, addressOf(b, load, bytes), size}).getResult();
    Value value;
    if (type.isIndex()) {
      value = arith::IndexCastOp::create(b, loc, type, bitsRead);
    } else {
      Type integer = b.getIntegerType(bits);
      value = bits == 64 ? bitsRead : arith::TruncIOp::create(b, loc, integer, bitsRead).getResult();
      if (type != integer)
        value = arith::BitcastOp::create(b, loc, type, value);
    }
    load.replaceAllUsesWith(value);
    load.erase();
  }
};
} // namespace
} // namespace tegula
