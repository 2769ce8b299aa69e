//===- Cost.h - which of the ways to compute a product is likely the fastest ---------------===//
#ifndef TEGULA_TARGETS_CUDA_COST_H
#define TEGULA_TARGETS_CUDA_COST_H

#include "tegula/targets/cuda/Contraction.h"
#include "tegula/targets/cuda/Cuda.h"

namespace tegula::cuda {

/// What a block of threads has of a product.
struct Tile {
  int64_t rows, columns, depth; ///< of the block, `depth` elements at a time
  int64_t ownRows, ownColumns;  ///< sums of a thread; of a warp, with matrix instructions
  bool areMatrices = false;     ///< matrix instructions multiply, where a chip has them
  int64_t threads() const { return rows / ownRows * (columns / ownColumns) * (areMatrices ? 32 : 1); }
};

/// A product whose extents are known, or guessed. `factors` is absent where its numbers are multiplied in another way
/// than matrix instructions could.
struct Product {
  int64_t batch, rows, columns, depth;
  int64_t leftBytes, rightBytes, resultBytes; ///< of an element
  int64_t operandBytes;                       ///< of both operands in memory, each element once
  bool isLeftChunked, isRightChunked;         ///< 16 bytes of it lie side by side wherever a tile begins
  int64_t moreLoops;                          ///< along rows, columns and depth, than one each: as of convolutions
  std::optional<Factors> factors;
};

/// Multiprocessors of a chip's best-known product: how many blocks keep it busy.
int64_t processorsOf(Chip chip);

/// An estimate of the clocks that a GPU takes for the product by such tiles, its depth split in `ways` that a kernel of
/// its own adds up: of occupancy, the rates of arithmetic, shared memory, L2 cache and DRAM, and of latencies. It ranks
/// plans and is good for nothing else.
double clocksOf(const Product &product, const Tile &tile, int64_t ways, Chip chip);

} // namespace tegula::cuda

#endif
