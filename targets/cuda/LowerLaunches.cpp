//===- LowerLaunches.cpp - units run as kernels ---------------------------------------===//
//
//   llvm.call @unit_3(%c0, %count, %p, %q) {tgl.unit = 7}
// becomes
//   %parameters = alloca; store the addresses of %p, %q and %count
//   llvm.call @tegula_cuda_launch(%call, 2, %parameters, %count, 7)
//   llvm.func @kernel_2(%p, %q, %count) {nvvm.kernel} { %n = thread; if %n < %count: call @unit_3(%n, %n + 1, %p, %q) }
//
// Needs: the LLVM dialect. Leaves: no direct call of a unit; the kernels' order in `tgl.kernels`. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/emit/UnitArguments.h"
#include "tegula/targets/cuda/Cuda.h"
#include "tegula/targets/cuda/Passes.h"

#include "mlir/Dialect/LLVMIR/FunctionCallUtils.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERLAUNCHES
#include "tegula/targets/cuda/Passes.h.inc"

namespace {
struct LowerLaunches : impl::LowerLaunchesBase<LowerLaunches> {
  using LowerLaunchesBase::LowerLaunchesBase;

  void runOnOperation() override {
    module = getOperation();
    numbers.clear();
    kernels.clear();
    pointer = LLVM::LLVMPointerType::get(&getContext());
    LLVM::LLVMFuncOp entry;
    for (auto function : module.getOps<LLVM::LLVMFuncOp>())
      if (function->hasAttr(kEntry))
        entry = function;
    if (!entry || module->hasAttr(kKernels))
      return;
    handle = entry.getArguments().back();
    SmallVector<Operation *> ops;
    entry.walk([&](Operation *op) { ops.push_back(op); });
    for (Operation *op : ops) {
      if (auto call = dyn_cast<LLVM::CallOp>(op))
        lowerCall(call);
      else if (auto copy = dyn_cast<LLVM::MemcpyOp>(op))
        lowerCopy(copy);
    }
    moveConstants(entry);
    for (StringRef name : {"_mlir_memref_to_llvm_alloc", "_mlir_memref_to_llvm_free"})
      if (auto unused = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
        unused.erase();
    module->setAttr(kKernels, ArrayAttr::get(&getContext(), kernels));
  }

  LLVM::LLVMFuncOp declare(OpBuilder &b, StringRef name, ArrayRef<Type> inputs, Type result) {
    FailureOr<LLVM::LLVMFuncOp> function = LLVM::lookupOrCreateFn(b, module, name, inputs, result);
    return succeeded(function) ? *function : LLVM::LLVMFuncOp();
  }
  Type none() { return LLVM::LLVMVoidType::get(&getContext()); }

  void lowerCall(LLVM::CallOp call) {
    std::optional<StringRef> callee = call.getCallee();
    if (call->hasAttr(kUnit))
      launch(call);
    else if (callee && *callee == "_mlir_memref_to_llvm_alloc")
      redirect(call, "tegula_cuda_alloc", pointer);
    else if (callee && *callee == "_mlir_memref_to_llvm_free")
      redirect(call, "tegula_cuda_free", none());
  }

  void redirect(LLVM::CallOp call, StringRef name, Type result) {
    OpBuilder b(call);
    Value operand = call.getOperand(0);
    LLVM::LLVMFuncOp function = declare(b, name, {pointer, operand.getType()}, result);
    auto made = LLVM::CallOp::create(b, call.getLoc(), function, ValueRange{handle, operand});
    if (call.getNumResults())
      call.getResult().replaceAllUsesWith(made.getResult());
    call.erase();
  }

  void lowerCopy(LLVM::MemcpyOp copy) {
    OpBuilder b(copy);
    Type i64 = b.getI64Type();
    LLVM::LLVMFuncOp function = declare(b, "tegula_cuda_copy", {pointer, pointer, pointer, i64}, none());
    LLVM::CallOp::create(b, copy.getLoc(), function, ValueRange{handle, copy.getDst(), copy.getSrc(), copy.getLen()});
    copy.erase();
  }

  /// Constants are where the runtime has uploaded them.
  void moveConstants(LLVM::LLVMFuncOp entry) {
    SmallVector<LLVM::AddressOfOp> addresses;
    entry.walk([&](LLVM::AddressOfOp address) {
      if (auto global = module.lookupSymbol<LLVM::GlobalOp>(address.getGlobalName()); global && isWeight(global))
        addresses.push_back(address);
    });
    if (addresses.empty())
      return;
    OpBuilder b = OpBuilder::atBlockBegin(&entry.getBody().front());
    LLVM::LLVMFuncOp function = declare(b, "tegula_cuda_weights", {pointer}, b.getI64Type());
    Value distance = LLVM::CallOp::create(b, entry.getLoc(), function, handle).getResult();
    for (LLVM::AddressOfOp address : addresses) {
      b.setInsertionPointAfter(address);
      if (address->getBlock() == &entry.getBody().front())
        address->moveAfter(distance.getDefiningOp());
      b.setInsertionPointAfter(address);
      auto moved = LLVM::GEPOp::create(b, address.getLoc(), pointer, b.getI8Type(), address.getResult(),
                                       ArrayRef<LLVM::GEPArg>{distance});
      address.getResult().replaceAllUsesExcept(moved, moved);
    }
  }

  bool isWeight(LLVM::GlobalOp global) {
    auto constants = module->getAttrOfType<DictionaryAttr>(kConstants);
    return constants && constants.contains(global.getSymName());
  }

  void launch(LLVM::CallOp call) {
    OpBuilder b(call);
    Location loc = call.getLoc();
    auto code = module.lookupSymbol<LLVM::LLVMFuncOp>(*call.getCallee());
    llvm::SetVector<Value> stored;
    SmallVector<UnitArgument> sources = argumentsOf(call, code, stored);
    SmallVector<Value> values(stored.begin(), stored.end());
    Value count = call.getArgOperands()[1];
    values.push_back(count);
    Type i32 = b.getI32Type(), i64 = b.getI64Type();
    Value number = LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(kernelOf(code, values, sources)));
    Value unit = LLVM::ConstantOp::create(b, loc, call->getAttrOfType<IntegerAttr>(kUnit));
    LLVM::LLVMFuncOp function = declare(b, "tegula_cuda_launch", {pointer, i32, pointer, i64, i32}, none());
    LLVM::CallOp::create(b, loc, function, ValueRange{handle, number, addressesOf(call, values), count, unit});
    call.erase();
  }

  /// An array of the addresses of `values`, both on the stack.
  Value addressesOf(LLVM::CallOp call, ArrayRef<Value> values) {
    OpBuilder b(call), atStart = OpBuilder::atBlockBegin(&call->getParentOfType<LLVM::LLVMFuncOp>().getBody().front());
    Location loc = call.getLoc();
    SmallVector<Type> types;
    for (Value value : values)
      types.push_back(value.getType());
    auto record = LLVM::LLVMStructType::getLiteral(&getContext(), types);
    auto array = LLVM::LLVMArrayType::get(pointer, values.size());
    Value one = LLVM::ConstantOp::create(atStart, loc, atStart.getI64Type(), 1);
    Value memory = LLVM::AllocaOp::create(atStart, loc, pointer, record, one, 16);
    Value addresses = LLVM::AllocaOp::create(atStart, loc, pointer, array, one, 16);
    for (auto [index, value] : llvm::enumerate(values)) {
      SmallVector<LLVM::GEPArg> at{0, (int32_t)index};
      Value place = LLVM::GEPOp::create(b, loc, pointer, record, memory, at);
      LLVM::StoreOp::create(b, loc, value, place);
      LLVM::StoreOp::create(b, loc, place, LLVM::GEPOp::create(b, loc, pointer, array, addresses, at));
    }
    return addresses;
  }

  /// The number of the kernel that calls `code` with these sources; its parameters are `values`, the count last.
  int64_t kernelOf(LLVM::LLVMFuncOp code, ArrayRef<Value> values, ArrayRef<UnitArgument> sources) {
    auto [known, isNew] = numbers.try_emplace(callerKey(code, sources), kernels.size());
    if (!isNew) {
      describeParameters(module.lookupSymbol<LLVM::LLVMFuncOp>("kernel_" + std::to_string(known->second)), values,
                         false);
      return known->second;
    }
    std::string name = "kernel_" + std::to_string(kernels.size());
    OpBuilder b(code);
    // Threads that share the work of an iteration, or have one each.
    auto together = code->getAttrOfType<IntegerAttr>(tgl::kThreads);
    int64_t threads = together ? together.getInt() : cuda::kThreads;
    kernels.push_back(b.getDictionaryAttr({b.getNamedAttr("iterations", b.getI64IntegerAttr(together ? 1 : threads)),
                                           b.getNamedAttr("name", b.getStringAttr(name)),
                                           b.getNamedAttr("threads", b.getI64IntegerAttr(threads))}));
    Location loc = code.getLoc();
    SmallVector<Type> types;
    for (Value value : values)
      types.push_back(value.getType());
    auto kernel = LLVM::LLVMFuncOp::create(b, loc, name, LLVM::LLVMFunctionType::get(none(), types));
    kernel->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
    kernel->setAttr(kKernel, SymbolRefAttr::get(&getContext(), code.getName()));
    fill(kernel, code, sources);
    describeParameters(kernel, values, /*isNew=*/true);
    return known->second;
  }

  /// The global that begins at `address`, if one does.
  static LLVM::AddressOfOp globalOf(Value address) {
    while (auto step = address.getDefiningOp<LLVM::GEPOp>()) {
      auto isZero = [](auto index) { return isa<IntegerAttr>(index) && cast<IntegerAttr>(index).getValue().isZero(); };
      if (!llvm::all_of(step.getIndices(), isZero))
        return {};
      address = step.getBase();
    }
    return address.getDefiningOp<LLVM::AddressOfOp>();
  }

  /// Bytes of which an address of the entry is a multiple: tensors of the caller's, of the arena and of the weights
  /// begin at such of kAlign at least.
  static uint64_t alignmentOf(Value address) {
    // More would be true; but of three neighbours that are aligned enough LLVM loads four, beyond the end of a tensor.
    constexpr uint64_t kAlign = 2;
    if (isa<BlockArgument>(address))
      return kAlign;
    if (auto call = address.getDefiningOp<LLVM::CallOp>())
      return call.getCallee() == "tegula_cuda_alloc" ? kAlign : 1;
    if (globalOf(address))
      return kAlign;
    auto step = address.getDefiningOp<LLVM::GEPOp>();
    if (!step || !step.getElemType().isInteger(8))
      return 1;
    auto index = step.getIndices()[0];
    APInt constant(64, 0);
    if (auto number = dyn_cast<IntegerAttr>(index))
      constant = number.getValue();
    else if (!matchPattern(cast<Value>(index), m_ConstantInt(&constant)))
      return 1;
    uint64_t bytes = constant.getZExtValue();
    return std::min(alignmentOf(step.getBase()), bytes ? bytes & -bytes : kAlign);
  }

  /// Tells what holds of the addresses in all calls of a kernel: how they are aligned, and that only it accesses them.
  void describeParameters(LLVM::LLVMFuncOp kernel, ArrayRef<Value> values, bool isNew) {
    StringRef name = LLVM::LLVMDialect::getAlignAttrName();
    for (auto [place, value] : llvm::enumerate(values)) {
      if (!isa<LLVM::LLVMPointerType>(value.getType()))
        continue;
      uint64_t alignment = alignmentOf(value);
      if (auto known = kernel.getArgAttrOfType<IntegerAttr>(place, name))
        alignment = std::min<uint64_t>(alignment, known.getInt());
      kernel.setArgAttr(place, name, IntegerAttr::get(IntegerType::get(&getContext(), 64), alignment));
      // Nobody writes weights.
      StringRef alone = LLVM::LLVMDialect::getNoAliasAttrName();
      LLVM::AddressOfOp weight = globalOf(value);
      if (!weight || !isWeight(module.lookupSymbol<LLVM::GlobalOp>(weight.getGlobalName())))
        kernel.removeArgAttr(place, alone);
      else if (isNew)
        kernel.setArgAttr(place, alone, UnitAttr::get(&getContext()));
    }
  }

  void fill(LLVM::LLVMFuncOp kernel, LLVM::LLVMFuncOp code, ArrayRef<UnitArgument> sources) {
    OpBuilder b(&getContext());
    Location loc = code.getLoc();
    Block *start = kernel.addEntryBlock(b), *work = b.createBlock(&kernel.getBody(), kernel.getBody().end()),
          *end = b.createBlock(&kernel.getBody(), kernel.getBody().end());
    b.setInsertionPointToStart(start);
    Type i32 = b.getI32Type(), i64 = b.getI64Type();
    auto wide = [&](Value value) { return LLVM::ZExtOp::create(b, loc, i64, value); };
    auto flags = LLVM::IntegerOverflowFlags::nsw | LLVM::IntegerOverflowFlags::nuw;
    Value iteration = wide(NVVM::BlockIdXOp::create(b, loc, i32));
    if (!code->hasAttr(tgl::kThreads)) {
      Value threads = LLVM::ConstantOp::create(b, loc, b.getI64IntegerAttr(cuda::kThreads));
      Value first = LLVM::MulOp::create(b, loc, iteration, threads, flags);
      iteration = LLVM::AddOp::create(b, loc, first, wide(NVVM::ThreadIdXOp::create(b, loc, i32)), flags);
    }
    Value isThere = LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ult, iteration, kernel.getArguments().back());
    LLVM::CondBrOp::create(b, loc, isThere, work, end);
    b.setInsertionPointToStart(work);
    Value one = LLVM::ConstantOp::create(b, loc, b.getI64IntegerAttr(1));
    SmallVector<Value> operands{iteration, LLVM::AddOp::create(b, loc, iteration, one, flags)};
    addOperands(b, code, sources, [&](int64_t place, Type) -> Value { return kernel.getArgument(place); }, operands);
    LLVM::CallOp::create(b, loc, code, operands);
    LLVM::BrOp::create(b, loc, end);
    b.setInsertionPointToStart(end);
    LLVM::ReturnOp::create(b, loc, ValueRange());
  }

  ModuleOp module;
  Value handle;
  Type pointer;
  llvm::StringMap<int64_t> numbers;
  SmallVector<Attribute> kernels;
};
} // namespace
} // namespace tegula
