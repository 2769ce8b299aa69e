//===- AttentionBlock.h - blocks of threads share the work of an attention -----------------===//
#ifndef TEGULA_TARGETS_CUDA_BLOCK_ATTENTIONBLOCK_H
#define TEGULA_TARGETS_CUDA_BLOCK_ATTENTIONBLOCK_H

#include "tegula/targets/cuda/Attention.h"
#include "tegula/targets/cuda/block/Families.h"
#include "tegula/targets/cuda/block/SharedUnit.h"

namespace tegula::cuda {

/// What one block of threads does of an attention: some of its rows (queries), all of their keys, one after the other,
/// with the greatest score so far and sums that are relative to it (online softmax).
class AttentionBlock : public BlockWork, protected SharedUnit {
public:
  explicit AttentionBlock(mlir::scf::ForallOp unit);
  /// A block's index is of the batch and the rows.
  OpenBlock open() override;
  void emit(const OpenBlock &block) override;

protected:
  /// The work of the block whose rows begin at `firstRow`, with `batch` and `valuesBatch` given.
  virtual void work() = 0;

  Value real(double value);
  /// The score at a row and a key of which the first product gave `product`; of f32. Both are inside.
  Value scoreOf(Value product, Value row, Value key);
  /// The greatest score of a row, or of no scores at all (-inf) any finite number.
  Value finite(Value most);
  /// exp(score - most), as a power of two. Its `base`, the same for all scores of a row, is that of a multiply-add
  /// where scores are of f16: its rounding is a factor near 1 of the whole row. Of wider scores that factor could be
  /// infinite; they are subtracted first.
  Value baseOf(Value most);
  Value powerOf(Value score, Value base);
  /// exp(before - now) of two greatest scores: exactly 1 where they are the same, or many keys would add up errors.
  Value shrinkage(Value before, Value now);
  Value greater(Value a, Value b);
  /// The power in the type of the second product's left side.
  Value shareOf(Value power);
  /// What the sums of a row's result are multiplied by at the end; 0 where there are no keys.
  Value inverseOf(Value sum);
  /// Stores one element of the result.
  void writeAt(Value value, Value row, Value column);
  /// `index`, or the last of `extent` if it is beyond.
  Value within(Value index, Value extent);

  Attention attention;
  Nest scores; // `nest` is that of the values
  llvm::SmallVector<Value> batch, valuesBatch;
  Value firstRow, rows, keys;
  bool mayHaveNoKeys, areScoresHalves;
};

/// Four threads a row, without shared memory: the way of all GPUs and types.
std::unique_ptr<BlockWork> makeScalarAttention(mlir::scf::ForallOp unit);

/// By matrix instructions, from sm_75 on.
std::unique_ptr<BlockWork> makeMatrixAttention(mlir::scf::ForallOp unit, mlir::ModuleOp module, Cores cores);

} // namespace tegula::cuda

#endif
