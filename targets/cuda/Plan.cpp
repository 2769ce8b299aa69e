//===- Plan.cpp - how a unit is spread over a GPU ----------------------------------------===//

#include "tegula/targets/cuda/Attention.h"
#include "tegula/targets/cuda/Cost.h"
#include "tegula/targets/cuda/Reduction.h"
#include "tegula/targets/cuda/block/Cores.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tegula::cuda {

static constexpr Tile kTiles[] = {{128, 128, 8, 8, 8}, {64, 64, 16, 4, 4}, {32, 32, 16, 4, 4}};
/// Those of matrix instructions: the depth is in bytes.
static constexpr Tile kMatrixTiles[] = {
    {128, 128, 64, 64, 64, true}, {128, 64, 64, 64, 32, true}, {64, 128, 64, 32, 64, true}, {64, 64, 64, 32, 32, true},
    {64, 32, 64, 32, 16, true},   {32, 64, 64, 16, 32, true},  {32, 32, 64, 16, 16, true},  {16, 64, 64, 16, 16, true}};
/// Smaller products have too little work to share.
static constexpr int64_t kLeastProducts = 1 << 14, kLeastSide = 8;
/// What is known at run time only is taken for large.
static constexpr int64_t kUsual = 512;

/// Rows of a reduction that a block has, one a warp; shorter ones leave lanes idle.
static constexpr int64_t kWarps = 4, kLanes = 32, kLeastRow = 16;

/// Blocks that keep each of the target's GPUs busy.
static int64_t enoughBlocks(tgl::TargetAttr target) {
  int64_t most = 1;
  for (Chip chip : chipsOf(target))
    most = std::max(most, processorsOf(chip));
  return most;
}

/// The constant that the sums start with; null if they start otherwise.
static Attribute startOf(linalg::GenericOp root) {
  Attribute start;
  auto fill = root.getDpsInitOperand(0)->get().getDefiningOp<linalg::FillOp>();
  return fill && matchPattern(fill.value(), m_Constant(&start)) ? start : Attribute();
}

static tgl::PlanAttr makePlan(MLIRContext *context, int64_t columns, int64_t rows, ArrayRef<int64_t> block,
                              int64_t threads, int64_t dot = 1) {
  return tgl::PlanAttr::get(context, /*vectorLoop=*/-1, /*lanes=*/1, columns, /*unrollLoop=*/-1, rows, block, dot,
                            /*rows=*/0, /*depth=*/0, /*outer=*/1, threads);
}

/// Whether the threads of a block may share the depth of a few rows.
static bool hasFewRows(linalg::GenericOp root) {
  constexpr int64_t kMostRows = 8, kLeastColumns = 16, kLeastDepth = 128;
  std::optional<Contraction> loops = contractionOf(root);
  if (!loops || !startOf(root))
    return false;
  std::optional<int64_t> rows = extentOf(root, loops->rows);
  int64_t columns = extentOf(root, loops->columns).value_or(kUsual),
          depth = extentOf(root, loops->depth).value_or(kUsual);
  Type sum = root.getBlock()->getArguments().back().getType();
  // Neighbours in memory are columns; where they are along the depth, warps have a row each.
  AffineMap right = root.getIndexingMapsArray()[1];
  auto fast = dyn_cast<AffineDimExpr>(right.getResults().empty() ? AffineExpr() : right.getResults().back());
  bool areColumnsFast = fast && llvm::is_contained(loops->columns, fast.getPosition());
  return rows && *rows >= 1 && *rows <= kMostRows && columns >= kLeastColumns && depth >= kLeastDepth &&
         areColumnsFast && (sum.isF32() || sum.isInteger(32));
}

/// Plans of a product of few rows, by columns of a block: the likeliest first.
static SmallVector<tgl::PlanAttr> fewRowsPlans(linalg::GenericOp root, tgl::TargetAttr target) {
  if (!hasFewRows(root))
    return {};
  Contraction loops = *contractionOf(root);
  int64_t sums = extentOf(root, loops.batch).value_or(1) * extentOf(root, loops.columns).value_or(kUsual);
  SmallVector<tgl::PlanAttr> plans;
  for (int64_t columns : {32, 16})
    plans.push_back(makePlan(root.getContext(), 1, 1, {8, columns, 1}, kThreads));
  if (sums < plans[0].getBlock()[1] * enoughBlocks(target))
    std::swap(plans[0], plans[1]);
  return plans;
}

/// The product that `root` is, if it is one whose threads may share tiles.
static std::optional<Product> productOf(linalg::GenericOp root) {
  std::optional<Contraction> loops = contractionOf(root);
  if (!loops || !startOf(root))
    return std::nullopt;
  Product product;
  product.batch = extentOf(root, loops->batch).value_or(1);
  product.rows = extentOf(root, loops->rows).value_or(kUsual);
  product.columns = extentOf(root, loops->columns).value_or(kUsual);
  product.depth = extentOf(root, loops->depth).value_or(kUsual);
  if (product.rows < kLeastSide || product.columns < kLeastSide ||
      product.batch * product.rows * product.columns * product.depth < kLeastProducts)
    return std::nullopt;
  int64_t bytes[3], elements[3];
  for (unsigned number = 0; number < 3; ++number) {
    auto type = cast<ShapedType>(root->getOperand(number).getType());
    bytes[number] = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
    elements[number] = type.hasStaticShape()
                           ? type.getNumElements()
                           : product.batch * product.depth * (number ? product.columns : product.rows);
  }
  std::tie(product.leftBytes, product.rightBytes, product.resultBytes) = std::tie(bytes[0], bytes[1], bytes[2]);
  product.operandBytes = bytes[0] * elements[0] + bytes[1] * elements[1];
  auto isChunked = [&](unsigned number) {
    AffineMap map = root.getIndexingMapsArray()[number];
    auto last = dyn_cast_if_present<AffineDimExpr>(map.getNumResults() ? map.getResults().back() : AffineExpr());
    int64_t extent = last ? root.getStaticLoopRanges()[last.getPosition()] : 1;
    return !ShapedType::isDynamic(extent) && extent * bytes[number] % 16 == 0;
  };
  product.isLeftChunked = isChunked(0);
  product.isRightChunked = isChunked(1);
  product.moreLoops = 0;
  for (ArrayRef<unsigned> all : {ArrayRef(loops->rows), ArrayRef(loops->columns), ArrayRef(loops->depth)})
    product.moreLoops += std::max<int64_t>(
        llvm::count_if(all, [&](unsigned loop) { return root.getStaticLoopRanges()[loop] != 1; }) - 1, 0);
  product.factors = factorsOf(root);
  return product;
}

/// The target's GPUs that have matrix instructions for the product.
static SmallVector<Chip> chipsWithCores(const Product &product, tgl::TargetAttr target) {
  SmallVector<Chip> chips;
  for (Chip chip : chipsOf(target))
    if (product.factors && coresOf(chip, *product.factors) != Cores::None)
      chips.push_back(chip);
  return chips;
}

namespace {
struct Way {
  Tile tile;
  int64_t parts; ///< of the depth
  size_t number; ///< before they are ranked
  double score;  ///< sum over GPUs of clocks by those of the best way on that GPU
};
} // namespace

/// All ways to compute the product, the best first. Where some GPUs have matrix instructions, it is for them to say.
static SmallVector<Way> rankWays(const Product &product, tgl::TargetAttr target, ArrayRef<int64_t> parts) {
  SmallVector<Chip> chips = chipsWithCores(product, target);
  bool areMatrices = !chips.empty();
  if (!areMatrices)
    llvm::append_range(chips, chipsOf(target));
  SmallVector<Way> ways;
  for (int64_t count : parts)
    for (Tile tile : areMatrices ? ArrayRef(kMatrixTiles) : ArrayRef(kTiles)) {
      tile.depth /= areMatrices ? product.leftBytes : 1;
      ways.push_back({tile, count, ways.size(), 0});
    }
  for (Chip chip : chips) {
    SmallVector<double> clocks =
        llvm::map_to_vector(ways, [&](const Way &way) { return clocksOf(product, way.tile, way.parts, chip); });
    double best = *llvm::min_element(clocks);
    for (auto [way, each] : llvm::zip(ways, clocks))
      way.score += each / best;
  }
  llvm::sort(ways,
             [](const Way &a, const Way &b) { return std::tie(a.score, a.number) < std::tie(b.score, b.number); });
  return ways;
}

static SmallVector<tgl::PlanAttr> productPlans(linalg::GenericOp root, tgl::TargetAttr target) {
  std::optional<Product> product = productOf(root);
  if (!product)
    return {};
  return llvm::map_to_vector(rankWays(*product, target, {1}), [&](const Way &way) {
    const Tile &tile = way.tile;
    return makePlan(root.getContext(), tile.ownColumns, tile.ownRows, {tile.rows, tile.columns, tile.depth},
                    tile.threads(), tile.areMatrices ? tile.depth / 2 : 1);
  });
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

SmallVector<tgl::PlanAttr> plansOf(linalg::GenericOp root, tgl::TargetAttr target) {
  SmallVector<tgl::PlanAttr> plans = fewRowsPlans(root, target);
  llvm::append_range(plans, productPlans(root, target));
  if (isSharedRow(root))
    plans.push_back(makePlan(root.getContext(), 1, 1, {}, kWarps * kLanes));
  // An element of the result each thread; neighbours along the last loop are neighbours in a warp.
  plans.push_back(makePlan(root.getContext(), 1, 1, SmallVector<int64_t>(root.getNumParallelLoops(), 1), 0));
  return plans;
}

int64_t waysToSplit(linalg::GenericOp root, tgl::TargetAttr target, ArrayRef<int64_t> possible) {
  std::optional<Product> product = productOf(root);
  Contraction loops = *contractionOf(root);
  bool isKnown = llvm::all_of(ArrayRef{&loops.batch, &loops.rows, &loops.columns, &loops.depth},
                              [&](auto *of) { return extentOf(root, *of).has_value(); });
  if (!product || !isKnown || hasFewRows(root))
    return 1;
  return rankWays(*product, target, possible).front().parts;
}

tgl::PlanAttr planAttention(const Attention &attention, tgl::TargetAttr target) {
  constexpr int64_t kMostWide = 128, kLeastWide = 32, kLeastRows = 16, kSharing = 128;
  std::optional<int64_t> depth = extentOf(attention.scores, attention.depth),
                         columns = extentOf(attention.values, attention.columns);
  if (!depth || !columns || *depth == 0 || *columns == 0 || *depth > kMostWide || *columns > kMostWide)
    return {};
  int64_t batch = extentOf(attention.scores, attention.batch).value_or(1),
          rows = extentOf(attention.scores, attention.rows).value_or(kUsual);
  if (rows < kLeastRows)
    return {};
  Factors first = *factorsOf(attention.scores), second = *factorsOf(attention.values);
  if (!first.sum.isF32() || !second.sum.isF32() || first.left != first.right || second.left != second.right)
    return {};
  // Registers of scores are in the order that the second product reads for 16 bits alone.
  bool areMatrices =
      first.left == second.left && first.left.getIntOrFloatBitWidth() == 16 &&
      llvm::any_of(chipsOf(target), [&](Chip chip) { return chip >= 75 && coresOf(chip, first) != Cores::None; });
  auto filled = [&](int64_t extent) { return std::max<int64_t>(llvm::PowerOf2Ceil(extent), kLeastWide); };
  int64_t deep = filled(*depth), wide = filled(*columns);
  // Rows of a block: of a warp 32 or 16 with matrix instructions, else a row of four threads.
  bool areMany = batch * ((rows + 127) / 128) >= enoughBlocks(target) && deep <= 64 && wide <= 64;
  int64_t block = !areMatrices ? 32 : areMany ? 128 : 64;
  int64_t keys = deep + wide <= 192 ? 64 : 32;
  return makePlan(target.getContext(), keys, block / 4, {block, keys, deep, wide}, kSharing, areMatrices ? 16 : 1);
}

} // namespace tegula::cuda
