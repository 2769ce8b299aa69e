//===- Passes.h - passes of the buffer stage ---------------------------------===//
#ifndef TEGULA_COMPILER_BUFFER_PASSES_H
#define TEGULA_COMPILER_BUFFER_PASSES_H
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"
namespace tegula {
#define GEN_PASS_DECL
#include "tegula/compiler/buffer/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "tegula/compiler/buffer/Passes.h.inc"

/// Attribute names on the entry function after this stage.
constexpr llvm::StringLiteral kBoundOutputs = "tgl.bound_outputs";
constexpr llvm::StringLiteral kWorkspaceBytes = "tgl.workspace_bytes";
constexpr llvm::StringLiteral kLiveBytes = "tgl.live_bytes";

/// The category of the remarks on the arena: a `buffer` has `first`, `last` (moments of its life), `offset` and
/// `bytes`, a `step` (an op that does something) `first` and `last`.
constexpr llvm::StringLiteral kMemoryRemarks = "memory";
} // namespace tegula
#endif
