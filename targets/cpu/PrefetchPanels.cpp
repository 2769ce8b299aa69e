//===- PrefetchPanels.cpp - weights are fetched ahead of their use -----------------===//
//
//   scf.for %k ... { %w = vector.transfer_read %panels[%p, %k, %c0] ... }
// becomes
//   scf.for %k ... { memref.prefetch %panels[%p, %k + 32, %c0], read, locality<3>, data ... }
//
// Weights larger than the caches are read from memory once in a run, by the first tile of rows. Its arithmetic takes
// less time than fetching from memory does: more lines have to be under way at once than the hardware asks for by
// itself. Where many tiles of rows share a panel, the wait is too short to matter and the prefetches are only in the
// way. Needs: memrefs. Leaves: one prefetch for each vector of a panel. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/dialects/tgl/Tgl.h"
#include "tegula/targets/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_PREFETCHPANELS
#include "tegula/targets/cpu/Passes.h.inc"

/// Measured on Sapphire Rapids with 196 rows: 1,024 bytes give 161 GFLOP/s, 4,096 and 8,192 give 172, none gives 140;
/// on Zen 4 4,096 bytes gain 0 to 5 %, 1,024 lose as much.
static constexpr int64_t kAheadBytes = 4096;
/// Loops with fewer sums wait for memory all the time: the hardware keeps up with them.
static constexpr unsigned kLeastSums = 12;
/// Tiles of rows that share a panel.
static constexpr int64_t kMostTiles = 32;
/// Of llvm.prefetch: into the first-level cache. Into the second only, panels that are there already lose 10 % (7 rows
/// a tile, Zen 4): the prefetches take the places of what the hardware asks for.
static constexpr uint32_t kLocality = 3;

/// The axis of a constant panel along which `loop` counts its rows, or as many neighbours as are summed at a time (then
/// they are the last axis); nullopt where the read is of none.
static std::optional<unsigned> rowOfPanel(vector::TransferReadOp read, scf::ForOp loop) {
  if (!read.getBase().getDefiningOp<memref::GetGlobalOp>())
    return std::nullopt;
  auto indices = read.getIndices();
  for (unsigned behind : {1, 2}) {
    if (indices.size() < behind + 1)
      continue;
    unsigned axis = indices.size() - 1 - behind;
    Value index = indices[axis];
    if (auto division = index.getDefiningOp<arith::DivUIOp>(); division && behind == 2)
      index = division.getLhs();
    if (index == loop.getInductionVar())
      return axis;
  }
  return std::nullopt;
}

/// Whether `value` is `iv` or is computed from it by at most two ops.
static bool dependsOn(Value value, Value iv, int depth = 2) {
  if (value == iv)
    return true;
  Operation *op = value.getDefiningOp();
  return op && depth > 0 &&
         llvm::any_of(op->getOperands(), [&](Value operand) { return dependsOn(operand, iv, depth - 1); });
}

/// Iterations of the loops around `read` that read the same panel again; those of unknown number count as one.
static int64_t tilesOfPanel(vector::TransferReadOp read, scf::ForOp loop) {
  int64_t tiles = 1;
  for (auto outer = loop->getParentOfType<scf::ForOp>(); outer; outer = outer->getParentOfType<scf::ForOp>()) {
    Value iv = outer.getInductionVar();
    if (dependsOn(read.getIndices().front(), iv))
      break;
    std::optional<llvm::APInt> count = outer.getStaticTripCount();
    if (count && llvm::none_of(read.getIndices(), [&](Value index) { return dependsOn(index, iv); }))
      tiles *= count->getSExtValue();
  }
  return tiles;
}

/// Whether the constants of the function are more than the cache holds from one run to the next.
static bool areLarge(func::FuncOp function) {
  tgl::TargetAttr target = tgl::targetOf(function);
  llvm::SmallDenseSet<StringRef> seen;
  int64_t bytes = 0;
  function.walk([&](memref::GetGlobalOp constant) {
    auto type = cast<MemRefType>(constant.getType());
    if (seen.insert(constant.getName()).second && type.hasStaticShape())
      bytes += type.getNumElements() * std::max<int64_t>(type.getElementTypeBitWidth() / 8, 1);
  });
  return target && bytes > target.getCacheKiB() * 1024;
}

namespace {
struct PrefetchPanels : impl::PrefetchPanelsBase<PrefetchPanels> {
  using PrefetchPanelsBase::PrefetchPanelsBase;

  void runOnOperation() override {
    if (areLarge(getOperation()))
      getOperation().walk([&](scf::ForOp loop) {
        if (loop.getNumRegionIterArgs() >= kLeastSums && loop.getBody()->getOps<scf::ForOp>().empty() &&
            loop.getBody()->getOps<memref::PrefetchOp>().empty())
          prefetch(loop);
      });
  }

  void prefetch(scf::ForOp loop) {
    for (auto read : llvm::make_early_inc_range(loop.getBody()->getOps<vector::TransferReadOp>())) {
      std::optional<unsigned> axis = rowOfPanel(read, loop);
      if (!axis || tilesOfPanel(read, loop) > kMostTiles)
        continue;
      auto type = cast<MemRefType>(read.getBase().getType());
      int64_t rowBits =
          type.getElementTypeBitWidth() * ShapedType::getNumElements(type.getShape().drop_front(*axis + 1));
      int64_t rowBytes = std::max<int64_t>(rowBits / 8, 1);
      OpBuilder b(read);
      Value ahead = arith::ConstantIndexOp::create(b, read.getLoc(), (kAheadBytes + rowBytes - 1) / rowBytes);
      SmallVector<Value> indices(read.getIndices());
      indices[*axis] = arith::AddIOp::create(b, read.getLoc(), indices[*axis], ahead);
      memref::PrefetchOp::create(b, read.getLoc(), read.getBase(), indices, /*isWrite=*/false, kLocality,
                                 /*isDataCache=*/true);
      ++prefetches;
    }
  }
};
} // namespace
} // namespace tegula
