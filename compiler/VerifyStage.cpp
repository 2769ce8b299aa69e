//===- VerifyStage.cpp - only the stage's dialects are left ------------------------------===//

#include "tegula/compiler/Passes.h"

#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace tegula {
namespace {

struct VerifyStage : PassWrapper<VerifyStage, OperationPass<ModuleOp>> {
  VerifyStage(Stage stage, ArrayRef<StringRef> dialects) : stage(stage), dialects(dialects) {}
  StringRef getArgument() const override { return "tegula-verify-stage"; }
  StringRef getDescription() const override { return "Check that only the stage's dialects are left"; }
  void runOnOperation() override {
    WalkResult result = getOperation().walk([&](Operation *op) {
      StringRef dialect = op->getName().getDialectNamespace();
      if (dialect == "builtin" || llvm::is_contained(dialects, dialect))
        return WalkResult::advance();
      op->emitError() << "[T9001] op '" << op->getName() << "' is not legal after stage " << infoOf(stage).word;
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
  Stage stage;
  ArrayRef<StringRef> dialects; // constants of the stages' table or of the target
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

std::unique_ptr<Pass> createVerifyStage(Stage stage, ArrayRef<StringRef> dialects) {
  return std::make_unique<VerifyStage>(stage, dialects);
}
std::unique_ptr<Pass> createPlanUnits(const Target &target) { return std::make_unique<PlanUnits>(target); }

} // namespace tegula
