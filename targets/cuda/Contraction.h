//===- Contraction.h - the loops of a product --------------------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_CONTRACTION_H
#define TEGULA_TARGETS_CUDA_CONTRACTION_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <optional>

namespace tegula::cuda {

/// The loops of a sum of products of two operands, by what they walk along: a matrix product, a batch of such, or a
/// convolution (whose windows are loops of the depth, and whose left side is read at sums of loops).
struct Contraction {
  llvm::SmallVector<unsigned> batch;   ///< both operands and the result
  llvm::SmallVector<unsigned> rows;    ///< the left operand and the result
  llvm::SmallVector<unsigned> columns; ///< the right operand and the result
  llvm::SmallVector<unsigned> depth;   ///< summed up
};

/// The loops of `op`, if it is such a sum: two inputs read at linear functions of the loops, one result with a loop for
/// each axis, a depth, and rows and columns both.
std::optional<Contraction> contractionOf(mlir::linalg::GenericOp op);

/// What is multiplied and what it is summed up in. Integers are of either sign.
struct Factors {
  mlir::Type left, right, sum;
  bool isLeftUnsigned = false, isRightUnsigned = false;
  bool mayRound = false; ///< f32 to tf32, as the target allows (`realDot`)
};

/// The factors of a sum of products, if its body is no more than their conversion, product and sum.
std::optional<Factors> factorsOf(mlir::linalg::GenericOp op);

/// The product of the loops' extents; nothing where one is not known at compile time.
std::optional<int64_t> extentOf(mlir::linalg::GenericOp op, llvm::ArrayRef<unsigned> loops);

} // namespace tegula::cuda

#endif
