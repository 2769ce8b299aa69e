//===- MatrixTile.h - tiles that matrix instructions read ---------------------------------===//
#ifndef TEGULA_TARGETS_CUDA_BLOCK_MATRIXTILE_H
#define TEGULA_TARGETS_CUDA_BLOCK_MATRIXTILE_H

#include "tegula/targets/cuda/block/Cores.h"
#include "tegula/targets/cuda/block/Side.h"

namespace tegula::cuda {

constexpr int64_t kWarpLanes = 32;
/// Bytes of the depth that are multiplied at once; rows, or columns, of a fragment.
constexpr int64_t kStepBytes = 32, kGroupRows = 16;

/// Tiles of a side in shared memory, as rows of chunks of 16 bytes, as ldmatrix reads them: `size` rows along the depth
/// or, where neighbours in global memory are rows of the side and elements are of 16 bits, `depth` rows along the side
/// (read by ldmatrix.trans). Chunks of a row are swizzled so that eight lanes which read or write chunks below or
/// beside each other touch different banks.
class MatrixTile {
public:
  using Value = mlir::Value;

  /// Tiles of `side`, whose buffers begin `offset` bytes after those that the other functions get.
  MatrixTile(Indices &at, Side &side, int64_t offset);

  int64_t sizeInBytes() const { return side.shape.size * side.shape.tileDepth * bytes; }
  /// Whether cp.async can copy what a thread has of a tile.
  bool canCopyAsync() const { return side.lanes * bytes >= 4 && (side.lanes == 1 || side.isDepthFast == isByDepth()); }
  bool isByDepth() const { return side.isDepthFast || bytes != 2; }

  /// Sets the shared memory (an address of space 3) in which buffers are bytes from the beginning.
  void place(Value address) { memory = address; }
  /// Begins the copies of tile number `tile` to `buffer`.
  void copyAsync(Value tile, Value buffer);
  /// Stores what Side::load gave.
  void store(llvm::ArrayRef<Value> elements, Value buffer);
  /// Registers of 16 rows (or columns) from `begin` + 16 `group` on, 32 bytes deep from 32 `step` on: four matrices of
  /// eight rows of 16 bytes. The left side's are rows, then depth (a0 to a3); the right one's depth, then columns (b0,
  /// b1 of eight, and of the next eight).
  llvm::SmallVector<Value> fragmentOf(bool isRight, Value begin, Value lane, Value buffer, int64_t group, int64_t step);
  /// The same for Volta: pairs of f16, two for each four of the depth. Its eight lanes 0 to 3 and 16 to 19 (then 4 to 7
  /// and 20 to 23, ...) have eight rows together: which ones is free, and chosen so that lanes 0 to 7 read different
  /// banks.
  llvm::SmallVector<Value> quadsOf(bool isRight, Value begin, Value lane, Value buffer, int64_t group, int64_t step);

private:
  int64_t rowBytes() const { return (isByDepth() ? side.shape.tileDepth : side.shape.size) * bytes; }
  Value swizzle(Value row, Value chunk);
  Value addressOf(Value offset);
  Value addressOf(Value row, Value inDepth, Value buffer);

  Indices &at;
  mlir::OpBuilder &b;
  mlir::Location loc;
  Side &side;
  int64_t bytes, offset;
  Value memory;
};

/// Shared memory of so many bytes, as an address of space 3. Kernels that need as much share the name of it.
mlir::Value sharedMemory(Indices &at, mlir::ModuleOp module, int64_t bytes);

} // namespace tegula::cuda

#endif
