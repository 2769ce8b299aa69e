//===- SimplifyUnits.cpp - one form for every op that becomes a unit ---------===//
//
// Named linalg ops become generics; parallel loops come first, in the order of the result's axes; neighbouring loops of
// elementwise ops over contiguous axes become one.
//
//   linalg.generic (d0, d1) ins(%x : tensor<8x4xf32>) {exp}  ->  (d0) ins(collapse_shape %x : tensor<32xf32>) {exp}
//
// Needs: linalg on tensors. Leaves: generics with the result map (d0, ..., dn), fills that start reductions.
// Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/Passes.h"
#include "tegula/compiler/tile/Unit.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_SIMPLIFYUNITS
#include "tegula/compiler/tile/Passes.h.inc"

bool isReductionStart(linalg::FillOp fill) {
  return llvm::all_of(fill->getUses(), [](OpOperand &use) {
    auto user = dyn_cast<linalg::GenericOp>(use.getOwner());
    return user && user.isDpsInit(&use) && user.getNumReductionLoops() > 0;
  });
}

linalg::GenericOp epilogueOf(linalg::GenericOp root) {
  if (root.getNumReductionLoops() == 0 || root.getNumResults() != 1 || !root->hasOneUse())
    return {};
  OpOperand &use = *root->use_begin();
  auto user = dyn_cast<linalg::GenericOp>(use.getOwner());
  if (!user || user->getBlock() != root->getBlock() || user.getNumResults() != 1 || user.getNumReductionLoops() != 0 ||
      user.isDpsInit(&use) || !user.getMatchingIndexingMap(&use).isIdentity() ||
      user.getNumLoops() != root.getNumParallelLoops() || user.payloadUsesValueFromOperand(user.getDpsInitOperand(0)))
    return {};
  return user;
}

bool isEpilogue(linalg::GenericOp op) {
  for (Value operand : op.getDpsInputs())
    if (auto root = operand.getDefiningOp<linalg::GenericOp>(); root && epilogueOf(root) == op)
      return true;
  return false;
}

/// Loops i and i + 1 may be one when every operand either has both axes side by side or neither.
static bool canCollapse(linalg::GenericOp op, unsigned loop) {
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    if (!type)
      return false;
    int first = -1, second = -1;
    for (auto [axis, expr] : llvm::enumerate(map.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim)
        return false;
      if (dim.getPosition() == loop)
        first = axis;
      if (dim.getPosition() == loop + 1)
        second = axis;
    }
    if (first < 0 && second < 0)
      continue;
    if (first < 0 || second != first + 1 || type.isDynamicDim(first) || type.isDynamicDim(second))
      return false;
  }
  return true;
}

/// Groups of neighbouring loops that collapse; empty when there is nothing to do.
static SmallVector<ReassociationIndices> collapsibleLoops(linalg::GenericOp op) {
  SmallVector<ReassociationIndices> groups;
  bool any = false;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    if (loop > 0 && canCollapse(op, loop - 1)) {
      groups.back().push_back(loop);
      any = true;
    } else {
      groups.push_back({(int64_t)loop});
    }
  }
  return any ? groups : SmallVector<ReassociationIndices>();
}

/// Parallel loops in the order of the result's axes, then the reduction loops.
static SmallVector<unsigned> loopOrder(linalg::GenericOp op) {
  SmallVector<unsigned> order;
  AffineMap result = op.getIndexingMapsArray().back();
  for (AffineExpr expr : result.getResults())
    order.push_back(cast<AffineDimExpr>(expr).getPosition());
  for (auto [loop, kind] : llvm::enumerate(op.getIteratorTypesArray()))
    if (!llvm::is_contained(order, loop) && kind == utils::IteratorType::parallel)
      order.push_back(loop);
  for (auto [loop, kind] : llvm::enumerate(op.getIteratorTypesArray()))
    if (!llvm::is_contained(order, loop))
      order.push_back(loop);
  return order;
}

namespace {
struct SimplifyUnits : impl::SimplifyUnitsBase<SimplifyUnits> {
  using SimplifyUnitsBase::SimplifyUnitsBase;
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      if (auto fill = dyn_cast<linalg::FillOp>(op.getOperation()); fill && isReductionStart(fill))
        continue;
      rewriter.setInsertionPoint(op);
      auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
      if (!generic) {
        FailureOr<linalg::GenericOp> made = linalg::generalizeNamedOp(rewriter, op);
        if (failed(made))
          continue;
        generic = *made;
      }
      SmallVector<unsigned> order = loopOrder(generic);
      if (!llvm::is_sorted(order))
        (void)linalg::interchangeGenericOp(rewriter, generic, order);
    }
    // A fill that starts one reduction and is read elsewhere was generalised above; start the reduction afresh.
    SmallVector<linalg::GenericOp> generics;
    getOperation().walk([&](linalg::GenericOp op) { generics.push_back(op); });
    for (linalg::GenericOp op : generics) {
      if (op.getNumReductionLoops() || op.hasIndexSemantics() || isEpilogue(op))
        continue;
      SmallVector<ReassociationIndices> groups = collapsibleLoops(op);
      if (groups.empty())
        continue;
      rewriter.setInsertionPoint(op);
      auto collapsed = linalg::collapseOpIterationDims(op, groups, rewriter);
      if (succeeded(collapsed))
        rewriter.replaceOp(op, collapsed->results);
    }
  }
};
} // namespace
} // namespace tegula
