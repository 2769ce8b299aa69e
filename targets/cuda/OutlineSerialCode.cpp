//===- OutlineSerialCode.cpp - what writes memory outside of units becomes a unit --------===//
//
//   memref.store %v, %m[%i]                     ->   scf.forall (%n) in (1) { memref.store %v, %m[%i] }
//   memref.copy %a, %b  (of strided buffers)    ->   scf.forall (%i, %j) in (4, 8) { load; store }
//   memref.reshape %m(%shape)                   ->   memref.reinterpret_cast %m to sizes: [loads of %shape]
//
// Needs: memrefs. Leaves: outside of units loads, copies of whole buffers, and control flow around units. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_OUTLINESERIALCODE
#include "tegula/targets/cuda/Passes.h.inc"

/// Whether the op, or one inside it, is of a kind that only the host can do.
static bool needsHost(Operation *op) {
  return op
      ->walk([](Operation *inner) {
        auto copy = dyn_cast<memref::CopyOp>(inner);
        bool isHosts = isa<scf::ForallOp, memref::AllocOp, memref::DeallocOp, cf::AssertOp, func::CallOp>(inner) ||
                       (copy && copy.getSource() != copy.getTarget());
        return isHosts ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

static bool writes(Operation *op) {
  return op
      ->walk([](Operation *inner) {
        auto effects = dyn_cast<MemoryEffectOpInterface>(inner);
        return effects && effects.hasEffect<MemoryEffects::Write>() ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

static bool isWholeCopy(memref::CopyOp copy) {
  auto from = cast<MemRefType>(copy.getSource().getType()), to = cast<MemRefType>(copy.getTarget().getType());
  return from.getLayout().isIdentity() && to.getLayout().isIdentity();
}

namespace {
struct OutlineSerialCode : impl::OutlineSerialCodeBase<OutlineSerialCode> {
  using OutlineSerialCodeBase::OutlineSerialCodeBase;

  void runOnOperation() override {
    // First: the stores of a shape need not be done.
    SmallVector<memref::ReshapeOp> reshapes;
    getOperation().walk([&](memref::ReshapeOp reshape) { reshapes.push_back(reshape); });
    for (memref::ReshapeOp reshape : reshapes)
      readShape(reshape);
    for (Block &block : getOperation().getBody())
      visit(block);
  }

  void visit(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (isa<scf::ForallOp>(op))
        continue;
      if (auto copy = dyn_cast<memref::CopyOp>(op)) {
        if (copy.getSource() == copy.getTarget())
          copy.erase();
        else if (!isWholeCopy(copy))
          copyByElements(copy);
        continue;
      }
      if (needsHost(&op)) {
        for (Region &region : op.getRegions())
          for (Block &inner : region)
            visit(inner);
        continue;
      }
      if (op.hasTrait<OpTrait::IsTerminator>() || !writes(&op))
        continue;
      // Results are the host's: it goes round the loop or chooses the branch.
      if (!op.use_empty() && op.getNumRegions()) {
        for (Region &region : op.getRegions())
          for (Block &inner : region)
            visit(inner);
        continue;
      }
      if (!op.use_empty()) {
        op.emitError("an op outside of units writes memory and has results, which the device does not hand out");
        return signalPassFailure();
      }
      launch(&op);
    }
  }

  void launch(Operation *op) {
    OpBuilder b(op);
    auto forall =
        scf::ForallOp::create(b, op->getLoc(), ArrayRef<OpFoldResult>{b.getIndexAttr(1)}, ValueRange(), std::nullopt);
    op->moveBefore(forall.getTerminator());
    ++launched;
  }

  /// The extents that are stored to the shape's buffer, if that is all that happens to it; the stores go.
  static SmallVector<Value> takeStored(memref::ReshapeOp reshape, int64_t rank) {
    Value shape = reshape.getShape();
    SmallVector<Value> extents(rank);
    SmallVector<memref::StoreOp> stores;
    for (Operation *user : shape.getUsers()) {
      auto store = dyn_cast<memref::StoreOp>(user);
      if (user == reshape)
        continue;
      std::optional<int64_t> at = store && store->getBlock() == reshape->getBlock() && store->isBeforeInBlock(reshape)
                                      ? getConstantIntValue(store.getIndices().front())
                                      : std::nullopt;
      if (!at || *at < 0 || *at >= rank || extents[*at])
        return {};
      extents[*at] = store.getValueToStore();
      stores.push_back(store);
    }
    if (llvm::is_contained(extents, Value()))
      return {};
    for (memref::StoreOp store : stores)
      store.erase();
    return extents;
  }

  /// Upstream's lowering would read the shape where it lies.
  void readShape(memref::ReshapeOp reshape) {
    OpBuilder b(reshape);
    Location loc = reshape.getLoc();
    auto type = cast<MemRefType>(reshape.getType());
    int64_t rank = type.getRank();
    SmallVector<Value> extents = takeStored(reshape, rank);
    for (int64_t axis = 0; extents.size() < static_cast<size_t>(rank); ++axis)
      extents.push_back(
          memref::LoadOp::create(b, loc, reshape.getShape(), arith::ConstantIndexOp::create(b, loc, axis).getResult()));
    SmallVector<OpFoldResult> sizes(rank), strides(rank);
    OpFoldResult stride = b.getIndexAttr(1);
    for (int64_t axis = rank; axis-- > 0;) {
      Value extent = extents[axis];
      if (!extent.getType().isIndex())
        extent = arith::IndexCastOp::create(b, loc, b.getIndexType(), extent);
      sizes[axis] = type.isDynamicDim(axis) ? OpFoldResult(extent) : b.getIndexAttr(type.getDimSize(axis));
      strides[axis] = stride;
      Value whole = getValueOrCreateConstantIndexOp(b, loc, stride),
            here = getValueOrCreateConstantIndexOp(b, loc, sizes[axis]);
      stride = getAsOpFoldResult(b.createOrFold<arith::MulIOp>(loc, whole, here));
    }
    auto [staticStrides, offset] = type.getStridesAndOffset();
    for (int64_t axis = 0; axis < rank; ++axis)
      if (!ShapedType::isDynamic(staticStrides[axis]))
        strides[axis] = b.getIndexAttr(staticStrides[axis]);
    Value cast =
        memref::ReinterpretCastOp::create(b, loc, type, reshape.getSource(), b.getIndexAttr(offset), sizes, strides);
    reshape.replaceAllUsesWith(cast);
    reshape.erase();
  }

  void copyByElements(memref::CopyOp copy) {
    OpBuilder b(copy);
    Location loc = copy.getLoc();
    SmallVector<OpFoldResult> extents = memref::getMixedSizes(b, loc, copy.getSource());
    if (extents.empty())
      extents.push_back(b.getIndexAttr(1));
    auto forall = scf::ForallOp::create(b, loc, extents, ValueRange(), std::nullopt);
    b.setInsertionPoint(forall.getTerminator());
    SmallVector<Value> indices = forall.getInductionVars();
    indices.resize(cast<MemRefType>(copy.getSource().getType()).getRank());
    Value element = memref::LoadOp::create(b, loc, copy.getSource(), indices);
    memref::StoreOp::create(b, loc, element, copy.getTarget(), indices);
    copy.erase();
    ++launched;
  }
};
} // namespace
} // namespace tegula
