//===- FuseAttention.cpp - an attention is one unit --------------------------------------------===//
//
//   %s = linalg.generic: %q . %k                          scf.forall (%i) in (1) shared_outs(%o = %e) {
//   %t = linalg.generic: %s * scale + mask                  %s = ..., %t = ..., %m = ..., %p = ..., %l = ..., %a = ...
//   %m = linalg.generic: greatest of rows of %t      ->     %y = linalg.generic: %a . %v
//   %p = linalg.generic: exp(%t - %m)                     } {tgl.plan = ... block = [rows, keys, depth, columns]}
//   %l = linalg.generic: sums of rows of %p
//   %a = linalg.generic: %p / %l
//   %y = linalg.generic: %a . %v
//
// What is between the products is in memory of the threads: LowerAttention computes it by parts that are never stored
// (Dao et al., "FlashAttention", 2022).
//
// Needs: linalg on tensors. Leaves: the same meaning. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/Work.h"
#include "tegula/targets/cuda/Attention.h"
#include "tegula/targets/cuda/Passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FUSEATTENTION
#include "tegula/targets/cuda/Passes.h.inc"

/// The work of all ops; memory is what crosses the unit's border.
static Work workOf(ArrayRef<linalg::GenericOp> ops) {
  Work work;
  llvm::SetVector<Value> tensors;
  for (linalg::GenericOp op : ops) {
    work.flops += flopsOf(op);
    for (Value input : op.getDpsInputs())
      if (!llvm::is_contained(ops, input.getDefiningOp()))
        tensors.insert(input);
  }
  tensors.insert(ops.back()->getResult(0));
  for (Value tensor : tensors)
    if (auto type = dyn_cast<RankedTensorType>(tensor.getType())) {
      if (!type.hasStaticShape())
        return {};
      work.bytes += type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8);
    }
  return work;
}

namespace {
struct FuseAttention : impl::FuseAttentionBase<FuseAttention> {
  using FuseAttentionBase::FuseAttentionBase;

  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    SmallVector<linalg::GenericOp> products;
    getOperation().walk([&](linalg::GenericOp op) {
      if (!op->getParentOfType<scf::ForallOp>() && cuda::contractionOf(op))
        products.push_back(op);
    });
    for (linalg::GenericOp op : products)
      if (std::optional<cuda::Attention> attention = target ? cuda::attentionOf(op) : std::nullopt)
        if (tgl::PlanAttr plan = cuda::planAttention(*attention, target))
          fuse(*attention, plan);
  }

  void fuse(const cuda::Attention &attention, tgl::PlanAttr plan) {
    SmallVector<linalg::GenericOp> ops = attention.ops();
    linalg::GenericOp last = ops.back();
    OpBuilder b(last);
    SmallVector<Location> places = llvm::map_to_vector(ops, [](linalg::GenericOp op) { return op.getLoc(); });
    Location loc = b.getFusedLoc(places);
    Value result = last.getResult(0);
    auto type = cast<RankedTensorType>(result.getType());
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, last.getDpsInits()[0]);
    Value destination = tensor::EmptyOp::create(b, loc, sizes, type.getElementType());
    auto forall =
        scf::ForallOp::create(b, loc, ArrayRef<OpFoldResult>{b.getIndexAttr(1)}, ValueRange{destination}, std::nullopt);
    setWork(forall, workOf(ops));
    forall->setAttr(tgl::kPlan, plan);
    b.setInsertionPoint(forall.getTerminator());
    IRMapping mapping;
    for (linalg::GenericOp op : ops) {
      Value init = op == last ? forall.getRegionIterArgs()[0] : privateLike(b, op);
      auto cloned = cast<linalg::GenericOp>(b.clone(*op, mapping));
      cloned.getDpsInitsMutable()[0].set(init);
      TypedAttr start;
      if (auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>())
        (void)matchPattern(fill.value(), m_Constant(&start));
      if (start)
        cloned->setAttr(tgl::kStart, start);
      mapping.map(op.getResult(0), cloned.getResult(0));
    }
    SmallVector<OpFoldResult> offsets(sizes.size(), b.getIndexAttr(0)), strides(sizes.size(), b.getIndexAttr(1));
    b.setInsertionPointToEnd(forall.getTerminator().getBody());
    tensor::ParallelInsertSliceOp::create(b, loc, mapping.lookup(result), forall.getRegionIterArgs()[0], offsets, sizes,
                                          strides);
    result.replaceAllUsesWith(forall.getResult(0));
    for (linalg::GenericOp op : llvm::reverse(ops))
      op.erase();
    ++fused;
  }

  /// Memory of the threads, as the op's result.
  static Value privateLike(OpBuilder &b, linalg::GenericOp op) {
    auto type = cast<RankedTensorType>(op.getResult(0).getType());
    SmallVector<Value> extents;
    for (int64_t axis = 0; axis < type.getRank(); ++axis)
      if (type.isDynamicDim(axis))
        extents.push_back(tensor::DimOp::create(b, op.getLoc(), op.getDpsInits()[0], axis));
    auto made = bufferization::AllocTensorOp::create(b, op.getLoc(), type, extents);
    made.setMemorySpaceAttr(gpu::AddressSpaceAttr::get(b.getContext(), gpu::AddressSpace::Private));
    return made;
  }
};
} // namespace
} // namespace tegula
