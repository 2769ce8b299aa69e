//===- Passes.h - passes of the CUDA target ---------------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_PASSES_H
#define TEGULA_TARGETS_CUDA_PASSES_H
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "tegula/compiler/emit/Passes.h"
namespace tegula {
#define GEN_PASS_DECL
#include "tegula/targets/cuda/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "tegula/targets/cuda/Passes.h.inc"

constexpr llvm::StringLiteral kKernels =
    "tgl.kernels"; // on the module: name, threads and iterations of a block, by number
constexpr llvm::StringLiteral kChip =
    "tegula_chip"; // gives the compute capability that a kernel is made for, times ten
} // namespace tegula
#endif
