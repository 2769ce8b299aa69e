//===- VerifyStage.cpp - only the stage's dialects are left ------------------------------===//

#include "tegula/compiler/Passes.h"

#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace tegula {
namespace {

struct VerifyStage : PassWrapper<VerifyStage, OperationPass<ModuleOp>> {
  explicit VerifyStage(Stage stage) : stage(stage) {}
  StringRef getArgument() const override { return "tegula-verify-stage"; }
  StringRef getDescription() const override { return "Check that only the stage's dialects are left"; }
  void runOnOperation() override {
    const StageInfo &info = infoOf(stage);
    WalkResult result = getOperation().walk([&](Operation *op) {
      StringRef dialect = op->getName().getDialectNamespace();
      if (dialect == "builtin" || llvm::is_contained(info.dialects, dialect))
        return WalkResult::advance();
      op->emitError() << "[T9001] op '" << op->getName() << "' is not legal after stage " << info.word;
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
  Stage stage;
};

struct PlanUnits : PassWrapper<PlanUnits, OperationPass<>> {
  explicit PlanUnits(const Target &target) : target(target) {}
  StringRef getArgument() const override { return "tegula-plan-units"; }
  StringRef getDescription() const override { return "Write the target's plan on every unit"; }
  void runOnOperation() override {
    tgl::TargetAttr attr = tgl::targetOf(getOperation());
    if (!attr)
      return;
    getOperation()->walk([&](linalg::GenericOp op) {
      if (!op->hasAttr(tgl::kPlan) && op.getNumResults() == 1)
        op->setAttr(tgl::kPlan, target.plan(op, {}, attr));
    });
  }
  const Target &target;
};

} // namespace

std::unique_ptr<Pass> createVerifyStage(Stage stage) { return std::make_unique<VerifyStage>(stage); }
std::unique_ptr<Pass> createPlanUnits(const Target &target) { return std::make_unique<PlanUnits>(target); }

} // namespace tegula
