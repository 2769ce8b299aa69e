//===- Plan.cpp - how a unit is spread over a GPU ----------------------------------------===//

#include "tegula/targets/cuda/Cuda.h"
#include "tegula/targets/cuda/Reduction.h"
#include "tegula/targets/cuda/block/Cores.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tegula::cuda {

namespace {
/// A block of a product: rows, columns and depth of its tiles, and what a thread has of it (a warp, with matrix
/// instructions).
struct Tile {
  int64_t rows, columns, depth, ownRows, ownColumns;
  bool areMatrices = false;
  int64_t threads() const { return rows / ownRows * (columns / ownColumns) * (areMatrices ? 32 : 1); }
};
} // namespace

/// Large tiles first: they read each element less often.
static constexpr Tile kTiles[] = {{128, 128, 8, 8, 8}, {64, 64, 16, 4, 4}, {32, 32, 16, 4, 4}};
/// Those of matrix instructions: the depth is in bytes.
static constexpr Tile kMatrixTiles[] = {
    {128, 128, 64, 64, 64, true}, {128, 64, 64, 64, 32, true}, {64, 64, 64, 32, 32, true}, {32, 32, 64, 16, 32, true}};
/// Blocks that keep a GPU of 40 to 80 multiprocessors busy.
static constexpr int64_t kEnoughBlocks = 80;
/// Smaller products have too little work to share.
static constexpr int64_t kLeastProducts = 1 << 14, kLeastSide = 8;

static int64_t blocksOf(const Tile &tile, int64_t batch, int64_t rows, int64_t columns) {
  return batch * ((rows + tile.rows - 1) / tile.rows) * ((columns + tile.columns - 1) / tile.columns);
}

/// Rows of a reduction that a block has, one a warp; shorter ones leave lanes idle.
static constexpr int64_t kWarps = 4, kLanes = 32, kLeastRow = 16;

/// The constant that the sums start with; null if they start otherwise.
static Attribute startOf(linalg::GenericOp root) {
  Attribute start;
  auto fill = root.getDpsInitOperand(0)->get().getDefiningOp<linalg::FillOp>();
  return fill && matchPattern(fill.value(), m_Constant(&start)) ? start : Attribute();
}

/// Columns of a block whose threads share the depth of a few rows; 0 where that is not the way.
static int64_t fewRowsColumns(linalg::GenericOp root) {
  constexpr int64_t kMostRows = 8, kMostColumns = 32, kLeastColumns = 16, kLeastDepth = 128;
  std::optional<Contraction> loops = contractionOf(root);
  if (!loops || !startOf(root))
    return 0;
  std::optional<int64_t> rows = extentOf(root, loops->rows);
  int64_t batch = extentOf(root, loops->batch).value_or(1), columns = extentOf(root, loops->columns).value_or(512),
          depth = extentOf(root, loops->depth).value_or(512);
  Type sum = root.getBlock()->getArguments().back().getType();
  // Neighbours in memory are columns; where they are along the depth, warps have a row each.
  AffineMap right = root.getIndexingMapsArray()[1];
  auto fast = dyn_cast<AffineDimExpr>(right.getResults().empty() ? AffineExpr() : right.getResults().back());
  bool areColumnsFast = fast && llvm::is_contained(loops->columns, fast.getPosition());
  if (!rows || *rows < 1 || *rows > kMostRows || columns < kLeastColumns || depth < kLeastDepth || !areColumnsFast ||
      !(sum.isF32() || sum.isInteger(32)))
    return 0;
  return batch * ((columns + kMostColumns - 1) / kMostColumns) >= kEnoughBlocks ? kMostColumns : kLeastColumns;
}

static std::optional<Tile> tileOf(linalg::GenericOp root, tgl::TargetAttr target) {
  std::optional<Contraction> loops = contractionOf(root);
  if (!loops || !startOf(root))
    return std::nullopt;
  // What is known at run time only is taken for large.
  constexpr int64_t kUsual = 512;
  int64_t batch = extentOf(root, loops->batch).value_or(1), rows = extentOf(root, loops->rows).value_or(kUsual);
  int64_t columns = extentOf(root, loops->columns).value_or(kUsual),
          depth = extentOf(root, loops->depth).value_or(kUsual);
  if (rows < kLeastSide || columns < kLeastSide || batch * rows * columns * depth < kLeastProducts)
    return std::nullopt;
  std::optional<Factors> factors = factorsOf(root);
  bool areMatrices =
      factors && llvm::any_of(chipsOf(target), [&](Chip chip) { return coresOf(chip, *factors) != Cores::None; });
  ArrayRef<Tile> tiles = areMatrices ? ArrayRef(kMatrixTiles) : ArrayRef(kTiles);
  const Tile *enough =
      llvm::find_if(tiles, [&](const Tile &tile) { return blocksOf(tile, batch, rows, columns) >= kEnoughBlocks; });
  Tile tile = enough == tiles.end() ? tiles.back() : *enough;
  if (areMatrices)
    tile.depth /= factors->left.getIntOrFloatBitWidth() / 8;
  return tile;
}

/// Whether the lanes of a warp are to share a row.
static bool isSharedRow(linalg::GenericOp root) {
  if (root.getNumReductionLoops() == 0 || root.getNumResults() != 1 || root.hasIndexSemantics() || !readsRows(root))
    return false;
  Type type = getElementTypeOrSelf(root.getResult(0).getType());
  Attribute start = startOf(root);
  bool isMovable = type.isIntOrFloat() && type.getIntOrFloatBitWidth() <= 32 && type.getIntOrFloatBitWidth() >= 8;
  bool isPlain = llvm::all_of(root.getBlock()->without_terminator(),
                              [](Operation &inner) { return isPure(&inner) && inner.getNumRegions() == 0; });
  int64_t last = root.getStaticLoopRanges().back();
  return isMovable && isPlain && start && combinerOf(root, start) && (ShapedType::isDynamic(last) || last >= kLeastRow);
}

tgl::PlanAttr planUnit(linalg::GenericOp root, tgl::TargetAttr target) {
  auto make = [&](int64_t columns, int64_t rows, ArrayRef<int64_t> block, int64_t threads, int64_t dot = 1) {
    return tgl::PlanAttr::get(root.getContext(), /*vectorLoop=*/-1, /*lanes=*/1, columns, /*unrollLoop=*/-1, rows,
                              block, dot, /*rows=*/0, /*depth=*/0, /*outer=*/1, threads);
  };
  if (int64_t columns = fewRowsColumns(root))
    return make(1, 1, {8, columns, 1}, kThreads);
  if (std::optional<Tile> tile = tileOf(root, target))
    return make(tile->ownColumns, tile->ownRows, {tile->rows, tile->columns, tile->depth}, tile->threads(),
                tile->areMatrices ? tile->depth / 2 : 1);
  if (isSharedRow(root))
    return make(1, 1, {}, kWarps * kLanes);
  // An element of the result each thread; neighbours along the last loop are neighbours in a warp.
  return make(1, 1, SmallVector<int64_t>(root.getNumParallelLoops(), 1), 0);
}

int64_t waysToSplit(linalg::GenericOp root, tgl::TargetAttr target) {
  tgl::PlanAttr plan = planUnit(root, target);
  if (!plan.getThreads() || plan.getBlock().size() != 3 || plan.getBlock()[2] == 1)
    return 0;
  Contraction loops = *contractionOf(root);
  std::optional<int64_t> batch = extentOf(root, loops.batch), rows = extentOf(root, loops.rows),
                         columns = extentOf(root, loops.columns);
  if (!batch || !rows || !columns || !extentOf(root, loops.depth))
    return 0;
  int64_t blocks = *batch * ((*rows + plan.getBlock()[0] - 1) / plan.getBlock()[0]) *
                   ((*columns + plan.getBlock()[1] - 1) / plan.getBlock()[1]);
  return blocks * 2 <= kEnoughBlocks && blocks > 0 ? (kEnoughBlocks + blocks - 1) / blocks : 0;
}

} // namespace tegula::cuda
