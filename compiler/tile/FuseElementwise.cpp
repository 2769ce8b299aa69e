//===- FuseElementwise.cpp - chains of elementwise ops become one -----------===//
//
//   %a = linalg.generic ins(%x) { exp }          %b = linalg.generic ins(%x, %y) { exp; add }
//   %b = linalg.generic ins(%a, %y) { add }  ->
//
// Needs: linalg on tensors. Leaves: the same meaning, fewer ops. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FUSEELEMENTWISE
#include "tegula/compiler/tile/Passes.h.inc"

/// Ops whose repeated evaluation costs less than a trip through memory.
static bool isCheap(linalg::LinalgOp op) {
  unsigned count = 0;
  for (Operation &inner : op.getBlock()->without_terminator()) {
    if (isa<math::MathDialect>(inner.getDialect()) || isa<tensor::ExtractOp>(inner))
      return false;
    ++count;
  }
  return count <= 2;
}

/// Whether the op reads an operand across its rows.
static bool readsAcross(linalg::LinalgOp op) {
  if (op.getNumLoops() == 0)
    return false;
  return llvm::any_of(op.getDpsInputOperands(), [&](OpOperand *operand) {
    AffineMap map = op.getMatchingIndexingMap(operand);
    unsigned innermost = op.getNumLoops() - 1;
    return map.isFunctionOfDim(innermost) && map.getResults().back() != getAffineDimExpr(innermost, map.getContext());
  });
}

/// Longer bodies would spill, and copying them at every step makes long chains quadratic.
static constexpr size_t kMaxBody = 128;

static size_t bodySize(linalg::LinalgOp op) {
  auto &ops = op.getBlock()->getOperations();
  return std::distance(ops.begin(), ops.end());
}

static bool shouldFuse(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<linalg::LinalgOp>();
  auto consumer = dyn_cast<linalg::LinalgOp>(operand->getOwner());
  if (!producer || !consumer || producer.getNumParallelLoops() != producer.getNumLoops() ||
      consumer.getNumParallelLoops() != consumer.getNumLoops())
    return false;
  if (bodySize(producer) + bodySize(consumer) > kMaxBody)
    return false;
  if (!producer->hasOneUse())
    return isCheap(producer) && producer.getNumDpsInputs() == 0;
  AffineMap map = consumer.getMatchingIndexingMap(operand);
  // What is read several times should lie as it is read.
  return map.isPermutation() || (isCheap(producer) && !readsAcross(producer));
}

namespace {
/// An op that upstream's patterns put in another's place has that one's location: with a constant folded in, they would
/// give it those of all that it reads.
struct KeepLocations : RewriterBase::Listener {
  void notifyOperationReplaced(Operation *op, ValueRange values) override {
    Operation *made = values.empty() ? nullptr : values[0].getDefiningOp();
    if (isa_and_present<linalg::GenericOp>(made) && isa<linalg::GenericOp>(op))
      made->setLoc(op->getLoc());
  }
};

struct FuseElementwise : impl::FuseElementwiseBase<FuseElementwise> {
  using FuseElementwiseBase::FuseElementwiseBase;
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(patterns, [&](OpOperand *operand) {
      bool fuse = shouldFuse(operand);
      fused += fuse;
      // The pattern gives the result the consumer's location; the producer's node must not be forgotten.
      if (fuse) {
        Operation *consumer = operand->getOwner();
        Location both[] = {operand->get().getLoc(), consumer->getLoc()};
        consumer->setLoc(FusedLoc::get(consumer->getContext(), both));
      }
      return fuse;
    });
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal();
    KeepLocations listener;
    config.setListener(&listener);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};
} // namespace
} // namespace tegula
