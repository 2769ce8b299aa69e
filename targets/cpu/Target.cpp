//===- Target.cpp - the CPU target ------------------------------------------------------===//

#include "tegula/targets/Target.h"
#include "tegula/compiler/Plans.h"
#include "tegula/compiler/emit/Artifact.h"
#include "tegula/targets/cpu/Cpu.h"
#include "tegula/targets/cpu/Passes.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"
#include <thread>

using namespace llvm;

namespace tegula {
namespace {

class CpuTarget : public Target {
public:
  CpuTarget() {
    InitializeAllTargetInfos();
    InitializeAllTargets();
    InitializeAllTargetMCs();
    InitializeAllAsmPrinters();
    InitializeAllAsmParsers();
  }
  StringRef name() const override { return "cpu"; }

  FailureOr<tgl::TargetAttr> parse(const CompileOptions &options, mlir::MLIRContext *context,
                                   std::string &why) const override {
    Triple triple(options.triple.empty() ? sys::getDefaultTargetTriple() : Triple::normalize(options.triple));
    std::string error;
    const llvm::Target *found = TargetRegistry::lookupTarget(triple, error);
    if (!found) {
      why = "unknown target triple '" + options.triple + "'; clang-22 -print-targets lists the architectures";
      return mlir::failure();
    }
    std::string cpu = options.cpu, features = options.features;
    if (cpu == "native") {
      cpu = sys::getHostCPUName().str();
      SubtargetFeatures host;
      for (auto &feature : sys::getHostCPUFeatures())
        host.AddFeature(feature.first(), feature.second);
      features = host.getString() + (features.empty() ? "" : "," + features);
    } else if (cpu.empty() && triple.getArch() == Triple::x86_64) {
      cpu = "x86-64-v3"; // the baseline plus AVX2 and FMA
    } else if (cpu.empty() && triple.isRISCV64()) {
      cpu = "generic-rv64";
      features = "+m,+a,+f,+d,+c" + (features.empty() ? "" : "," + features);
    } else if (cpu.empty()) {
      cpu = "generic";
    }
    std::unique_ptr<MCSubtargetInfo> info(found->createMCSubtargetInfo(triple, cpu, features));
    if (!info || !info->isCPUStringValid(cpu)) {
      why = "unknown CPU '" + cpu + "' for " + triple.str();
      return mlir::failure();
    }
    if (triple.isRISCV64() && !info->checkFeatures("+d")) {
      why = "CPU '" + cpu +
            "' has no floating-point numbers of 64 bits, which the runtime is built for; if it does, say so "
            "with -mattr=+m,+a,+f,+d,+c";
      return mlir::failure();
    }
    // An artifact for any machine must not depend on the one that it is compiled on.
    int here = (int)std::max(1u, std::thread::hardware_concurrency());
    int threads = options.threads > 0 ? options.threads : options.cpu == "native" ? here : kUsualThreads;
    auto [vectorBytes, registers] = vectorsOf(triple, *info);
    return tgl::TargetAttr::get(context, name(), triple.str(), cpu, features, vectorBytes, registers, 512, threads,
                                dotOf(triple, *info), tilesOf(triple, *info), realDotOf(triple, *info),
                                triple.isAArch64() && info->checkFeatures("+i8mm"), /*chips=*/"");
  }

  tgl::PlanAttr plan(mlir::linalg::GenericOp root, mlir::linalg::GenericOp epilogue,
                     tgl::TargetAttr target) const override {
    return cpu::planUnit(root, epilogue, target);
  }

  SmallVector<tgl::PlanAttr> candidates(mlir::linalg::GenericOp root, tgl::TargetAttr target) const override {
    return cpu::candidatesOf(root, target);
  }

  bool suits(mlir::linalg::GenericOp root, tgl::PlanAttr plan, tgl::TargetAttr) const override {
    return isPlanFor(plan, root);
  }

  void registerPasses() const override { registerCpuPasses(); }

  void addPasses(Stage stage, mlir::OpPassManager &pm) const override {
    if (stage == Stage::Emit)
      cpu::addLoweringPasses(pm);
  }

  int emit(mlir::ModuleOp module, const CompileOptions &options, std::string &why) const override {
    return emitArtifact(module, options, /*device=*/nullptr, why);
  }

private:
  static constexpr int kUsualThreads = 4;

  /// SVE's vectors have the length that the CPU is built with, and 16 bytes of them are NEON's.
  static int64_t sveBytesOf(const MCSubtargetInfo &info) {
    if (!info.checkFeatures("+sve"))
      return 16;
    return StringSwitch<int64_t>(info.getCPU()).Case("a64fx", 64).Case("neoverse-v1", 32).Default(16);
  }

  /// Which products of small integers are summed by one instruction. AVX2's of bytes saturates.
  static StringRef dotOf(const Triple &triple, const MCSubtargetInfo &info) {
    if (triple.isAArch64())
      return info.checkFeatures("+i8mm") ? "u8s8" : info.checkFeatures("+dotprod") ? "s8s8" : "";
    if (!triple.isX86())
      return "";
    bool isWide = info.checkFeatures("+avx512f");
    if (info.checkFeatures(isWide ? "+avx512vnni,+avx512vl" : "+avxvnni"))
      return "u8s8";
    return info.checkFeatures(isWide ? "+avx512bw,+avx512vl" : "+avx2") ? "s16s16" : "";
  }

  /// Which products of real numbers are summed two at a time by one instruction.
  static StringRef realDotOf(const Triple &triple, const MCSubtargetInfo &info) {
    bool has = triple.isAArch64() ? info.checkFeatures("+bf16")
                                  : triple.isX86() && info.checkFeatures("+avx512bf16,+avx512vl");
    return has ? "bf16" : "";
  }

  /// AMX, where what is left of its rows has instructions too.
  static int64_t tilesOf(const Triple &triple, const MCSubtargetInfo &info) {
    bool has = triple.getArch() == Triple::x86_64 && info.checkFeatures("+amx-int8,+amx-bf16") &&
               dotOf(triple, info) == "u8s8" && realDotOf(triple, info) == "bf16";
    return has ? 8 : 0;
  }

  /// Bytes of a vector register and how many there are. Without vectors, four of 28 scalar registers stand for one.
  static std::pair<int64_t, int64_t> vectorsOf(const Triple &triple, const MCSubtargetInfo &info) {
    auto has = [&](const char *feature) { return info.checkFeatures(feature); };
    if (triple.isX86())
      return has("+avx512f") ? std::pair(64, 32) : has("+avx") ? std::pair(32, 16) : std::pair(16, 16);
    if (triple.isAArch64())
      return {sveBytesOf(info), 32};
    if (triple.isRISCV())
      return has("+zvl512b")   ? std::pair(64, 32)
             : has("+zvl256b") ? std::pair(32, 32)
             : has("+v")       ? std::pair(16, 32)
                               : std::pair(16, 7);
    if (triple.isARM() || triple.isThumb())
      return has("+neon") ? std::pair(16, 16) : std::pair(16, 7);
    return {16, 16};
  }
};

} // namespace

/// Called by the generated registry.
std::unique_ptr<Target> createTarget_cpu() { return std::make_unique<CpuTarget>(); }

} // namespace tegula
