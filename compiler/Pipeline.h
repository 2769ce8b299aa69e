//===- Pipeline.h - the whole lowering ------------------------------------------------===//
#ifndef TEGULA_COMPILER_PIPELINE_H
#define TEGULA_COMPILER_PIPELINE_H

#include "tegula/compiler/Options.h"
#include "tegula/compiler/Stages.h"
#include "tegula/targets/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"

namespace tegula {

/// Exit codes of the driver (CLI.md section 1).
enum ExitCode {
  kOk = 0,
  kModelError = 1,
  kUsageError = 2,
  kIoError = 3,
  kLimitError = 4,
  kMismatch = 5,
  kToolError = 6,
  kInternalError = 70
};

/// Registers every dialect and interface that the compiler uses.
void registerDialects(mlir::DialectRegistry &registry);

/// Registers the passes of every stage and target, for tegula-opt and textual pipelines.
void registerPasses();

/// Adds the passes of one stage after `Import`, and the legality check behind them.
void addStage(Stage stage, const Target &target, const CompileOptions &options, mlir::OpPassManager &pm);

/// Compiles `options.input` to `options.output`. Problems go to the context's diagnostic handler; returns an exit code.
int compile(const CompileOptions &options, mlir::MLIRContext &context);

} // namespace tegula

#endif
