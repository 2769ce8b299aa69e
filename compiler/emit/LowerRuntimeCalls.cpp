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

#include "tegula/compiler/emit/Passes.h"
#include "tegula/compiler/emit/UnitArguments.h"

#include "mlir/Dialect/LLVMIR/FunctionCallUtils.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERRUNTIMECALLS
#include "tegula/compiler/emit/Passes.h.inc"

namespace {
struct LowerRuntimeCalls : impl::LowerRuntimeCallsBase<LowerRuntimeCalls> {
  using LowerRuntimeCallsBase::LowerRuntimeCallsBase;

  void runOnOperation() override {
    module = getOperation();
    thunks.clear();
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
    if (made.getNumResults())
      leaveWithout(made);
  }

  /// Ends the run when there is no memory; the runtime has reported it.
  void leaveWithout(LLVM::CallOp allocation) {
    Location loc = allocation.getLoc();
    Block *before = allocation->getBlock(), *after = before->splitBlock(allocation->getNextNode());
    OpBuilder b(&getContext());
    Block *leave = b.createBlock(after->getParent());
    LLVM::ReturnOp::create(b, loc, ValueRange());
    b.setInsertionPointToEnd(before);
    Value null = LLVM::ZeroOp::create(b, loc, pointer);
    Value isThere = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, allocation.getResult(), null);
    LLVM::CondBrOp::create(b, loc, isThere, after, leave);
  }

  void launch(LLVM::CallOp call, Value handle) {
    OpBuilder b(call);
    Location loc = call.getLoc();
    auto code = module.lookupSymbol<LLVM::LLVMFuncOp>(*call.getCallee());
    SetVector<Value> stored;
    SmallVector<UnitArgument> sources = argumentsOf(call, code, stored);
    SmallVector<Type> types;
    for (Value value : stored)
      types.push_back(value.getType());
    auto record = LLVM::LLVMStructType::getLiteral(&getContext(), types);
    auto entry = call->getParentOfType<LLVM::LLVMFuncOp>();
    OpBuilder atStart = OpBuilder::atBlockBegin(&entry.getBody().front());
    Value one = LLVM::ConstantOp::create(atStart, loc, atStart.getI64Type(), 1);
    Value memory = LLVM::AllocaOp::create(atStart, loc, pointer, record, one, 16);
    for (auto [index, value] : llvm::enumerate(stored)) {
      Value place = LLVM::GEPOp::create(b, loc, pointer, record, memory, ArrayRef<LLVM::GEPArg>{0, (int32_t)index});
      LLVM::StoreOp::create(b, loc, value, place);
    }
    LLVM::LLVMFuncOp thunk = thunkOf(code, record, sources);
    Type i64 = b.getI64Type(), i32 = b.getI32Type();
    LLVM::LLVMFuncOp parallel =
        declare(b, "tegula_rt_parallel", {pointer, pointer, pointer, i64, i32}, LLVM::LLVMVoidType::get(&getContext()));
    Value address = LLVM::AddressOfOp::create(b, loc, thunk);
    Value unit = LLVM::ConstantOp::create(b, loc, call->getAttrOfType<IntegerAttr>(kUnit));
    Value count = call.getArgOperands()[1];
    LLVM::CallOp::create(b, loc, parallel, ValueRange{handle, address, memory, count, unit});
    call.erase();
  }

  /// The function that unpacks a record of this layout for `code`; calls with the same sources share it.
  LLVM::LLVMFuncOp thunkOf(LLVM::LLVMFuncOp code, LLVM::LLVMStructType record, ArrayRef<UnitArgument> sources) {
    LLVM::LLVMFuncOp &thunk = thunks[callerKey(code, sources)];
    if (thunk)
      return thunk;
    std::string name = code.getName().str() + ".thunk";
    for (int64_t next = 1; module.lookupSymbol(name); ++next)
      name = code.getName().str() + "." + std::to_string(next) + ".thunk";
    OpBuilder b(code);
    Location loc = code.getLoc();
    Type i64 = b.getI64Type(), none = LLVM::LLVMVoidType::get(&getContext());
    thunk = LLVM::LLVMFuncOp::create(b, loc, name, LLVM::LLVMFunctionType::get(none, {pointer, i64, i64}),
                                     LLVM::Linkage::Internal);
    thunk->setAttr(kKernel, SymbolRefAttr::get(&getContext(), code.getName()));
    Block *body = thunk.addEntryBlock(b);
    b.setInsertionPointToStart(body);
    SmallVector<Value> operands{body->getArgument(1), body->getArgument(2)};
    auto load = [&](int64_t place, Type type) -> Value {
      Value address =
          LLVM::GEPOp::create(b, loc, pointer, record, body->getArgument(0), ArrayRef<LLVM::GEPArg>{0, (int32_t)place});
      return LLVM::LoadOp::create(b, loc, type, address);
    };
    addOperands(b, code, sources, load, operands);
    LLVM::CallOp::create(b, loc, code, operands);
    LLVM::ReturnOp::create(b, loc, ValueRange());
    return thunk;
  }

  llvm::StringMap<LLVM::LLVMFuncOp> thunks;
  ModuleOp module;
  Type pointer;
};
} // namespace
} // namespace tegula
