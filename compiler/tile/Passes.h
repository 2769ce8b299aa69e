//===- Passes.h - passes of the tile stage ----------------------------------===//
#ifndef TEGULA_COMPILER_TILE_PASSES_H
#define TEGULA_COMPILER_TILE_PASSES_H
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Pass/Pass.h"
#include "tegula/dialects/tgl/Tgl.h"
namespace tegula {
#define GEN_PASS_DECL
#include "tegula/compiler/tile/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "tegula/compiler/tile/Passes.h.inc"

/// The category of remarks on units: each says in the user's words why the unit ends where it does.
constexpr llvm::StringLiteral kFuseRemarks = "fuse";
} // namespace tegula
#endif
