//===- Attention.h - the ops of an attention ----------------------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_ATTENTION_H
#define TEGULA_TARGETS_CUDA_ATTENTION_H

#include "tegula/targets/cuda/Contraction.h"
#include "tegula/targets/cuda/block/Cores.h"

namespace tegula::cuda {

/// softmax(scale(q . k)) . v, as the ops of which it consists. Axes of the scores are the same in all of them.
struct Attention {
  mlir::linalg::GenericOp scores;   ///< q . k
  mlir::linalg::GenericOp scale;    ///< what is done with each score before the softmax; null: nothing
  mlir::linalg::GenericOp most;     ///< the greatest of a row
  mlir::linalg::GenericOp powers;   ///< exp(score - most)
  mlir::linalg::GenericOp sum;      ///< of the powers of a row
  mlir::linalg::GenericOp shares;   ///< powers / sum, in the type of the second product
  mlir::linalg::GenericOp values;   ///< shares . v
  mlir::linalg::GenericOp epilogue; ///< what is done with each element of the result; null: nothing

  // Loops of `scores` and of `values` that walk along the same axes, in the same order.
  llvm::SmallVector<unsigned> batch, rows, valuesBatch, valuesRows;
  unsigned key = 0, valuesKey = 0; ///< of both
  llvm::SmallVector<unsigned> depth, columns;

  llvm::SmallVector<mlir::linalg::GenericOp> ops() const;
};

/// The attention whose second product is `values`, if it is one whose inner ops nobody else reads: on tensors, or in a
/// unit on memrefs where `inUnit` has all its ops.
std::optional<Attention> attentionOf(mlir::linalg::GenericOp values);
std::optional<Attention> attentionOf(llvm::ArrayRef<mlir::linalg::GenericOp> inUnit);

/// How many rows of a block, keys of a tile, and elements of depth and of columns (filled up) an attention is done by;
/// null if it is too wide, or has too few rows.
tgl::PlanAttr planAttention(const Attention &attention, tgl::TargetAttr target);

} // namespace tegula::cuda

#endif
