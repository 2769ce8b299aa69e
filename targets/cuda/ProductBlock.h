//===- ProductBlock.h - blocks of threads share the work of a product ---------------------===//
#ifndef TEGULA_TARGETS_CUDA_PRODUCTBLOCK_H
#define TEGULA_TARGETS_CUDA_PRODUCTBLOCK_H

#include "tegula/targets/cuda/Contraction.h"
#include "tegula/targets/cuda/Cores.h"
#include "tegula/targets/cuda/SharedUnit.h"

namespace tegula::cuda {

/// NVVM's number of shared memory.
constexpr int64_t kSharedSpace = 3;

/// The inside of the scf.forall over blocks of a product.
struct OpenBlock {
  mlir::OpBuilder::InsertPoint inside;
  mlir::Value thread;                   // of the block
  llvm::SmallVector<mlir::Value> index; // of the block: batch, rows, columns
};

/// What one block of threads does of a product: tiles of both sides on their way from global to shared memory, and sums
/// to the result. How they are multiplied is for those that derive from it; several may be built into one open block,
/// for families of GPUs.
class ProductBlock : protected SharedUnit {
public:
  ProductBlock(mlir::scf::ForallOp unit, mlir::ModuleOp module);
  virtual ~ProductBlock() = default;

  /// Builds the scf.forall, still empty.
  OpenBlock open();
  /// Builds the work of a block at `block.inside`.
  void emit(const OpenBlock &block);

protected:
  /// An operand of a product as flat memory, with what a step along each loop adds to the place.
  struct Operand {
    Value flat, base;
    llvm::SmallVector<Value> steps; // null: none
  };

  /// Tiles of one side: `size` rows (or columns) by `tileDepth`.
  struct Side {
    Operand operand;
    mlir::Type element;
    llvm::ArrayRef<unsigned> loops;
    Value begin, extent; // of the block's rows; of all
    int64_t size = 0, extentIfKnown = mlir::ShapedType::kDynamic;
    bool isDepthFast = false;                        // neighbours in global memory are along the depth
    int64_t lanes = 1;                               // neighbours that are loaded at once
    llvm::SmallVector<Value> places, rows, isInside; // for each of the thread's rows of the tile
    llvm::SmallVector<Value> depths;                 // of the thread's elements
    Value shared;                                    // for those that derive
    bool isWhole() const { return !mlir::ShapedType::isDynamic(extentIfKnown) && extentIfKnown % size == 0; }
  };

  /// Sums to the result, with `left`, `right`, `tiles` and `thread` given.
  virtual void work() = 0;
  /// Whether rows of a tile in shared memory begin at multiples of `lanes` elements.
  virtual bool holdsLanes(const Side & /*side*/, int64_t /*lanes*/) { return true; }

  /// What the thread loads of a tile: `take` gets the place in flat memory and whether it is inside (null: it is), in
  /// the order of `depths`, then `rows`.
  void forEachLoad(Side &side, Value tile, llvm::function_ref<void(Value place, Value isInside)> take);
  /// The thread's part of a tile, in registers: elements, or vectors of `lanes`.
  llvm::SmallVector<Value> load(Side &side, Value tile);
  /// Runs `body` where `row` is inside of the side.
  void whereInside(const Side &side, Value row, llvm::function_ref<void()> body);
  /// Neighbours of flat memory at a multiple of `alignBytes`, or an element.
  Value loadFrom(Value memory, Value place, mlir::Type type, int64_t alignBytes);
  /// Builds a loop over the tiles with two buffers: the next tile is loaded into registers while `multiply` works on
  /// the buffer of this one.
  llvm::SmallVector<Value>
  sumByTurns(llvm::ArrayRef<Value> start, llvm::function_ref<void(Side &, llvm::ArrayRef<Value>, Value buffer)> store,
             llvm::function_ref<llvm::SmallVector<Value>(Value buffer, llvm::ArrayRef<Value> sums)> multiply);

  mlir::ModuleOp module;
  int64_t threads, tileDepth;
  Contraction loops;
  std::optional<int64_t> depthIfKnown;
  Value depth, tiles;
  llvm::SmallVector<Value> batch; // indices by loop
  Side left, right;

private:
  Operand operandOf(mlir::OpOperand &operand);
  Value placeOf(const Operand &operand, llvm::ArrayRef<unsigned> all, llvm::ArrayRef<Value> indices);
  Side makeSide(unsigned number, llvm::ArrayRef<unsigned> sideLoops, Value block, int64_t size);
  int64_t lanesOf(const Side &side);
  void placeThread(Side &side);
};

/// Products one by one: the way of all GPUs and types.
std::unique_ptr<ProductBlock> makeScalarProduct(mlir::scf::ForallOp unit, mlir::ModuleOp module);

/// Products by matrix instructions of these cores.
std::unique_ptr<ProductBlock> makeMatrixProduct(mlir::scf::ForallOp unit, mlir::ModuleOp module, Cores cores);

} // namespace tegula::cuda

#endif
