//===- LowerChecks.cpp - the run ends where a check fails ----------------------------===//
//
//   cf.assert %ok, "index out of range"   ->   cf.cond_br %ok, ^on, ^failed
//                                              ^failed: llvm.call @tegula_rt_error(%call, 4, "node 'g': index ...");
//                                              return
//
// Needs: OutlineUnits, structured control flow lowered. Leaves: no cf.assert. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/emit/Passes.h"
#include "tegula/dialects/tgl/NodeName.h"
#include "tegula/runtime/tegula.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/FunctionCallUtils.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERCHECKS
#include "tegula/compiler/emit/Passes.h.inc"

namespace {
struct LowerChecks : impl::LowerChecksBase<LowerChecks> {
  using LowerChecksBase::LowerChecksBase;

  void runOnOperation() override {
    SmallVector<cf::AssertOp> checks;
    getOperation().walk([&](cf::AssertOp check) { checks.push_back(check); });
    for (cf::AssertOp check : checks) {
      auto entry = check->getParentOfType<func::FuncOp>();
      if (!entry->hasAttr(kEntry) || check->getParentOp() != entry) {
        check.emitError("a check inside a unit cannot end the run");
        return signalPassFailure();
      }
      lower(check, entry);
    }
  }

  void lower(cf::AssertOp check, func::FuncOp entry) {
    Location loc = check.getLoc();
    OpBuilder b(check);
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    FailureOr<LLVM::LLVMFuncOp> error =
        LLVM::lookupOrCreateFn(b, getOperation(), "tegula_rt_error", {pointer, b.getI32Type(), pointer},
                               LLVM::LLVMVoidType::get(&getContext()));
    if (failed(error))
      return signalPassFailure();
    Block *before = check->getBlock(), *after = before->splitBlock(check->getNextNode());
    Block *failed = b.createBlock(after->getParent());
    Value text = LLVM::AddressOfOp::create(b, loc, pointer, textOf(check));
    Value code = LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(TEGULA_RUN_ERROR));
    LLVM::CallOp::create(b, loc, *error, ValueRange{entry.getArguments().back(), code, text});
    func::ReturnOp::create(b, loc);
    b.setInsertionPointToEnd(before);
    cf::CondBranchOp::create(b, loc, check.getArg(), after, ValueRange(), failed, ValueRange());
    check.erase();
  }

  /// A global that holds the message.
  StringRef textOf(cf::AssertOp check) {
    std::string node = nodeNameOf(check.getLoc());
    std::string text = (node.empty() ? "" : "node '" + node + "': ") + check.getMsg().str();
    text.push_back('\0');
    OpBuilder b = OpBuilder::atBlockBegin(getOperation().getBody());
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), text.size());
    std::string name = "check_" + std::to_string(count++);
    auto global = LLVM::GlobalOp::create(b, check.getLoc(), type, /*isConstant=*/true, LLVM::Linkage::Internal, name,
                                         b.getStringAttr(text));
    return global.getSymName();
  }

  int64_t count = 0;
};
} // namespace
} // namespace tegula
