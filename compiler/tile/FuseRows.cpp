//===- FuseRows.cpp - ops on rows run band by band ------------------------------------===//
//
//   %s = product(%q, %k)                          %y = scf.for %band ... {
//   %m = row maxima of %s                            %qb = rows of %q
//   %p = exp(%s - %m)                         ->     %sb = product(%qb, %k); %mb, %pb, %tb = ...
//   %t = row sums of %p                              rows of %y = product(%pb / %tb, %v)
//   %y = product(%p / %t, %v)                     } {tgl.bands}
//
// Attention: the scores of a band of rows stay in a cache between the two products, and the whole of them never exists.
// Also a softmax by itself that is larger than the caches, and a depthwise convolution before one of 1x1, where the
// image between them does not stay in a cache.
//
// Rows that are also summed up beside the second product (the zero point of a quantized %v) go with what reads both. A
// right side that is packed by rows is sliced before it is seen unpacked.
//
// Upstream's tile-and-fuse does the work. Only what is read by nothing else moves, and nothing is computed twice.
//
// Needs: linalg on tensors, FuseElementwise. Leaves: ops of unknown extents as they are. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/Dot.h"
#include "tegula/compiler/tile/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/Transforms/TileUsingInterface.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FUSEROWS
#include "tegula/compiler/tile/Passes.h.inc"

/// Smaller products would spend their time on calls of units.
static constexpr int64_t kLeastIterations = 500'000;
/// A softmax by itself is worth bands when its input has left the caches.
static constexpr int64_t kLargeBytes = 4 << 20;
/// The share of a second-level cache that the rows of a band take; the products' right sides need room too.
static constexpr int64_t kCacheShare = 4;
static constexpr int64_t kUsualCacheKiB = 512;
/// Fewer rows would not fill a product's register tile, or not be worth the calls of a softmax's units.
static constexpr int64_t kLeastRows = 12, kLeastBytes = 32 << 10;

static int64_t iterationsOf(linalg::GenericOp op) {
  int64_t count = 1;
  for (int64_t extent : op.getStaticLoopRanges())
    count *= extent;
  return count;
}

/// A sum of products of two tensors.
static bool isProduct(linalg::GenericOp op) {
  return op && op.getNumReductionLoops() > 0 && op.getNumDpsInputs() == 2 &&
         llvm::all_of(op.getBlock()->without_terminator(), [](Operation &inner) {
           return isa<arith::MulFOp, arith::AddFOp, arith::MulIOp, arith::AddIOp, CastOpInterface>(inner);
         });
}

/// Bytes of a tensor; more than any cache has where they are not known.
static int64_t bytesOf(Value value) {
  auto type = dyn_cast<ShapedType>(value.getType());
  return type && type.hasStaticShape() ? type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8)
                                       : int64_t(1) << 40;
}

/// A product whose right side has a value for each place along the loops that it shares with the result: a kernel of
/// one channel. It takes little time beside reading and writing its images.
static bool isDepthwise(linalg::GenericOp op) {
  if (!isProduct(op))
    return false;
  AffineMap left = op.getMatchingIndexingMap(op.getDpsInputOperand(0));
  AffineMap right = op.getMatchingIndexingMap(op.getDpsInputOperand(1));
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
    if (right.isFunctionOfDim(loop) && !left.isFunctionOfDim(loop))
      return false;
  return true;
}

/// The only reader of a product's result, if it works element by element; the result's axes are the first loops.
static linalg::GenericOp elementwiseReaderOf(linalg::GenericOp op) {
  auto reader = op->hasOneUse() ? dyn_cast<linalg::GenericOp>(*op->user_begin()) : linalg::GenericOp();
  for (auto [axis, expr] : llvm::enumerate(op.getIndexingMapsArray().back().getResults()))
    if (expr != getAffineDimExpr(axis, op.getContext()))
      return {};
  bool is = reader && reader->getBlock() == op->getBlock() && reader.getNumReductionLoops() == 0 &&
            reader.getNumResults() == 1 && reader.getMatchingIndexingMap(&*op->use_begin()).isPermutation();
  return is ? reader : linalg::GenericOp();
}

/// The loop that walks along an axis which is indexed with `expr`, apart from loops of one iteration; -1 for a window.
static int64_t loopAlong(AffineExpr expr, ArrayRef<int64_t> extents) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dim.getPosition();
  auto sum = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!sum || sum.getKind() != AffineExprKind::Add)
    return -1;
  auto isOne = [&](AffineExpr side) {
    bool isOne = true;
    side.walk([&](AffineExpr part) {
      if (auto dim = dyn_cast<AffineDimExpr>(part))
        isOne &= extents[dim.getPosition()] == 1;
      else if (auto constant = dyn_cast<AffineConstantExpr>(part); constant && part == side)
        isOne &= constant.getValue() == 0;
    });
    return isOne;
  };
  if (isOne(sum.getRHS()))
    return loopAlong(sum.getLHS(), extents);
  return isOne(sum.getLHS()) ? loopAlong(sum.getRHS(), extents) : -1;
}

namespace {
/// What moves into the bands of `root`.
struct Rows {
  linalg::GenericOp root;
  linalg::GenericOp product; // the root, or what it is the epilogue of; null: none
  OpOperand *left = nullptr; // of the product: the side that the rows come in by
  llvm::SmallPtrSet<Operation *, 16> ops;
  bool hasReduction = false, hasProduct = false;

  /// Gathers, upwards in the block, the ops whose users all move.
  void gather() {
    for (Operation *op = root->getPrevNode(); op; op = op->getPrevNode()) {
      auto generic = dyn_cast<linalg::GenericOp>(op);
      if (!generic || op->use_empty() || !llvm::all_of(op->getUses(), [&](OpOperand &use) { return moves(use); }))
        continue;
      if (ShapedType::isDynamicShape(generic.getStaticLoopRanges()) || generic.getNumResults() != 1)
        continue;
      ops.insert(op);
      hasProduct |= generic != product && isProduct(generic);
      hasReduction |= !isProduct(generic) && generic.getNumReductionLoops() > 0;
    }
  }

  /// Whether the value used here is to be made in the bands: rows, not what the first product reads.
  bool moves(OpOperand &use) {
    if (use.getOwner() == product.getOperation())
      return &use == left;
    if (use.getOwner() == root.getOperation())
      return true;
    auto user = dyn_cast<linalg::GenericOp>(use.getOwner());
    return ops.contains(use.getOwner()) && !isProduct(user);
  }

  /// Sums start from fills of their own, which move too; others may share a fill.
  void takeFills(OpBuilder &b) {
    SmallVector<Operation *> users(ops.begin(), ops.end());
    users.push_back(root);
    for (Operation *user : users)
      for (OpOperand &init : cast<linalg::GenericOp>(user).getDpsInitsMutable())
        if (auto fill = init.get().getDefiningOp<linalg::FillOp>()) {
          b.setInsertionPoint(user);
          Operation *own = b.clone(*fill);
          init.set(own->getResult(0));
          ops.insert(own);
        }
  }
};

/// A slice of some of the matrices that are packed, each whole.
struct SlicePacked : OpRewritePattern<tensor::ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ExtractSliceOp slice, PatternRewriter &b) const override {
    auto unpack = slice.getSource().getDefiningOp<linalg::UnPackOp>();
    if (!isPackedByRows(slice.getSource()) || !slice.hasUnitStride() ||
        slice.getType().getRank() != slice.getSourceType().getRank())
      return b.notifyMatchFailure(slice, "not of a packed tensor");
    for (int64_t axis : unpack.getInnerDimsPos())
      if (slice.getType().getDimSize(axis) != slice.getSourceType().getDimSize(axis))
        return b.notifyMatchFailure(slice, "not of whole matrices");
    SmallVector<OpFoldResult> offsets = slice.getMixedOffsets(), sizes = slice.getMixedSizes();
    Value source = unpack.getSource();
    SmallVector<OpFoldResult> whole = tensor::getMixedSizes(b, slice.getLoc(), source);
    for (int64_t axis : unpack.getInnerDimsPos())
      sizes[axis] = whole[axis];
    for (size_t axis = sizes.size(); axis < whole.size(); ++axis) {
      offsets.push_back(b.getIndexAttr(0));
      sizes.push_back(whole[axis]);
    }
    SmallVector<OpFoldResult> strides(whole.size(), b.getIndexAttr(1));
    Value part = tensor::ExtractSliceOp::create(b, slice.getLoc(), source, offsets, sizes, strides);
    Value to = tensor::EmptyOp::create(b, slice.getLoc(), slice.getMixedSizes(), slice.getType().getElementType());
    b.replaceOpWithNewOp<linalg::UnPackOp>(slice, part, to, unpack.getInnerDimsPos(), unpack.getMixedTiles());
    return success();
  }
};

struct FuseRows : impl::FuseRowsBase<FuseRows> {
  using FuseRowsBase::FuseRowsBase;

  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    cacheBytes = (target ? target.getCacheKiB() : kUsualCacheKiB) * 1024;
    if (!cacheBytes)
      return;
    SmallVector<linalg::GenericOp> roots;
    getOperation().walk([&](linalg::GenericOp op) { roots.push_back(op); });
    llvm::SmallPtrSet<Operation *, 32> gone;
    for (linalg::GenericOp root : llvm::reverse(roots)) {
      if (gone.contains(root) || !isa<func::FuncOp>(root->getParentOp()) || root.getNumResults() != 1 ||
          ShapedType::isDynamicShape(root.getStaticLoopRanges()))
        continue;
      Rows rows;
      rows.root = root;
      if (isProduct(root)) {
        rows.product = root;
        rows.left = root.getDpsInputOperand(0);
        // Where rows are summed up beside the product, what follows reads both.
        if (linalg::GenericOp reader = elementwiseReaderOf(root); reader && !rows.left->get().hasOneUse())
          rows.root = reader;
      }
      rows.gather();
      SmallVector<int64_t> tiles = tilesOf(rows);
      if (!tiles.empty() && fuse(rows, tiles))
        gone.insert(rows.ops.begin(), rows.ops.end());
    }
    // A slice of an empty tensor is a small empty tensor, and one of a packed tensor a packed one.
    RewritePatternSet patterns(&getContext());
    tensor::populateFoldTensorEmptyPatterns(patterns);
    patterns.add<SlicePacked>(&getContext());
    if (!gone.empty() && failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }

  /// Iterations of each loop of the root in a band, 0 for all; empty where bands are not worth it.
  SmallVector<int64_t> tilesOf(Rows &rows) {
    linalg::GenericOp root = rows.product ? rows.product : rows.root;
    if (rows.left && rows.hasProduct && !rows.hasReduction)
      return tilesOfImage(rows);
    bool isLarge = rows.left ? rows.hasProduct && iterationsOf(root) >= kLeastIterations
                             : root.getNumReductionLoops() == 0 && iterationsOf(root) * 4 >= kLargeBytes;
    if (!rows.hasReduction || !isLarge)
      return {};
    // Loops along which nothing is summed up or compared: those of the root, and of the reductions that move.
    SmallVector<int64_t> extents = root.getStaticLoopRanges(), tiles(extents.size(), 0);
    AffineMap map = root.getMatchingIndexingMap(rows.left ? rows.left : root.getDpsInputOperand(0));
    if (!map.isProjectedPermutation() || map.getNumResults() < 2)
      return {};
    SmallVector<unsigned> outer; // all axes of the rows' tensor but the last one, which rows lie along
    for (AffineExpr expr : map.getResults().drop_back())
      outer.push_back(cast<AffineDimExpr>(expr).getPosition());
    unsigned along = cast<AffineDimExpr>(map.getResults().back()).getPosition();
    if (!reduceAlongLastAxis(rows))
      return {};
    for (unsigned loop : outer) {
      if (root.getIteratorTypesArray()[loop] != utils::IteratorType::parallel)
        return {};
      tiles[loop] = 1;
    }
    int64_t rowBytes = extents[along] * 4, count = extents[outer.back()];
    int64_t least = std::min(count, rows.left ? kLeastRows : (kLeastBytes + rowBytes - 1) / rowBytes);
    int64_t size = std::min(count, std::max(cacheBytes / kCacheShare / rowBytes, least));
    while (count % size) // one size for all bands
      --size;
    tiles[outer.back()] = size < least ? count : size;
    return tiles;
  }

  /// The same for a depthwise convolution and the product that reads it: a band has whole rows of the image between
  /// them.
  SmallVector<int64_t> tilesOfImage(Rows &rows) {
    linalg::GenericOp root = rows.product;
    int64_t between = bytesOf(rows.left->get()), rights = bytesOf(root.getDpsInputOperand(1)->get());
    for (Operation *op : rows.ops)
      if (auto product = dyn_cast<linalg::GenericOp>(op); product && isProduct(product)) {
        if (!isDepthwise(product))
          return {};
        rights += bytesOf(product.getDpsInputOperand(1)->get());
      }
    AffineMap map = root.getMatchingIndexingMap(rows.left);
    if (between < cacheBytes || rights > cacheBytes / kCacheShare || map.getNumResults() < 3)
      return {};
    SmallVector<int64_t> extents = root.getStaticLoopRanges(), tiles(extents.size(), 0);
    SmallVector<int64_t> loops;
    for (AffineExpr expr : map.getResults().drop_back())
      loops.push_back(loopAlong(expr, extents));
    if (llvm::any_of(loops, [&](int64_t loop) {
          return loop < 0 || root.getIteratorTypesArray()[loop] != utils::IteratorType::parallel;
        }))
      return {};
    int64_t size = cacheBytes / kCacheShare, bytes = between;
    for (int64_t loop : loops) {
      bytes /= extents[loop];
      tiles[loop] = std::clamp<int64_t>(size / std::max<int64_t>(bytes, 1), 1, extents[loop]);
      while (extents[loop] % tiles[loop]) // one size for all bands
        --tiles[loop];
      if (tiles[loop] > 1)
        break;
    }
    return tiles;
  }

  /// Whether rows are what the moved reductions work on: bands of rows are independent then.
  static bool reduceAlongLastAxis(Rows &rows) {
    for (Operation *op : rows.ops) {
      auto generic = dyn_cast<linalg::GenericOp>(op);
      if (!generic || isProduct(generic) || generic.getNumReductionLoops() == 0)
        continue;
      AffineMap map = generic.getMatchingIndexingMap(generic.getDpsInputOperand(0));
      auto last = dyn_cast<AffineDimExpr>(map.getResults().back());
      if (generic.getNumReductionLoops() != 1 || !last ||
          generic.getIteratorTypesArray()[last.getPosition()] != utils::IteratorType::reduction)
        return false;
    }
    return true;
  }

  bool fuse(Rows &rows, ArrayRef<int64_t> tiles) {
    linalg::GenericOp root = rows.root;
    int64_t bands = 1;
    for (auto [tile, extent] : llvm::zip(tiles, (rows.product ? rows.product : root).getStaticLoopRanges()))
      bands *= tile ? extent / tile : 1;
    if (bands < 2)
      return false;
    IRRewriter rewriter(root);
    rows.takeFills(rewriter);
    rewriter.setInsertionPoint(root);
    scf::SCFTileAndFuseOptions options;
    SmallVector<int64_t> ofRoot(tiles);
    if (rows.product && rows.product != root) {
      ofRoot.resize(root.getNumLoops());
      AffineMap map = root.getMatchingIndexingMap(&*rows.product->use_begin());
      for (unsigned axis = 0; axis < root.getNumLoops(); ++axis)
        ofRoot[map.getDimPosition(axis)] = tiles[axis];
    }
    SmallVector<OpFoldResult> sizes = getAsIndexOpFoldResult(&getContext(), ofRoot);
    options.tilingOptions.setTileSizes(sizes);
    options.setFusionControlFn([&](tensor::ExtractSliceOp, OpResult producer,
                                   bool) -> std::optional<scf::SCFTileAndFuseOptions::ControlFnResult> {
      if (!rows.ops.contains(producer.getOwner()))
        return std::nullopt;
      return scf::SCFTileAndFuseOptions::ControlFnResult{};
    });
    auto result =
        scf::tileConsumerAndFuseProducersUsingSCF(rewriter, cast<TilingInterface>(root.getOperation()), options);
    if (failed(result) || result->loops.empty())
      return false;
    rewriter.replaceOp(root, result->replacements.lookup(root.getResult(0)));
    SmallVector<scf::ForOp> loops;
    for (LoopLikeOpInterface loop : result->loops)
      loops.push_back(cast<scf::ForOp>(loop.getOperation()));
    if (loops.size() > 1 && failed(coalesceLoops(rewriter, loops)))
      return true;
    loops.front()->setAttr(tgl::kBands, rewriter.getI64IntegerAttr(bands));
    ++fused;
    return true;
  }

  int64_t cacheBytes = 0;
};
} // namespace
} // namespace tegula
