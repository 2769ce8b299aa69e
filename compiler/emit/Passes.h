//===- Passes.h - passes of the emit stage that targets share ---------------------===//
#ifndef TEGULA_COMPILER_EMIT_PASSES_H
#define TEGULA_COMPILER_EMIT_PASSES_H
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"
namespace tegula {
#define GEN_PASS_DECL
#include "tegula/compiler/emit/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "tegula/compiler/emit/Passes.h.inc"

/// Converts what the targets' own passes have left of structured control flow, vectors, arithmetic and memrefs to the
/// LLVM dialect, and checks to returns. Needs: transfers of rank 1 at most, strided metadata expanded.
void addLlvmConversions(mlir::OpPassManager &pm);

constexpr llvm::StringLiteral kUnit = "tgl.unit";           // on a call: index of the unit
constexpr llvm::StringLiteral kKernel = "tgl.kernel";       // on a function: it is a unit's code
constexpr llvm::StringLiteral kEntry = "tgl.entry";         // on the entry function
constexpr llvm::StringLiteral kConstants = "tgl.constants"; // on the module: {name = value}
} // namespace tegula
#endif
