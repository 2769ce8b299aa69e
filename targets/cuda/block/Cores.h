//===- Cores.h - matrix instructions of GPUs ----------------------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_BLOCK_CORES_H
#define TEGULA_TARGETS_CUDA_BLOCK_CORES_H

#include "tegula/targets/cuda/Contraction.h"
#include "tegula/targets/cuda/Cuda.h"

namespace tegula::cuda {

/// The instructions of a family of GPUs for products of small matrices. All take four 32-bit registers of a lane for 16
/// rows of the left side and two for 8 columns of the right one, 32 bytes deep, but Volta's (8 bytes deep, two and
/// two).
enum class Cores {
  None,
  Volta,  ///< sm_70: m8n8k4 of f16, by eight lanes each
  Turing, ///< sm_75: m16n8k8 of f16, m8n8k16 of 8-bit integers; ldmatrix
  Ampere  ///< from sm_80: m16n8k16 of f16 and bf16, m16n8k8 of tf32, m16n8k32 of 8-bit integers; ldmatrix, cp.async
};

/// The instructions of `chip` for these factors; None if it has none.
Cores coresOf(Chip chip, const Factors &factors);

/// The oldest chip that has `cores`.
Chip firstChipOf(Cores cores);

/// sums + a . b, for 16 x 8 sums of a warp, 32 bytes deep: 4 registers of sums (PTX ISA, "Matrix Fragments for
/// mma.m16n8k16": rows lane / 4 and 8 below, two neighbouring columns each), `a` of 4 and `b` of 2 of type i32 as
/// ldmatrix gives them; f32 is rounded to tf32. Turing and Ampere.
llvm::SmallVector<mlir::Value> multiplyAdd(mlir::OpBuilder &b, mlir::Location loc, Cores cores, const Factors &factors,
                                           llvm::ArrayRef<mlir::Value> left, llvm::ArrayRef<mlir::Value> right,
                                           llvm::ArrayRef<mlir::Value> sums);

/// The same of Volta for four 8 x 8 sums, each of eight lanes: 8 registers of sums, sides of two vector<2xf16>.
/// With `leftByDepth` a lane has neighbours of the left side along the depth, otherwise along the rows; the right side
/// likewise.
llvm::SmallVector<mlir::Value> multiplyAddQuads(mlir::OpBuilder &b, mlir::Location loc, bool leftByDepth,
                                                bool rightByDepth, llvm::ArrayRef<mlir::Value> left,
                                                llvm::ArrayRef<mlir::Value> right, llvm::ArrayRef<mlir::Value> sums);

} // namespace tegula::cuda

#endif
