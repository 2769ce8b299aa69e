//===- FuseTransposes.cpp - products read and write transposed tensors -----------------------===//
//
//   %t = linalg.generic ins(%k) { yield }              (n, h, d) -> (h, d, n)
//   %s = linalg.generic ins(%q, %t) { products }       %t at (h, d, n)
//   %y = linalg.generic ins(%s) { ... }                %s at (h, m, n), %y at (m, h, n)
// becomes
//   %s = linalg.generic ins(%q, %k) { products }       %k at (n, h, d), %s at (m, h, n)
//   %y = linalg.generic ins(%s) { ... }                both at (m, h, n)
//
// Tiles go through shared memory whatever the order of axes is, and sums are in registers: neither costs anything here,
// where a transposition is a kernel that reads and writes all of a tensor.
//
// Needs: linalg on tensors. Leaves: the same meaning. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/Contraction.h"
#include "tegula/targets/cuda/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FUSETRANSPOSES
#include "tegula/targets/cuda/Passes.h.inc"

/// Whether the op only moves its one input to other places, each once.
static bool isTranspose(linalg::GenericOp op) {
  return op && op.getNumDpsInputs() == 1 && op.getNumResults() == 1 && op.getNumReductionLoops() == 0 &&
         op.getBlock()->without_terminator().empty() &&
         op.getBlock()->getTerminator()->getOperand(0) == op.getBlock()->getArgument(0) &&
         llvm::all_of(op.getIndexingMapsArray(), [](AffineMap map) { return map.isPermutation(); });
}

namespace {
struct FuseTransposes : impl::FuseTransposesBase<FuseTransposes> {
  using FuseTransposesBase::FuseTransposesBase;

  void runOnOperation() override {
    SmallVector<linalg::GenericOp> products;
    getOperation().walk([&](linalg::GenericOp op) {
      if (cuda::contractionOf(op) && op.getNumResults() == 1)
        products.push_back(op);
    });
    for (linalg::GenericOp op : products) {
      for (OpOperand *operand : op.getDpsInputOperands())
        readThrough(op, *operand);
      writeTransposed(op);
    }
  }

  void readThrough(linalg::GenericOp op, OpOperand &operand) {
    auto made = operand.get().getDefiningOp<linalg::GenericOp>();
    if (!isTranspose(made))
      return;
    AffineMap from = made.getIndexingMapsArray()[0], to = made.getIndexingMapsArray()[1];
    AffineMap map = from.compose(inversePermutation(to)).compose(op.getMatchingIndexingMap(&operand));
    // Neighbours in memory must be of a tile.
    cuda::Contraction loops = *cuda::contractionOf(op);
    if (llvm::any_of(loops.batch, [&](unsigned loop) { return map.getResults().back().isFunctionOfDim(loop); }))
      return;
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    maps[operand.getOperandNumber()] = map;
    operand.set(made.getDpsInputs()[0]);
    op.setIndexingMapsAttr(Builder(&getContext()).getAffineMapArrayAttr(maps));
    op->setLoc(FusedLoc::get(&getContext(), {made.getLoc(), op.getLoc()}));
    if (made->use_empty())
      made.erase();
    ++fused;
  }

  /// Sums have the order of axes in which the next op reads them.
  void writeTransposed(linalg::GenericOp op) {
    auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
    if (!fill || !op->hasOneUse())
      return;
    OpOperand &use = *op->use_begin();
    auto user = dyn_cast<linalg::GenericOp>(use.getOwner());
    if (!user || user.isDpsInit(&use) || user.getNumReductionLoops() > 0 || user->getBlock() != op->getBlock())
      return;
    AffineMap read = user.getMatchingIndexingMap(&use);
    if (!read.isPermutation() || read.isIdentity())
      return;
    OpBuilder b(op);
    SmallVector<OpFoldResult> extents = tensor::getMixedSizes(b, op.getLoc(), fill.getOutputs()[0]), permuted;
    SmallVector<AffineMap> maps = op.getIndexingMapsArray(), readMaps = user.getIndexingMapsArray();
    SmallVector<AffineExpr> results;
    for (unsigned axis = 0; axis < read.getNumResults(); ++axis) {
      unsigned old = *read.getResultPosition(b.getAffineDimExpr(axis));
      results.push_back(maps.back().getResult(old));
      permuted.push_back(extents[old]);
    }
    Value empty = tensor::EmptyOp::create(b, op.getLoc(), permuted, getElementTypeOrSelf(op.getResult(0).getType()));
    Value start = linalg::FillOp::create(b, op.getLoc(), fill.getInputs(), empty).getResult(0);
    maps.back() = AffineMap::get(maps.back().getNumDims(), 0, results, &getContext());
    op.getDpsInitsMutable()[0].set(start);
    op.getResult(0).setType(cast<RankedTensorType>(start.getType()));
    op.setIndexingMapsAttr(b.getAffineMapArrayAttr(maps));
    ++fused;
    if (isTranspose(user) && readMaps.back().isIdentity()) {
      user.getResult(0).replaceAllUsesWith(op.getResult(0));
      user.erase();
      return;
    }
    readMaps[use.getOperandNumber()] = AffineMap::getMultiDimIdentityMap(read.getNumDims(), &getContext());
    user.setIndexingMapsAttr(b.getAffineMapArrayAttr(readMaps));
  }
};
} // namespace
} // namespace tegula
