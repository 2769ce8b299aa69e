//===- Side.h - one side of a product, by tiles -------------------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_BLOCK_SIDE_H
#define TEGULA_TARGETS_CUDA_BLOCK_SIDE_H

#include "tegula/targets/cuda/block/SharedUnit.h"

namespace tegula::cuda {

/// What a tile of a side is, and who loads it.
struct TileShape {
  llvm::ArrayRef<unsigned> batch, rows, depth; ///< loops; `rows` are columns of a right side
  int64_t size, tileDepth;                     ///< rows and depth of a tile
  int64_t threads;                             ///< of a block
  int64_t padding = 0;                         ///< elements that a row along the side has more in shared memory
  /// Whether what lies along the depth (along the rows) in global memory is turned on its way to shared memory, element
  /// by element: a warp then loads eight of them side by side, of several rows, so that stores go to different banks.
  bool isDepthTurned = false, areRowsTurned = false;
};

/// Tiles of an operand of a product on their way from global memory: which elements each thread of a block loads.
class Side {
public:
  using Value = mlir::Value;

  /// The side of operand `number` of the nest's op, from row `begin` on. `batch` has the indices of the loops of the
  /// batch; `thread` is that of the block.
  Side(Nest &nest, unsigned number, TileShape shape, Value begin, llvm::ArrayRef<Value> batch, Value thread);

  /// What the thread loads of tile number `tile` along the depth: `take` gets the place in flat memory and whether it
  /// is inside (null: it is), in the order of `depths`, then `rows`.
  void forEachLoad(Value tile, llvm::function_ref<void(Value place, Value isInside)> take);
  /// The thread's part of a tile, in registers: elements, or vectors of `lanes`.
  llvm::SmallVector<Value> load(Value tile);
  /// Runs `body` where `row` is inside of the operand.
  void whereInside(Value row, llvm::function_ref<void()> body);
  /// Whether all rows of all tiles are inside.
  bool isWhole() const { return !mlir::ShapedType::isDynamic(extentIfKnown) && extentIfKnown % shape.size == 0; }

  TileShape shape;
  mlir::Type element;
  Value flat;            ///< memory from the operand's beginning on
  Value begin, extent;   ///< of the block's rows; of all
  int64_t extentIfKnown; ///< of all rows
  std::optional<int64_t> depthIfKnown;
  bool isDepthFast;                      ///< neighbours in global memory are along the depth
  int64_t lanes;                         ///< neighbours that are loaded at once
  llvm::SmallVector<Value> rows, depths; ///< of the tile, of the thread's elements

private:
  void findPlaces();
  Value placeOf(llvm::ArrayRef<unsigned> all, llvm::ArrayRef<Value> indices);
  int64_t lanesThatFit();
  Value loadFrom(Value place, mlir::Type type, int64_t alignBytes);

  Nest &nest;
  Indices &at;
  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::OpOperand &operand;
  Value base, depth;
  llvm::SmallVector<Value> steps;            // of a place in memory along each loop; null: none
  llvm::SmallVector<Value> places, isInside; // for each of the thread's rows
};

} // namespace tegula::cuda

#endif
