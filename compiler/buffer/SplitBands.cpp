//===- SplitBands.cpp - bands run on all threads ------------------------------------===//
//
//   scf.for %i = 0 to 14 { a; b }          scf.forall (%s) in (4) {
//     {tgl.bands = 14}               ->       scf.for %i = 14 * %s / 4 to 14 * (%s + 1) / 4 { a; b }
//                                          } {tgl.bands = 14}
//
// Each thread then makes whole bands, with what lies between their units in its own cache, instead of a share of each
// unit of each band.
//
// Needs: memrefs, no arena yet. Leaves: bands that the threads share. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/buffer/Passes.h"
#include "tegula/compiler/tile/Bands.h"
#include "tegula/compiler/tile/Work.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_SPLITBANDS
#include "tegula/compiler/buffer/Passes.h.inc"

namespace {
struct SplitBands : impl::SplitBandsBase<SplitBands> {
  using SplitBandsBase::SplitBandsBase;

  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    SmallVector<scf::ForOp> loops;
    getOperation().walk<WalkOrder::PreOrder>([&](scf::ForOp loop) {
      if (stripsOf(loop, target) < 2)
        return WalkResult::advance();
      loops.push_back(loop);
      return WalkResult::skip();
    });
    for (scf::ForOp loop : loops)
      if (canSplit(loop))
        split(loop, stripsOf(loop, target));
  }

  /// Whether the loop writes all of a buffer from outside: scratch memory that the bands share. Their parts of a result
  /// are views made in the loop.
  static bool isWritten(scf::ForOp loop, Value value) {
    return isa<MemRefType>(value.getType()) && llvm::any_of(value.getUsers(), [&](Operation *user) {
             if (!loop->isAncestor(user) || (isa<memref::SubViewOp>(user) && user->getParentOp() == loop))
               return false;
             if (isa<ViewLikeOpInterface>(user))
               return isWritten(loop, user->getResult(0));
             auto effects = dyn_cast<MemoryEffectOpInterface>(user);
             return !effects || effects.getEffectOnValue<MemoryEffects::Write>(value).has_value();
           });
  }

  /// Nothing is carried or shared, and scratch memory is of known size: a unit's code does not allocate.
  static bool canSplit(scf::ForOp loop) {
    SetVector<Value> captured;
    getUsedValuesDefinedAbove(loop.getRegion(), captured);
    bool areApart = llvm::none_of(captured, [&](Value value) { return isWritten(loop, value); });
    loop.walk([&](memref::AllocOp alloc) { areApart &= alloc.getType().hasStaticShape(); });
    return areApart && loop.getNumResults() == 0 && getConstantIntValue(loop.getLowerBound()) == 0 &&
           getConstantIntValue(loop.getStep()) == 1 && !loop->getParentOfType<scf::ForallOp>();
  }

  void split(scf::ForOp loop, int64_t strips) {
    OpBuilder b(loop);
    SmallVector<Location> names;
    Value count = loop.getUpperBound();
    Work work;
    bool isKnown = true;
    loop.walk([&](scf::ForallOp unit) {
      names.push_back(unit.getLoc());
      auto flops = unit->getAttrOfType<FloatAttr>(tgl::kFlops), bytes = unit->getAttrOfType<FloatAttr>(tgl::kBytes);
      isKnown &= flops && bytes && bytes.getValueAsDouble() > 0;
      work.flops += flops ? flops.getValueAsDouble() : 0;
      work.bytes += bytes ? bytes.getValueAsDouble() : 0;
    });
    Location loc = FusedLoc::get(&getContext(), names);
    auto unit =
        scf::ForallOp::create(b, loc, ArrayRef<OpFoldResult>{b.getIndexAttr(strips)}, ValueRange(), std::nullopt);
    unit->setAttr(tgl::kBands, loop->getAttr(tgl::kBands));
    setWork(unit, isKnown ? work : Work());
    b.setInsertionPoint(unit.getTerminator());
    Value all = arith::ConstantIndexOp::create(b, loc, strips), one = arith::ConstantIndexOp::create(b, loc, 1);
    auto boundary = [&](Value strip) {
      return arith::DivUIOp::create(b, loc, arith::MulIOp::create(b, loc, count, strip), all).getResult();
    };
    Value strip = unit.getInductionVars().front();
    Value begin = boundary(strip), end = boundary(arith::AddIOp::create(b, loc, strip, one));
    auto part = scf::ForOp::create(b, loc, begin, end, one);
    part.getBody()->erase();
    part.getRegion().takeBody(loop.getRegion());
    loop.erase();
    ++divided;
  }
};
} // namespace
} // namespace tegula
