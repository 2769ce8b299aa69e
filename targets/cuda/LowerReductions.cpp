//===- LowerReductions.cpp - the lanes of a warp share a reduction -----------------------------===//
//
//   scf.forall (%i) in (1) { linalg.generic: %m = maxima of the rows of %x } {tgl.plan}
// becomes
//   scf.forall (%i) in (rows / 4) {
//     %row = 4 * %i + warp;  for the lane's elements: %m = max(%m, %x[%row, lane + 32 * %k])
//     %m = max(%m, shuffled %m), five times;  lane 0: store
//   } {tgl.threads = 128}
//
// Needs: memrefs, linalg in units with `threads` in their plan. Leaves: none that reduces rows. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/Passes.h"
#include "tegula/targets/cuda/Reduction.h"
#include "tegula/targets/cuda/block/SharedUnit.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERREDUCTIONS
#include "tegula/targets/cuda/Passes.h.inc"

namespace {
constexpr int64_t kLanes = 32; // of a warp

class WarpReduction : cuda::SharedUnit {
public:
  explicit WarpReduction(scf::ForallOp unit) : SharedUnit(unit) {
    for (unsigned loop = 0; loop < root.getNumLoops(); ++loop)
      (loop < root.getNumParallelLoops() ? rows : depth).push_back(loop);
  }

  void emit() {
    int64_t threads = plan.getThreads(), warps = threads / kLanes;
    Value count = nest->extentOf(rows),
          start = arith::ConstantOp::create(b, loc, root->getAttrOfType<TypedAttr>(tgl::kStart));
    OpFoldResult blocks = getAsOpFoldResult(b.createOrFold<arith::CeilDivUIOp>(loc, count, at.constant(warps)));
    Value elements = nest->extentOf(depth);
    Value block = beginBlocks(blocks, threads).front();
    Value lane = at.rem(thread, kLanes);
    Value row = at.add(at.mul(block, at.constant(warps)), at.div(thread, kLanes));
    // All lanes of a warp have one row: they leave together.
    auto branch = scf::IfOp::create(b, loc, at.isLess(row, count), /*withElseRegion=*/false);
    b.setInsertionPointToStart(branch.thenBlock());
    SmallVector<Value> indices(root.getNumLoops());
    nest->split(row, rows, indices);
    auto loop = scf::ForOp::create(b, loc, lane, elements, at.constant(kLanes), start);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(loop.getBody());
      nest->split(loop.getInductionVar(), depth, indices);
      SmallVector<Value> arguments;
      for (OpOperand *operand : root.getDpsInputOperands())
        arguments.push_back(read(root, *operand, indices));
      arguments.push_back(loop.getRegionIterArg(0));
      scf::YieldOp::create(b, loc, inlineBody(root, arguments, indices));
    }
    Value result = combine(loop.getResult(0));
    Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, lane, at.constant(0));
    auto last = scf::IfOp::create(b, loc, isFirst, /*withElseRegion=*/false);
    b.setInsertionPointToStart(last.thenBlock());
    write(result, indices);
    unit.erase();
  }

private:
  /// The lanes' partial results as one, which all of them have.
  Value combine(Value partial) {
    Operation *combiner = cuda::combinerOf(root, root->getAttr(tgl::kStart));
    Value result = root.getBlock()->getArguments().back();
    unsigned side = combiner->getOperand(0) == result ? 0 : 1;
    for (int64_t distance = kLanes / 2; distance > 0; distance /= 2) {
      IRMapping mapping;
      mapping.map(combiner->getOperand(side), partial);
      mapping.map(combiner->getOperand(1 - side), exchange(partial, distance));
      partial = b.clone(*combiner, mapping)->getResult(0);
    }
    return partial;
  }

  SmallVector<unsigned> rows, depth;
};

struct LowerReductions : impl::LowerReductionsBase<LowerReductions> {
  using LowerReductionsBase::LowerReductionsBase;
  void runOnOperation() override {
    for (scf::ForallOp unit : cuda::sharedUnitsOf(getOperation(), 0)) {
      WarpReduction(unit).emit();
      ++lowered;
    }
  }
};
} // namespace
} // namespace tegula
