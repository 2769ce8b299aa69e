//===- Tune.h - plans chosen by measuring ---------------------------------------------------===//
#ifndef TEGULA_COMPILER_TUNE_H
#define TEGULA_COMPILER_TUNE_H

#include "tegula/compiler/Options.h"

#include "mlir/IR/BuiltinOps.h"

namespace tegula {

/// Writes the artifact `options.output` for a module after the graph stage; returns an exit code.
using BuildFunction = llvm::function_ref<int(mlir::ModuleOp, const CompileOptions &)>;

/// Measures plans for about `options.tuneSeconds` and leaves the fastest of each kernel on `module` (`tgl.plans`).
///
/// A round compiles the whole model with the next candidate of every kernel and runs it here: each is measured between
/// its neighbours, with the caches as they leave them. The last round has the fastest of each; one that is not faster
/// there after all goes back to the target's own plan. `tell` hears how far it is, and the end. Returns an exit code, a
/// message in `why` unless `build` has reported it.
int tunePlans(mlir::ModuleOp module, const CompileOptions &options, BuildFunction build,
              llvm::function_ref<void(std::string, bool)> tell, std::string &why);

} // namespace tegula

#endif
