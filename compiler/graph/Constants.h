//===- Constants.h - what is known at compile time ------------------------------===//
#ifndef TEGULA_COMPILER_GRAPH_CONSTANTS_H
#define TEGULA_COMPILER_GRAPH_CONSTANTS_H

#include "mlir/IR/Value.h"

namespace tegula {

/// Whether the value is computed from constants, by `depth` nn ops one after the other at most.
bool isConstant(mlir::Value value, int depth = 8);

/// The numbers of a constant in any order, one for a splat; empty where they are not at hand. Valid as long as it is.
llvm::ArrayRef<char> bytesOf(mlir::Value value);

} // namespace tegula

#endif
