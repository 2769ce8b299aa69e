//===- Passes.h - passes that belong to no single stage ---------------------------------===//
#ifndef TEGULA_COMPILER_PASSES_H
#define TEGULA_COMPILER_PASSES_H

#include "tegula/compiler/Stages.h"
#include "tegula/targets/Target.h"

#include "mlir/Pass/Pass.h"
#include <memory>

namespace tegula {

/// The one of `targets` that `tgl.target` names; null when there is none.
const Target *targetOf(llvm::ArrayRef<std::unique_ptr<Target>> targets, tgl::TargetAttr attr);

/// Fails with the op when one is left that is not legal after `stage` (of the target's dialects after the last one):
/// behind a stage a bug of the compiler, on a text that was read a mistake in the text.
std::unique_ptr<mlir::Pass> createVerifyStage(Stage stage);

/// Asks the module's target (`tgl.target`) for the plan of every unit and writes it as `tgl.plan`. A plan that was
/// measured (`tgl.plans`) goes before the target's; `tgl.candidate` picks one of those to be measured.
std::unique_ptr<mlir::Pass> createPlanUnits();

/// Registers both for textual pipelines, as in reproducers.
void registerStagePasses();

} // namespace tegula

#endif
