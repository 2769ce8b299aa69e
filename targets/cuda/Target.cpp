//===- Target.cpp - the CUDA target ------------------------------------------------------===//

#include "tegula/targets/Target.h"
#include "tegula/targets/cuda/Cuda.h"
#include "tegula/targets/cuda/Emit.h"
#include "tegula/targets/cuda/Passes.h"

#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;

namespace tegula {
namespace {

class CudaTarget : public Target {
public:
  CudaTarget() {
    InitializeAllTargetInfos();
    InitializeAllTargets();
    InitializeAllTargetMCs();
    InitializeAllAsmPrinters();
  }
  StringRef name() const override { return "cuda"; }

  FailureOr<tgl::TargetAttr> parse(const CompileOptions &options, mlir::MLIRContext *context,
                                   std::string &why) const override {
    StringRef words = StringRef(options.device).split(':').second;
    std::optional<std::vector<cuda::Chip>> chips = cuda::parseChips(words.empty() ? kUsualChips : words, why);
    if (!chips)
      return mlir::failure();
    std::string list;
    for (cuda::Chip chip : *chips)
      list += (list.empty() ? "sm_" : ",sm_") + std::to_string(chip);
    // The host's part only launches kernels: it runs on any CPU of the architecture.
    Triple triple(options.triple.empty() ? sys::getDefaultTargetTriple() : Triple::normalize(options.triple));
    StringRef cpu = triple.getArch() == Triple::x86_64 ? "x86-64" : triple.isRISCV64() ? "generic-rv64" : "generic";
    StringRef features = triple.isRISCV64() ? "+m,+a,+f,+d,+c" : "";
    return tgl::TargetAttr::get(context, name(), triple.str(), cpu, features, /*vectorBytes=*/16, /*registers=*/16,
                                /*cacheKiB=*/0, /*threads=*/1, /*dot=*/"s8s8", /*tiles=*/0,
                                options.fp == "fast" ? "f16,bf16,tf32" : "f16,bf16",
                                /*mmla=*/false, list);
  }

  tgl::PlanAttr plan(mlir::linalg::GenericOp root, mlir::linalg::GenericOp, tgl::TargetAttr target) const override {
    return cuda::plansOf(root, target).front();
  }

  SmallVector<tgl::PlanAttr> candidates(mlir::linalg::GenericOp root, tgl::TargetAttr target) const override {
    return cuda::plansOf(root, target);
  }

  void registerPasses() const override { registerCudaPasses(); }

  void addPasses(Stage stage, mlir::OpPassManager &pm) const override {
    if (stage == Stage::Tile) {
      pm.addNestedPass<mlir::func::FuncOp>(createFuseTransposes());
      pm.addNestedPass<mlir::func::FuncOp>(createFuseAttention());
      pm.addNestedPass<mlir::func::FuncOp>(createTransposeWeights());
      // Of weights as they lie then.
      pm.addNestedPass<mlir::func::FuncOp>(createSplitDepth());
    }
    if (stage == Stage::Emit)
      cuda::addLoweringPasses(pm);
  }

  ArrayRef<StringRef> dialects() const override {
    static constexpr StringRef kDialects[] = {"llvm", "nvvm", "tgl"};
    return kDialects;
  }

  int emit(mlir::ModuleOp module, const CompileOptions &options, std::string &why) const override {
    return cuda::emit(module, options, why);
  }

private:
  static constexpr StringRef kUsualChips = "sm_70,sm_75,sm_80,sm_90";
};

} // namespace

/// Called by the generated registry.
std::unique_ptr<Target> createTarget_cuda() { return std::make_unique<CudaTarget>(); }

} // namespace tegula
