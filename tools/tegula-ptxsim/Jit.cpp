//===- Jit.cpp - LLVM IR to code of the host ----------------------------------===//
//
// Blocks of a kernel are entered from the dispatch and from each other, and values between them are in memory: what
// there is to optimise is within a block. A few passes over functions do that in a fraction of what -O2 takes.
//
//===----------------------------------------------------------------------===//
#include "Jit.h"
#include "Runtime.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/ExecutionEngine/Orc/ThreadSafeModule.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/ADCE.h"
#include "llvm/Transforms/Scalar/DCE.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"

using namespace llvm;

namespace ptxsim {

static void defineHelpers(orc::LLJIT &jit, ArrayRef<Helper> helpers, orc::SymbolMap &symbols) {
  for (const Helper &helper : helpers)
    symbols[jit.mangleAndIntern(helper.name)] = {orc::ExecutorAddr::fromPtr(helper.function), JITSymbolFlags::Exported};
}

std::unique_ptr<orc::LLJIT> makeJit(std::string &log) {
  InitializeNativeTarget();
  InitializeNativeTargetAsmPrinter();
  auto host = orc::JITTargetMachineBuilder::detectHost();
  if (!host) {
    log = toString(host.takeError());
    return nullptr;
  }
  // Most of the time goes by in the helpers: better code would not pay for its making.
  host->setCodeGenOptLevel(CodeGenOptLevel::Less);
  auto jit = orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(*host)).create();
  if (!jit) {
    log = toString(jit.takeError());
    return nullptr;
  }
  orc::SymbolMap symbols;
  for (ArrayRef<Helper> helpers : {memoryHelpers(), controlHelpers(), warpHelpers(), mathHelpers(), atomicHelpers(),
                                   matrixHelpers(), asyncHelpers()})
    defineHelpers(**jit, helpers, symbols);
  if (Error failed = (*jit)->getMainJITDylib().define(orc::absoluteSymbols(std::move(symbols)))) {
    log = toString(std::move(failed));
    return nullptr;
  }
  return std::move(*jit);
}

static void optimise(llvm::Module &module) {
  PassBuilder builder;
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  FunctionPassManager passes;
  passes.addPass(EarlyCSEPass());
  passes.addPass(InstCombinePass());
  passes.addPass(DCEPass());
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      passes.run(function, functions);
}

void *addToJit(orc::LLJIT &jit, std::unique_ptr<llvm::Module> module, std::unique_ptr<LLVMContext> context,
               const std::string &symbol, std::string &log) {
  module->setDataLayout(jit.getDataLayout());
  module->setTargetTriple(jit.getTargetTriple());
  optimise(*module);
  if (Error failed = jit.addIRModule(orc::ThreadSafeModule(std::move(module), std::move(context)))) {
    log = toString(std::move(failed));
    return nullptr;
  }
  auto address = jit.lookup(symbol);
  if (!address) {
    log = toString(address.takeError());
    return nullptr;
  }
  return address->toPtr<void *>();
}

} // namespace ptxsim
