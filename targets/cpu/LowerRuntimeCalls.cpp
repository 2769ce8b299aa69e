//===- LowerRuntimeCalls.cpp - units run and memory comes through the runtime --------===//
//
//   llvm.call @unit_3(%c0, %count, %p, %q) {tgl.unit = 7}
// becomes
//   %record = alloca {ptr, ptr}; store %p, %q
//   llvm.call @tegula_rt_parallel(%call, @unit_3.thunk, %record, %count, 7)
//   llvm.func @unit_3.thunk(%record, %begin, %end) { load; call @unit_3(%begin, %end, ...) }
//
// Needs: the LLVM dialect. Leaves: no direct call of a unit. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/targets/cpu/Passes.h"

#include "mlir/Dialect/LLVMIR/FunctionCallUtils.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERRUNTIMECALLS
#include "tegula/targets/cpu/Passes.h.inc"

namespace {
struct LowerRuntimeCalls : impl::LowerRuntimeCallsBase<LowerRuntimeCalls> {
  using LowerRuntimeCallsBase::LowerRuntimeCallsBase;

  void runOnOperation() override {
    module = getOperation();
    OpBuilder b(&getContext());
    pointer = LLVM::LLVMPointerType::get(&getContext());
    SmallVector<LLVM::CallOp> calls;
    LLVM::LLVMFuncOp entry;
    for (auto function : module.getOps<LLVM::LLVMFuncOp>()) {
      if (function->hasAttr(kEntry))
        entry = function;
      function.walk([&](LLVM::CallOp call) { calls.push_back(call); });
    }
    if (!entry)
      return;
    Value handle = entry.getArguments().back();
    for (LLVM::CallOp call : calls) {
      std::optional<StringRef> callee = call.getCallee();
      if (!callee)
        continue;
      if (call->hasAttr(kUnit))
        launch(call, handle);
      else if (*callee == "_mlir_memref_to_llvm_alloc")
        redirect(call, handle, "tegula_rt_alloc", pointer);
      else if (*callee == "_mlir_memref_to_llvm_free")
        redirect(call, handle, "tegula_rt_free", LLVM::LLVMVoidType::get(&getContext()));
    }
    for (StringRef name : {"_mlir_memref_to_llvm_alloc", "_mlir_memref_to_llvm_free"})
      if (auto unused = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
        unused.erase();
  }

  LLVM::LLVMFuncOp declare(OpBuilder &b, StringRef name, ArrayRef<Type> inputs, Type result) {
    FailureOr<LLVM::LLVMFuncOp> function = LLVM::lookupOrCreateFn(b, module, name, inputs, result);
    return succeeded(function) ? *function : LLVM::LLVMFuncOp();
  }

  void redirect(LLVM::CallOp call, Value handle, StringRef name, Type result) {
    OpBuilder b(call);
    Value operand = call.getOperand(0);
    LLVM::LLVMFuncOp function = declare(b, name, {pointer, operand.getType()}, result);
    auto made = LLVM::CallOp::create(b, call.getLoc(), function, ValueRange{handle, operand});
    if (call.getNumResults())
      call.getResult().replaceAllUsesWith(made.getResult());
    call.erase();
  }

  void launch(LLVM::CallOp call, Value handle) {
    OpBuilder b(call);
    Location loc = call.getLoc();
    auto code = module.lookupSymbol<LLVM::LLVMFuncOp>(*call.getCallee());
    SmallVector<Value> arguments(call.getArgOperands().drop_front(2));
    SmallVector<Type> types;
    for (Value argument : arguments)
      types.push_back(argument.getType());
    auto record = LLVM::LLVMStructType::getLiteral(&getContext(), types);
    auto entry = call->getParentOfType<LLVM::LLVMFuncOp>();
    OpBuilder atStart = OpBuilder::atBlockBegin(&entry.getBody().front());
    Value one = LLVM::ConstantOp::create(atStart, loc, atStart.getI64Type(), 1);
    Value memory = LLVM::AllocaOp::create(atStart, loc, pointer, record, one, 16);
    for (auto [index, argument] : llvm::enumerate(arguments)) {
      Value place = LLVM::GEPOp::create(b, loc, pointer, record, memory, ArrayRef<LLVM::GEPArg>{0, (int32_t)index});
      LLVM::StoreOp::create(b, loc, argument, place);
    }
    LLVM::LLVMFuncOp thunk = thunkOf(code, record);
    Type i64 = b.getI64Type(), i32 = b.getI32Type();
    LLVM::LLVMFuncOp parallel = declare(b, "tegula_rt_parallel", {pointer, pointer, pointer, i64, i32},
                                        LLVM::LLVMVoidType::get(&getContext()));
    Value address = LLVM::AddressOfOp::create(b, loc, thunk);
    Value unit = LLVM::ConstantOp::create(b, loc, call->getAttrOfType<IntegerAttr>(kUnit));
    Value count = call.getArgOperands()[1];
    LLVM::CallOp::create(b, loc, parallel, ValueRange{handle, address, memory, count, unit});
    call.erase();
  }

  LLVM::LLVMFuncOp thunkOf(LLVM::LLVMFuncOp code, LLVM::LLVMStructType record) {
    std::string name = (code.getName() + ".thunk").str();
    if (auto known = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
      return known;
    OpBuilder b(code);
    Location loc = code.getLoc();
    Type i64 = b.getI64Type(), none = LLVM::LLVMVoidType::get(&getContext());
    auto thunk = LLVM::LLVMFuncOp::create(b, loc, name, LLVM::LLVMFunctionType::get(none, {pointer, i64, i64}),
                                          LLVM::Linkage::Internal);
    thunk->setAttr(kKernel, b.getUnitAttr());
    Block *body = thunk.addEntryBlock(b);
    b.setInsertionPointToStart(body);
    SmallVector<Value> operands{body->getArgument(1), body->getArgument(2)};
    for (auto [index, type] : llvm::enumerate(record.getBody())) {
      Value place =
          LLVM::GEPOp::create(b, loc, pointer, record, body->getArgument(0), ArrayRef<LLVM::GEPArg>{0, (int32_t)index});
      operands.push_back(LLVM::LoadOp::create(b, loc, type, place));
    }
    LLVM::CallOp::create(b, loc, code, operands);
    LLVM::ReturnOp::create(b, loc, ValueRange());
    return thunk;
  }

  ModuleOp module;
  Type pointer;
};
} // namespace
} // namespace tegula
