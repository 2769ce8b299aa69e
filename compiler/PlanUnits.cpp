//===- PlanUnits.cpp - every unit has a plan -------------------------------------------------===//
//
//   linalg.generic {...}  ->  linalg.generic {tgl.plan = #tgl.plan<...>, ...}
//
// Needs: units in their last form. Leaves: a plan on each. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/Passes.h"
#include "tegula/compiler/Plans.h"

using namespace mlir;

namespace tegula {

namespace {
struct PlanUnits : PassWrapper<PlanUnits, OperationPass<>> {
  StringRef getArgument() const override { return "tegula-plan-units"; }
  StringRef getDescription() const override { return "Write the target's plan on every unit"; }

  void runOnOperation() override {
    attr = tgl::targetOf(getOperation());
    std::vector<std::unique_ptr<Target>> targets = createTargets();
    target = targetOf(targets, attr);
    if (!target)
      return;
    auto module = dyn_cast<ModuleOp>(getOperation());
    if (!module)
      module = getOperation()->getParentOfType<ModuleOp>();
    plans = module->getAttrOfType<DictionaryAttr>(tgl::kPlans);
    auto number = module->getAttrOfType<IntegerAttr>(tgl::kCandidate);
    candidate = number ? std::optional(number.getInt()) : std::nullopt;
    getOperation()->walk([&](linalg::GenericOp op) {
      if (!op->hasAttr(tgl::kPlan) && op.getNumResults() == 1 && !op->getParentOfType<scf::ForallOp>())
        op->setAttr(tgl::kPlan, plans || candidate ? planByText(op) : target->plan(op, {}, attr));
    });
  }

  /// The plan that was measured for such a kernel, or is to be measured now; else the target's.
  tgl::PlanAttr planByText(linalg::GenericOp op) {
    std::string text = kernelText(op);
    auto plan = plans ? plans.getAs<tgl::PlanAttr>(text) : tgl::PlanAttr();
    bool isSuitable = plan && target->suits(op, plan, attr);
    if (plan && !isSuitable)
      op.emitWarning() << "[T0003] the file of plans has " << plan << " for the kernel '" << text
                       << "', which it does not suit: not used; measure again with --tune";
    if (!isSuitable)
      plan = target->plan(op, {}, attr);
    if (!candidate)
      return plan;
    if (*candidate >= 0) {
      llvm::SmallSetVector<tgl::PlanAttr, 16> all;
      all.insert(target->plan(op, {}, attr));
      all.insert_range(target->candidates(op, attr));
      if (*candidate >= (int64_t)all.size())
        return plan;
      plan = all[*candidate];
    }
    Builder b(&getContext());
    op->setAttr(tgl::kMeasured,
                b.getDictionaryAttr({b.getNamedAttr("kernel", b.getStringAttr(text)), b.getNamedAttr("plan", plan)}));
    return plan;
  }

  const Target *target = nullptr;
  tgl::TargetAttr attr;
  DictionaryAttr plans;
  std::optional<int64_t> candidate;
};
} // namespace

std::unique_ptr<Pass> createPlanUnits() { return std::make_unique<PlanUnits>(); }

} // namespace tegula
