//===- Device.cpp - kernels as PTX ---------------------------------------------------------===//

#include "tegula/targets/cuda/Cuda.h"
#include "tegula/targets/cuda/Passes.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/GlobalDCE.h"
#include "llvm/Transforms/IPO/Internalize.h"

using namespace mlir;

extern "C" const char tegulaCudaMath[], tegulaCudaMathEnd[];

namespace tegula::cuda {

static constexpr llvm::StringLiteral kTriple = "nvptx64-nvidia-cuda";

/// The units' functions and kernels, in a module of their own.
static OwningOpRef<ModuleOp> extractKernels(ModuleOp module) {
  OwningOpRef<ModuleOp> copy = ModuleOp::create(module.getLoc());
  OpBuilder b = OpBuilder::atBlockEnd(copy->getBody());
  for (auto function : module.getOps<LLVM::LLVMFuncOp>())
    if (function->hasAttr(kKernel) || function.isExternal()) {
      auto clone = cast<LLVM::LLVMFuncOp>(b.clone(*function));
      clone->removeAttr(kKernel);
    }
  // Shared memory.
  for (auto global : module.getOps<LLVM::GlobalOp>())
    if (global.getAddrSpace() == NVVM::NVVMMemorySpace::Shared)
      b.clone(*global);
  return copy;
}

/// The function of math.cl for an LLVM intrinsic or a function of libm; empty if there is none.
static std::string deviceNameOf(const llvm::Function &function) {
  llvm::StringRef name = function.getName();
  llvm::Type *type = function.getReturnType();
  if (!function.isDeclaration() || !(type->isFloatTy() || type->isDoubleTy()))
    return "";
  if (function.isIntrinsic()) {
    static constexpr llvm::Intrinsic::ID kMissing[] = {
        llvm::Intrinsic::sin,  llvm::Intrinsic::cos,  llvm::Intrinsic::tan,   llvm::Intrinsic::asin,
        llvm::Intrinsic::acos, llvm::Intrinsic::atan, llvm::Intrinsic::sinh,  llvm::Intrinsic::cosh,
        llvm::Intrinsic::tanh, llvm::Intrinsic::exp,  llvm::Intrinsic::exp2,  llvm::Intrinsic::exp10,
        llvm::Intrinsic::log,  llvm::Intrinsic::log2, llvm::Intrinsic::log10, llvm::Intrinsic::pow,
        llvm::Intrinsic::atan2};
    if (!llvm::is_contained(kMissing, function.getIntrinsicID()))
      return "";
    name = name.drop_front(strlen("llvm."));
    name = name.take_front(name.find('.'));
  } else if (type->isFloatTy() && !name.consume_back("f")) {
    return "";
  }
  return ("tegula_" + name + (type->isFloatTy() ? "_f32" : "_f64")).str();
}

/// Has the kernels call the functions of math.cl, and links these.
static bool linkMath(llvm::Module &module, std::string &why) {
  llvm::StringRef image(tegulaCudaMath, tegulaCudaMathEnd - tegulaCudaMath);
  llvm::Expected<std::unique_ptr<llvm::Module>> math =
      llvm::parseBitcodeFile(llvm::MemoryBufferRef(image, "math"), module.getContext());
  if (!math) {
    why = "math functions: " + llvm::toString(math.takeError());
    return false;
  }
  (*math)->setTargetTriple(module.getTargetTriple());
  (*math)->setDataLayout(module.getDataLayout());
  for (llvm::Function &function : **math) {
    function.removeFnAttr("target-cpu");
    function.removeFnAttr("target-features");
    function.removeFnAttr("frame-pointer");
  }
  llvm::SmallVector<llvm::Function *> functions;
  for (llvm::Function &function : module)
    functions.push_back(&function);
  for (llvm::Function *function : functions) {
    std::string name = deviceNameOf(*function);
    if (name.empty() || !(*math)->getFunction(name))
      continue;
    llvm::FunctionCallee device = module.getOrInsertFunction(name, function->getFunctionType());
    function->replaceAllUsesWith(device.getCallee());
    function->eraseFromParent();
  }
  return !llvm::Linker::linkModules(module, std::move(*math), llvm::Linker::Flags::LinkOnlyNeeded);
}

/// Has kernels take what is for `chip`.
static void defineChip(llvm::Module &module, Chip chip) {
  llvm::Function *function = module.getFunction(kChip);
  if (!function)
    return;
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(module.getContext(), "", function));
  b.CreateRet(b.getInt32(chip));
  function->addFnAttr(llvm::Attribute::AlwaysInline);
}

/// math.powi is not in libm: a power with the exponent as a real number.
static void lowerIntegerPowers(llvm::Module &module) {
  for (llvm::Function &function : llvm::make_early_inc_range(module)) {
    if (function.getIntrinsicID() != llvm::Intrinsic::powi)
      continue;
    for (llvm::User *user : llvm::make_early_inc_range(function.users())) {
      auto *call = llvm::cast<llvm::CallInst>(user);
      llvm::IRBuilder<> b(call);
      llvm::Value *exponent = b.CreateSIToFP(call->getArgOperand(1), call->getType());
      call->replaceAllUsesWith(b.CreateBinaryIntrinsic(llvm::Intrinsic::pow, call->getArgOperand(0), exponent));
      call->eraseFromParent();
    }
    function.eraseFromParent();
  }
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine, int optLevel) {
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  llvm::ModulePassManager passes;
  passes.addPass(
      llvm::InternalizePass([](const llvm::GlobalValue &value) { return value.getName().starts_with("kernel_"); }));
  passes.addPass(llvm::GlobalDCEPass());
  passes.addPass(
      builder.buildPerModuleDefaultPipeline(optLevel >= 2 ? llvm::OptimizationLevel::O2 : llvm::OptimizationLevel::O1));
  passes.run(module, modules);
}

static std::unique_ptr<llvm::TargetMachine> machineOf(Chip chip, int optLevel, std::string &why) {
  llvm::Triple triple(kTriple);
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, why);
  if (!found)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  llvm::CodeGenOptLevel level = optLevel >= 2 ? llvm::CodeGenOptLevel::Default : llvm::CodeGenOptLevel::Less;
  return std::unique_ptr<llvm::TargetMachine>(found->createTargetMachine(triple, "sm_" + std::to_string(chip),
                                                                         "+ptx" + std::to_string(ptxVersionOf(chip)),
                                                                         options, std::nullopt, std::nullopt, level));
}

void registerTranslations(MLIRContext &context) {
  registerBuiltinDialectTranslation(context);
  registerLLVMDialectTranslation(context);
  registerNVVMDialectTranslation(context);
}

std::string emitPtx(ModuleOp module, Chip chip, int optLevel, std::string &why) {
  std::unique_ptr<llvm::TargetMachine> machine = machineOf(chip, optLevel, why);
  if (!machine)
    return "";
  llvm::LLVMContext context;
  OwningOpRef<ModuleOp> kernels = extractKernels(module);
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(*kernels, context, "kernels");
  if (!code) {
    why = "translation to LLVM IR failed";
    return "";
  }
  code->setTargetTriple(machine->getTargetTriple());
  code->setDataLayout(machine->createDataLayout());
  defineChip(*code, chip);
  lowerIntegerPowers(*code);
  if (!linkMath(*code, why))
    return "";
  optimize(*code, *machine, optLevel);
  for (const llvm::Function &function : *code)
    if (function.isDeclaration() && !function.isIntrinsic() && !function.use_empty()) {
      why = "a kernel calls '" + function.getName().str() + "', which no GPU has";
      return "";
    }
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile)) {
    why = "the target cannot write PTX";
    return "";
  }
  passes.run(*code);
  return text.str().str();
}

} // namespace tegula::cuda
