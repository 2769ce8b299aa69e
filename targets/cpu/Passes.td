//===- Passes.td - passes of the CPU target -------------------------------------===//
#ifndef TEGULA_TARGETS_CPU_PASSES_TD
#define TEGULA_TARGETS_CPU_PASSES_TD
include "mlir/Pass/PassBase.td"

def PrefetchPanels : Pass<"tegula-prefetch-panels", "::mlir::func::FuncOp"> {
  let summary = "Fetch weights ahead of their use";
  let description = [{
    The innermost loop of a product prefetches the constant panel that it reads, some kilobytes ahead, where the function's
    constants are more than the second-level cache of `#tgl.target` holds and few tiles of rows share the panel.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"prefetches", "prefetches", "Number of prefetches">];
}

def LowerDivisions : Pass<"tegula-lower-divisions", "::mlir::func::FuncOp"> {
  let summary = "Divide bounded numbers by constants without a division";
  let description = [{
    By a product and its error, correctly rounded, where the CPU has FMA: quantization divides so.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def LowerMatrices : Pass<"tegula-lower-matrices", "::mlir::func::FuncOp"> {
  let summary = "Sums of products of bytes and bf16 in matrix registers";
  let description = [{
    Contractions of matrices of bytes and of bf16, and the loops that carry their sums, become instructions of AMX where `tiles` of `#tgl.target`
    says that there are such registers.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect", "::mlir::vector::VectorDialect"];
}

def LowerDots : Pass<"tegula-lower-dots", "::mlir::func::FuncOp"> {
  let summary = "Sums of products of small integers by the CPU's instructions";
  let description = [{
    What `dot` of `#tgl.target` promises: four products of bytes by VNNI's `vpdpbusd`, pairs of 16-bit ones by `vpdpwssd` or
    `vpmaddwd`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect", "::mlir::vector::VectorDialect"];
}

#endif
