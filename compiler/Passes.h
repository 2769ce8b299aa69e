//===- Passes.h - passes that belong to no single stage ---------------------------------===//
#ifndef TEGULA_COMPILER_PASSES_H
#define TEGULA_COMPILER_PASSES_H

#include "tegula/compiler/Stages.h"
#include "tegula/targets/Target.h"

#include "mlir/Pass/Pass.h"
#include <memory>

namespace tegula {

/// Fails with the op when one is left after `stage` that is of none of `dialects`: behind a stage a bug of the
/// compiler, on a text that was read a mistake in the text.
std::unique_ptr<mlir::Pass> createVerifyStage(Stage stage, llvm::ArrayRef<llvm::StringRef> dialects);

/// Asks `target` for the plan of every unit and writes it as `tgl.plan`. `target` must outlive the pass.
std::unique_ptr<mlir::Pass> createPlanUnits(const Target &target);

} // namespace tegula

#endif
