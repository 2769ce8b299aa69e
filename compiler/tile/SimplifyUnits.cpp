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
#include "tegula/dialects/tgl/NodeName.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
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

/// Who reads `value`; a unit that is tiled already stands for the ops in it.
static llvm::SetVector<Operation *> readersOf(Value value) {
  llvm::SetVector<Operation *> readers;
  for (Operation *user : value.getUsers()) {
    auto unit = user->getParentOfType<scf::ForallOp>();
    readers.insert(unit ? unit : user);
  }
  return readers;
}

std::string whyItEnds(linalg::GenericOp last) {
  Value result = last->getResult(0);
  bool isReshaped = false;
  llvm::SetVector<Operation *> readers = readersOf(result);
  for (; readers.size() == 1 && isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(readers[0]); isReshaped = true) {
    result = readers[0]->getResult(0);
    readers = readersOf(result);
  }
  if (readers.empty())
    return "nothing reads its result";
  if (readers.size() > 1)
    return std::to_string(readers.size()) + " others read its result";
  Operation *user = readers[0];
  std::string name = nodeNameOf(user->getLoc()), by = name.empty() ? "its reader" : "'" + name + "'";
  if (isa<func::ReturnOp>(user))
    return "its result is an output of the model";
  if (user->hasTrait<OpTrait::IsTerminator>())
    return "its result leaves a loop or a branch";
  if (isa<tensor::InsertSliceOp, tensor::PadOp>(user))
    return "its result becomes a part of a larger tensor";
  if (isa<scf::ForallOp>(user))
    return by + " is one unit with another of its inputs";
  auto next = dyn_cast<linalg::GenericOp>(user);
  if (!next)
    return by + " is not computed element by element";
  if (next->getBlock() != last->getBlock())
    return by + " reads it in a loop or a branch";
  OpOperand &use = *result.use_begin();
  if (next.isDpsInit(&use))
    return by + " adds to it";
  if (next.getNumReductionLoops())
    return by + " multiplies or reduces: it needs each element several times, or all of them";
  if (!result.hasOneUse())
    return by + " reads it several times";
  if (isReshaped)
    return by + " reads it in another shape";
  if (!next.getMatchingIndexingMap(&use).isIdentity())
    return by + " reads it in another order, or several times";
  if (last.getNumReductionLoops())
    return by + " cannot go on with the vectors that sum up";
  return by + " had another shape when chains were fused, or would make this one too long";
}

/// Whether the result becomes a part of a larger tensor, in which elements along `axis` are followed by others: as one
/// axis with the one before, the part would have to be copied there.
static bool isPartAlong(linalg::GenericOp op, int axis) {
  Value result = op->getResult(0);
  auto insert = result.hasOneUse() ? dyn_cast<tensor::InsertSliceOp>(*result.user_begin()) : tensor::InsertSliceOp();
  return insert && insert.getSource() == result && insert.getSourceType().getRank() == insert.getDestType().getRank() &&
         insert.getSourceType().getDimSize(axis) != insert.getDestType().getDimSize(axis);
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
    if (op.isDpsInit(&operand) && isPartAlong(op, second))
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
    // A target's own units are in the form that it knows.
    getOperation().walk([&](linalg::LinalgOp op) {
      if (!op->getParentOfType<scf::ForallOp>())
        ops.push_back(op);
    });
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
    getOperation().walk([&](linalg::GenericOp op) {
      if (!op->getParentOfType<scf::ForallOp>())
        generics.push_back(op);
    });
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
