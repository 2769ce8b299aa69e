//===- Reduction.h - what a reduction does ------------------------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_REDUCTION_H
#define TEGULA_TARGETS_CUDA_REDUCTION_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tegula::cuda {

/// The op of the body that takes in the next element, if partial results can be combined by it in any order (sums,
/// products, the greater or lesser, bitwise ones) and `start` changes nothing; null otherwise.
mlir::Operation *combinerOf(mlir::linalg::GenericOp op, mlir::Attribute start);

/// Whether the innermost reduction loop walks along neighbours in the memory of each input that it walks along.
bool readsRows(mlir::linalg::GenericOp op);

} // namespace tegula::cuda

#endif
