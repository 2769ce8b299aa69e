//===- Weights.h - memory of large constants ---------------------------------===//
#ifndef TEGULA_COMPILER_EMIT_WEIGHTS_H
#define TEGULA_COMPILER_EMIT_WEIGHTS_H

#include "mlir/IR/BuiltinOps.h"

namespace tegula {

/// Frees the bytes of all dense resources of the module's context that no op of `modules` refers to: weights that were
/// packed, transposed or folded into others. Not to be called while another module of the context is in use.
void releaseUnusedWeights(llvm::ArrayRef<mlir::ModuleOp> modules);

} // namespace tegula

#endif
