//===- Target.cpp - the TEMPLATE target -------------------------------------------------===//
//
// As it stands: every unit is a plain loop nest, and the artifact is the text of the buffer stage.
//
//===----------------------------------------------------------------------===//

#include "tegula/targets/Target.h"
#include "tegula/compiler/emit/ModuleText.h"
#include "tegula/targets/TEMPLATE/Passes.h"

#include <algorithm>

using namespace llvm;

namespace tegula {
namespace {

class TemplateTarget : public Target {
public:
  StringRef name() const override { return "TEMPLATE"; }

  FailureOr<tgl::TargetAttr> parse(const CompileOptions &options, mlir::MLIRContext *context,
                                   std::string &why) const override {
    if (!options.features.empty()) {
      why = "the target " + name().str() + " has no features, but -mattr=" + options.features + " was given";
      return mlir::failure();
    }
    // What Target::plan and shared passes reckon with: bytes and number of registers, KiB of fast memory, threads.
    return tgl::TargetAttr::get(context, name(), options.triple, options.cpu, options.features, /*vectorBytes=*/16,
                                /*registers=*/16, /*cacheKiB=*/256, std::max(1, options.threads), /*dot=*/"",
                                /*tiles=*/0, /*realDot=*/"", /*mmla=*/false, /*chips=*/"");
  }

  tgl::PlanAttr plan(mlir::linalg::GenericOp root, mlir::linalg::GenericOp, tgl::TargetAttr) const override {
    // No vector loop, nothing unrolled, one block: scalar code that any target can run.
    SmallVector<int64_t> block(root.getNumParallelLoops(), 0);
    return tgl::PlanAttr::get(root.getContext(), /*vectorLoop=*/-1, /*lanes=*/1, /*vectors=*/1, /*unrollLoop=*/-1,
                              /*unroll=*/1, block, /*dot=*/1, /*rows=*/0, /*depth=*/0, /*outer=*/1,
                              /*threads=*/0);
  }

  void registerPasses() const override { registerTemplatePasses(); }

  void addPasses(Stage, mlir::OpPassManager &) const override {}

  ArrayRef<StringRef> dialects() const override { return infoOf(Stage::Buffer).dialects; }

  int emit(mlir::ModuleOp module, const CompileOptions &options, std::string &why) const override {
    return writeText(module, options.output, why) ? 0 : 3;
  }
};

} // namespace

/// Called by the generated registry.
std::unique_ptr<Target> createTarget_TEMPLATE() { return std::make_unique<TemplateTarget>(); }

} // namespace tegula
