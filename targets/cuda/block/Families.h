//===- Families.h - work that families of GPUs do in different ways ------------------------===//
#ifndef TEGULA_TARGETS_CUDA_BLOCK_FAMILIES_H
#define TEGULA_TARGETS_CUDA_BLOCK_FAMILIES_H

#include "tegula/targets/cuda/block/Cores.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace tegula::cuda {

/// The inside of the scf.forall over blocks of threads of a unit.
struct OpenBlock {
  mlir::OpBuilder::InsertPoint inside;
  mlir::Value thread;                   // of the block
  llvm::SmallVector<mlir::Value> index; // of the block
};

/// What one block of threads does of a unit. Several may be built into one open block.
class BlockWork {
public:
  virtual ~BlockWork() = default;
  /// Builds the scf.forall, still empty.
  virtual OpenBlock open() = 0;
  /// Builds the work of a block at `block.inside`.
  virtual void emit(const OpenBlock &block) = 0;
};

/// The instructions that the target's chips have for products of these factors, each once, the newest first.
llvm::SmallVector<Cores> familiesOf(mlir::Operation *op, const Factors &factors);

/// Replaces `unit` by blocks of threads, whose kernels take the work that was made for their chip's cores:
///
///   %chip = llvm.call @tegula_chip();  if %chip >= 80 { ... } else { ... }
void emitForFamilies(mlir::scf::ForallOp unit, mlir::ModuleOp module, llvm::ArrayRef<Cores> families,
                     llvm::function_ref<std::unique_ptr<BlockWork>(Cores)> make);

} // namespace tegula::cuda

#endif
