//===- Machine.cpp - LLVM's target machine and optimisation pipeline -------------------===//

#include "tegula/compiler/emit/Machine.h"

#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/CodeGen.h"

using namespace llvm;

namespace tegula {

bool hasFma(tgl::TargetAttr target) {
  Triple triple(target.getTriple());
  std::string error;
  const llvm::Target *found = TargetRegistry::lookupTarget(triple, error);
  if (!found || !triple.isX86())
    return triple.isAArch64();
  std::unique_ptr<MCSubtargetInfo> info(found->createMCSubtargetInfo(triple, target.getCpu(), target.getFeatures()));
  return info && info->checkFeatures("+fma");
}

std::unique_ptr<TargetMachine> createMachine(tgl::TargetAttr target, int optLevel, std::string &why) {
  Triple triple(target.getTriple());
  std::string error;
  const llvm::Target *found = TargetRegistry::lookupTarget(triple, error);
  if (!found) {
    why = "unknown target triple '" + triple.str() + "': " + error;
    return nullptr;
  }
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Standard;
  options.FunctionSections = true;
  CodeGenOptLevel level = optLevel <= 0   ? CodeGenOptLevel::None
                          : optLevel == 1 ? CodeGenOptLevel::Less
                          : optLevel == 2 ? CodeGenOptLevel::Default
                                          : CodeGenOptLevel::Aggressive;
  std::string features = target.getFeatures().str();
  // Register tiles keep many sums in flight: LLVM's split of vpdpwssd in two, for its latency, only costs throughput.
  if (triple.isX86() && target.getDot() == "u8s8")
    features += features.empty() ? "+fast-dpwssd" : ",+fast-dpwssd";
  return std::unique_ptr<TargetMachine>(
      found->createTargetMachine(triple, target.getCpu(), features, options, Reloc::PIC_, std::nullopt, level));
}

void optimize(Module &module, TargetMachine &machine, tgl::TargetAttr target, int optLevel) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", machine.getTargetCPU());
    function.addFnAttr("target-features", machine.getTargetFeatureString());
    function.addFnAttr("prefer-vector-width", "512");
    // Vectors of a known length that NEON does not have: SVE's, in units of its 16 bytes.
    if (machine.getTargetTriple().isAArch64() && target.getVectorBytes() > 16)
      function.addFnAttr(Attribute::getWithVScaleRangeArgs(module.getContext(), target.getVectorBytes() / 16,
                                                           target.getVectorBytes() / 16));
    function.addFnAttr(Attribute::NoUnwind);
  }
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = optLevel >= 2;
  tuning.LoopUnrolling = false;    // register tiles are unrolled as planned; more only costs compile time
  tuning.SLPVectorization = false; // register tiles are vectors already
  PassBuilder builder(&machine, tuning);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager graph;
  ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  OptimizationLevel level = optLevel <= 0   ? OptimizationLevel::O0
                            : optLevel == 1 ? OptimizationLevel::O1
                            : optLevel == 2 ? OptimizationLevel::O2
                                            : OptimizationLevel::O3;
  ModulePassManager passes = level == OptimizationLevel::O0 ? builder.buildO0DefaultPipeline(level)
                                                            : builder.buildPerModuleDefaultPipeline(level);
  passes.run(module, modules);
}

} // namespace tegula
