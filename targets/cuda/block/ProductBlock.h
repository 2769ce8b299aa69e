//===- ProductBlock.h - blocks of threads share the work of a product ---------------------===//
#ifndef TEGULA_TARGETS_CUDA_BLOCK_PRODUCTBLOCK_H
#define TEGULA_TARGETS_CUDA_BLOCK_PRODUCTBLOCK_H

#include "tegula/targets/cuda/Contraction.h"
#include "tegula/targets/cuda/block/Families.h"
#include "tegula/targets/cuda/block/Side.h"

namespace tegula::cuda {

/// What one block of threads does of a product. How tiles are multiplied is for those that derive from it.
class ProductBlock : public BlockWork, protected SharedUnit {
public:
  ProductBlock(mlir::scf::ForallOp unit, mlir::ModuleOp module);
  /// A block's index is of the batch, the rows and the columns.
  OpenBlock open() override;
  void emit(const OpenBlock &block) override;

protected:
  /// Sums to the result, with `left`, `right`, `tiles` and `thread` given.
  virtual void work() = 0;
  /// Elements between rows along a side in shared memory.
  virtual int64_t padding() const { return 0; }
  /// Those of TileShape.
  virtual bool isDepthTurned() const { return false; }
  virtual bool areRowsTurned() const { return false; }

  /// Builds a loop over the tiles with two buffers: the next tile is loaded into registers while `multiply` works on
  /// the buffer of this one.
  llvm::SmallVector<Value>
  sumByTurns(llvm::ArrayRef<Value> start, llvm::function_ref<void(Side &, llvm::ArrayRef<Value>, Value buffer)> store,
             llvm::function_ref<llvm::SmallVector<Value>(Value buffer, llvm::ArrayRef<Value> sums)> multiply);

  mlir::ModuleOp module;
  int64_t tileDepth;
  Contraction loops;
  Value tiles;                    // along the depth
  llvm::SmallVector<Value> batch; // indices by loop
  std::optional<Side> left, right;
};

/// Products one by one: the way of all GPUs and types.
std::unique_ptr<BlockWork> makeScalarProduct(mlir::scf::ForallOp unit, mlir::ModuleOp module);

/// Products of a few rows, whose depth the threads share.
std::unique_ptr<BlockWork> makeFewRowsProduct(mlir::scf::ForallOp unit, mlir::ModuleOp module);

/// Products by matrix instructions of these cores.
std::unique_ptr<BlockWork> makeMatrixProduct(mlir::scf::ForallOp unit, mlir::ModuleOp module, Cores cores);

} // namespace tegula::cuda

#endif
