//===- Evaluate.h - running a part of a model inside the compiler --------------------------===//
#ifndef TEGULA_COMPILER_EVALUATE_H
#define TEGULA_COMPILER_EVALUATE_H

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include <vector>

namespace tegula {

/// Compiles the nn function of `module` (static shapes; consumed) for the host and runs it on `inputs`, whose blobs
/// must be there. Returns one blob per result, 64-byte aligned, in the element layout of artifacts (booleans one byte
/// each).
llvm::FailureOr<llvm::SmallVector<mlir::AsmResourceBlob>>
evaluateConstants(mlir::ModuleOp module, llvm::ArrayRef<mlir::DenseResourceElementsAttr> inputs);

} // namespace tegula

#endif
