//===- FuseBands.cpp - elementwise ops move into the loop that computes their input ---===//
//
//   %y = scf.for %i ... iter_args(%a = %e) {            %z = scf.for %i ... iter_args(%a = %e) {
//     %t = linalg.generic ... -> tensor<1x8x64x64xf32>     %t = linalg.generic ...
//     %s = tensor.insert_slice %t into %a[0, %o, 0, 0]     %u = linalg.generic ins(%t) {relu}
//     scf.yield %s                                    ->   %s = tensor.insert_slice %u into %a[0, %o, 0, 0]
//   }                                                      scf.yield %s
//   %z = linalg.generic ins(%y) {relu}                   }
//
// The op can then be the epilogue of what computes the band, and does not read the whole tensor again.
//
// Needs: linalg on tensors, FuseElementwise. Leaves: the same meaning. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/TileUsingInterface.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FUSEBANDS
#include "tegula/compiler/tile/Passes.h.inc"

/// The loop that makes `value` band by band, if nothing else reads it.
static scf::ForOp loopOf(Value value) {
  auto loop = value.getDefiningOp<scf::ForOp>();
  if (!loop || !loop->hasAttr(tgl::kBands) || !value.hasOneUse())
    return {};
  unsigned number = cast<OpResult>(value).getResultNumber();
  auto insert = loop.getBody()->getTerminator()->getOperand(number).getDefiningOp<tensor::InsertSliceOp>();
  return insert && insert.getDest() == loop.getRegionIterArg(number) ? loop : scf::ForOp();
}

/// The loop that an elementwise op can move into.
static scf::ForOp loopFor(linalg::GenericOp op) {
  if (op.getNumParallelLoops() != op.getNumLoops() || op.getNumResults() != 1 || op.hasIndexSemantics())
    return {};
  for (OpOperand *operand : op.getDpsInputOperands())
    if (op.getMatchingIndexingMap(operand).isIdentity())
      if (scf::ForOp loop = loopOf(operand->get()); loop && loop->getBlock() == op->getBlock())
        return loop;
  return {};
}

namespace {
struct FuseBands : impl::FuseBandsBase<FuseBands> {
  using FuseBandsBase::FuseBandsBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<linalg::GenericOp> ops;
    getOperation().walk([&](linalg::GenericOp op) { ops.push_back(op); });
    for (linalg::GenericOp op : ops) {
      scf::ForOp loop = loopFor(op);
      if (!loop)
        continue;
      Location both[] = {loop.getLoc(), op.getLoc()};
      op->setLoc(FusedLoc::get(&getContext(), both));
      SmallVector<LoopLikeOpInterface> loops{loop};
      Attribute bands = loop->getAttr(tgl::kBands);
      if (failed(scf::tileAndFuseConsumer(rewriter, op, loops)))
        continue;
      loops.front()->setAttr(tgl::kBands, bands);
      ++fused;
    }
  }
};
} // namespace
} // namespace tegula
