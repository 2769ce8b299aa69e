//===- Passes.h - passes of the graph stage ---------------------------------------===//
#ifndef TEGULA_COMPILER_GRAPH_PASSES_H
#define TEGULA_COMPILER_GRAPH_PASSES_H
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
namespace tegula {
#define GEN_PASS_DECL
#include "tegula/compiler/graph/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "tegula/compiler/graph/Passes.h.inc"

/// Category of the remarks `real`, which say why a product of a quantized network is computed with real numbers.
constexpr llvm::StringLiteral kIntegerRemarks = "integers";
} // namespace tegula
#endif
