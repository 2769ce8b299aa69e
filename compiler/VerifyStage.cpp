//===- VerifyStage.cpp - only the stage's dialects are left ------------------------------===//

#include "tegula/compiler/Passes.h"

#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace tegula {

const Target *targetOf(ArrayRef<std::unique_ptr<Target>> targets, tgl::TargetAttr attr) {
  for (const std::unique_ptr<Target> &target : targets)
    if (attr && target->name() == attr.getName())
      return target.get();
  return nullptr;
}

namespace {
struct VerifyStage : PassWrapper<VerifyStage, OperationPass<ModuleOp>> {
  VerifyStage() = default;
  VerifyStage(const VerifyStage &other) : PassWrapper(other) {}
  StringRef getArgument() const override { return "tegula-verify-stage"; }
  StringRef getDescription() const override { return "Check that only the stage's dialects are left"; }

  void runOnOperation() override {
    std::optional<Stage> known = parseStage(stage);
    if (!known) {
      emitError(UnknownLoc::get(&getContext())) << "'" << stage << "' is not a stage";
      return signalPassFailure();
    }
    std::vector<std::unique_ptr<Target>> targets = createTargets();
    const Target *target = targetOf(targets, tgl::targetOf(getOperation()));
    ArrayRef<StringRef> dialects = infoOf(*known).dialects;
    if (*known == Stage::Emit && target)
      dialects = target->dialects();
    WalkResult result = getOperation().walk([&](Operation *op) {
      StringRef dialect = op->getName().getDialectNamespace();
      if (dialect == "builtin" || llvm::is_contained(dialects, dialect))
        return WalkResult::advance();
      op->emitError() << "[T9001] op '" << op->getName() << "' is not legal after stage " << stage;
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

  Option<std::string> stage{*this, "stage", llvm::cl::desc("The stage's word"), llvm::cl::init("import")};
};
} // namespace

std::unique_ptr<Pass> createVerifyStage(Stage stage) {
  auto pass = std::make_unique<VerifyStage>();
  pass->stage = infoOf(stage).word.str();
  return pass;
}

void registerStagePasses() {
  PassRegistration<VerifyStage>();
  registerPass(createPlanUnits);
}

} // namespace tegula
