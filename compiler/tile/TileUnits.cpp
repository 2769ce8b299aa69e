//===- TileUnits.cpp - planned linalg ops become scf.forall of vector code ---===//
//
//   %c = linalg.generic {tgl.plan = #tgl.plan<... block = [48, 0]>} ins(%a, %w) outs(%zero) -> tensor<192x64xf32>
// becomes
//   %c = scf.forall (%i) in (4) shared_outs(%o = %e) -> (tensor<192x64xf32>) {
//     loops over register tiles: vector.transfer_read, arith.mulf/addf on vector<8xf32>, vector.transfer_write
//     scf.forall.in_parallel { tensor.parallel_insert_slice ... }
//   }
//
// Needs: SimplifyUnits, plans. Leaves: no linalg op outside of a scf.forall. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/tile/Passes.h"
#include "tegula/compiler/tile/RegisterTile.h"
#include "tegula/compiler/tile/Unit.h"
#include "tegula/compiler/tile/Work.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_TILEUNITS
#include "tegula/compiler/tile/Passes.h.inc"

/// The extent of loop `loop`, read from an operand (of the op or of its epilogue) that has it as an axis.
static OpFoldResult extentOf(OpBuilder &b, linalg::GenericOp op, unsigned loop) {
  int64_t extent = op.getStaticLoopRanges()[loop];
  if (!ShapedType::isDynamic(extent))
    return b.getIndexAttr(extent);
  for (OpOperand &operand : op->getOpOperands())
    if (auto place = op.getMatchingIndexingMap(&operand).getResultPosition(b.getAffineDimExpr(loop)))
      return tensor::getMixedSize(b, op.getLoc(), operand.get(), *place);
  return b.getIndexAttr(1);
}

namespace {
struct TileUnits : impl::TileUnitsBase<TileUnits> {
  using TileUnitsBase::TileUnitsBase;

  void runOnOperation() override {
    SmallVector<linalg::GenericOp> roots;
    WalkResult walked = getOperation().walk([&](linalg::GenericOp op) {
      if (isFused(op) || op->getParentOfType<scf::ForallOp>())
        return WalkResult::advance();
      if (op.getNumResults() != 1) {
        op.emitError("an op with several results reached tiling");
        return WalkResult::interrupt();
      }
      roots.push_back(op);
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return signalPassFailure();
    for (linalg::GenericOp root : roots)
      tile(root);
    SmallVector<Operation *> fills;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (!op->getParentOfType<scf::ForallOp>())
        fills.push_back(op);
    });
    for (Operation *fill : llvm::reverse(fills))
      if (fill->use_empty())
        fill->erase();
  }

  /// The epilogue of `root`, if the plan's vector loop suits it too.
  linalg::GenericOp fusedEpilogue(linalg::GenericOp root) {
    linalg::GenericOp epilogue = epilogueOf(root);
    auto plan = root->getAttrOfType<tgl::PlanAttr>(tgl::kPlan);
    if (!epilogue || !plan)
      return {};
    if (plan.getVectorLoop() >= 0 && !canVectorize(epilogue, plan.getVectorLoop()))
      return {};
    return epilogue;
  }
  bool isFused(linalg::GenericOp op) {
    for (Value operand : op.getDpsInputs())
      if (auto root = operand.getDefiningOp<linalg::GenericOp>(); root && fusedEpilogue(root) == op)
        return true;
    return false;
  }

  void tile(linalg::GenericOp root) {
    auto plan = root->getAttrOfType<tgl::PlanAttr>(tgl::kPlan);
    unsigned parallel = root.getNumParallelLoops();
    if (!plan)
      plan = tgl::PlanAttr::get(&getContext(), -1, 1, 1, -1, 1, SmallVector<int64_t>(parallel, 0), 1, 0, 0, 1, 0);
    linalg::GenericOp epilogue = fusedEpilogue(root);
    if (plan.getThreads() > 0)
      return keep(root, epilogue, plan);
    linalg::GenericOp last = epilogue ? epilogue : root;
    OpBuilder b(last);
    // The unit carries the names of all nodes it computes.
    Location loc = epilogue ? b.getFusedLoc({root.getLoc(), epilogue.getLoc()}) : root.getLoc();

    SmallVector<OpFoldResult> extents, blocks;
    SmallVector<int> blockOf(parallel, -1);
    for (unsigned loop = 0; loop < parallel; ++loop) {
      extents.push_back(extentOf(b, root, loop));
      int64_t block = loop < plan.getBlock().size() ? plan.getBlock()[loop] : 0;
      std::optional<int64_t> extent = getConstantIntValue(extents.back());
      if (block <= 0 || (extent && block >= *extent))
        continue;
      blockOf[loop] = blocks.size();
      Value count = arith::CeilDivUIOp::create(b, loc, getValueOrCreateConstantIndexOp(b, loc, extents.back()),
                                               arith::ConstantIndexOp::create(b, loc, block));
      blocks.push_back(extent ? OpFoldResult(b.getIndexAttr((*extent + block - 1) / block)) : OpFoldResult(count));
    }
    if (blocks.empty())
      blocks.push_back(b.getIndexAttr(1));

    Value destination = destinationOf(b, last);
    auto forall = scf::ForallOp::create(b, loc, blocks, ValueRange{destination}, std::nullopt);
    setWork(forall, workOf(root, epilogue));
    if (Attribute measured = root->getAttr(tgl::kMeasured))
      forall->setAttr(tgl::kMeasured, measured);
    if (auto remark = remark::missed(loc, remark::RemarkOpts::name("unit").category(kFuseRemarks)))
      remark << StringRef(whyItEnds(last));
    b.setInsertionPoint(forall.getTerminator());
    SmallVector<LoopRange> ranges = blockRanges(b, loc, plan, extents, blockOf, forall.getInductionVars());

    AffineMap map = last.getIndexingMapsArray().back();
    SmallVector<OpFoldResult> offsets, sizes, strides(map.getNumResults(), b.getIndexAttr(1));
    SmallVector<Value> origin;
    for (AffineExpr expr : map.getResults()) {
      unsigned loop = cast<AffineDimExpr>(expr).getPosition();
      bool isBlocked = blockOf[loop] >= 0;
      origin.push_back(isBlocked ? ranges[loop].begin : Value());
      offsets.push_back(isBlocked ? OpFoldResult(ranges[loop].begin) : OpFoldResult(b.getIndexAttr(0)));
      if (!isBlocked)
        sizes.push_back(extents[loop]);
      else if (!ShapedType::isDynamic(ranges[loop].extent))
        sizes.push_back(b.getIndexAttr(ranges[loop].extent));
      else
        sizes.push_back(b.createOrFold<arith::SubIOp>(loc, ranges[loop].end, ranges[loop].begin));
    }
    Value shared = forall.getRegionIterArgs()[0];
    auto sliceOf = [&](Value tensor) -> Value {
      return tensor::ExtractSliceOp::create(b, loc, tensor, offsets, sizes, strides);
    };
    // Elements at the same place in operand and result have the same indices: the buffer stage sees that the result may
    // take the operand's memory.
    llvm::DenseMap<OpOperand *, Value> aligned;
    // Not where partial sums are written before the operand is read.
    if (last.getNumReductionLoops() == 0 && !blockedReduction(root, epilogue, plan))
      for (OpOperand *operand : last.getDpsInputOperands())
        if (operand->get() != root.getResult(0) && isa<RankedTensorType>(operand->get().getType()) &&
            last.getMatchingIndexingMap(operand) == map)
          aligned[operand] = sliceOf(operand->get());
    if (!aligned.empty())
      forall->setAttr(tgl::kMayOverwrite, b.getUnitAttr());
    RegisterTile code(b, root, epilogue, plan, ranges, origin, aligned);
    Value written = code.emit(sliceOf(shared));
    b.setInsertionPointToEnd(forall.getTerminator().getBody());
    tensor::ParallelInsertSliceOp::create(b, loc, written, shared, offsets, sizes, strides);

    last.getResult(0).replaceAllUsesWith(forall.getResult(0));
    last.erase();
    if (epilogue)
      root.erase();
    ++units;
    epilogues += epilogue ? 1 : 0;
  }

  /// Ops whose iterations several threads share stay as they are, in one scf.forall, for the target to lower. What the
  /// root hands to its epilogue is in memory of the threads.
  void keep(linalg::GenericOp root, linalg::GenericOp epilogue, tgl::PlanAttr plan) {
    linalg::GenericOp last = epilogue ? epilogue : root;
    OpBuilder b(last);
    Location loc = epilogue ? b.getFusedLoc({root.getLoc(), epilogue.getLoc()}) : root.getLoc();
    Value destination = destinationOf(b, last);
    auto forall =
        scf::ForallOp::create(b, loc, ArrayRef<OpFoldResult>{b.getIndexAttr(1)}, ValueRange{destination}, std::nullopt);
    setWork(forall, workOf(root, epilogue));
    forall->setAttr(tgl::kPlan, plan);
    if (Attribute measured = root->getAttr(tgl::kMeasured))
      forall->setAttr(tgl::kMeasured, measured);
    b.setInsertionPoint(forall.getTerminator());
    Value shared = forall.getRegionIterArgs()[0], sums = shared;
    if (epilogue) {
      auto type = cast<RankedTensorType>(root.getResult(0).getType());
      SmallVector<Value> extents;
      for (int64_t axis = 0; axis < type.getRank(); ++axis)
        if (type.isDynamicDim(axis))
          extents.push_back(tensor::DimOp::create(b, loc, shared, axis));
      auto made = bufferization::AllocTensorOp::create(b, loc, type, extents);
      made.setMemorySpaceAttr(gpu::AddressSpaceAttr::get(&getContext(), gpu::AddressSpace::Private));
      sums = made;
    }
    IRMapping mapping;
    auto cloned = cast<linalg::GenericOp>(b.clone(*root, mapping));
    TypedAttr start;
    if (auto fill = root.getDpsInitOperand(0)->get().getDefiningOp<linalg::FillOp>())
      (void)matchPattern(fill.value(), m_Constant(&start));
    assert(start && "the target shares work of sums with a constant start only");
    cloned->setAttr(tgl::kStart, start);
    cloned.getDpsInitsMutable()[0].set(sums);
    Value written = cloned.getResult(0);
    if (epilogue) {
      mapping.map(root.getResult(0), written);
      auto after = cast<linalg::GenericOp>(b.clone(*epilogue, mapping));
      after.getDpsInitsMutable()[0].set(shared);
      written = after.getResult(0);
    }
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, shared);
    SmallVector<OpFoldResult> offsets(sizes.size(), b.getIndexAttr(0)), strides(sizes.size(), b.getIndexAttr(1));
    b.setInsertionPointToEnd(forall.getTerminator().getBody());
    tensor::ParallelInsertSliceOp::create(b, loc, written, shared, offsets, sizes, strides);
    last.getResult(0).replaceAllUsesWith(forall.getResult(0));
    last.erase();
    if (epilogue)
      root.erase();
    ++units;
    epilogues += epilogue ? 1 : 0;
  }

  /// A fresh tensor of the result's shape (a unit writes every element), or the part of another one that it fills.
  Value destinationOf(OpBuilder &b, linalg::GenericOp last) {
    Value init = last.getDpsInitOperand(0)->get();
    bool isOwn = isa_and_present<tensor::ExtractSliceOp, bufferization::AllocTensorOp>(init.getDefiningOp()) &&
                 !last.payloadUsesValueFromOperand(last.getDpsInitOperand(0));
    if (init.getDefiningOp<tensor::EmptyOp>() || isOwn)
      return init;
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, last.getLoc(), init);
    return tensor::EmptyOp::create(b, last.getLoc(), sizes, getElementTypeOrSelf(init.getType()));
  }

  SmallVector<LoopRange> blockRanges(OpBuilder &b, Location loc, tgl::PlanAttr plan, ArrayRef<OpFoldResult> extents,
                                     ArrayRef<int> blockOf, ValueRange indices) {
    SmallVector<LoopRange> ranges;
    for (auto [loop, size] : llvm::enumerate(extents)) {
      Value end = getValueOrCreateConstantIndexOp(b, loc, size);
      std::optional<int64_t> extent = getConstantIntValue(size);
      if (blockOf[loop] < 0) {
        ranges.push_back({arith::ConstantIndexOp::create(b, loc, 0), end, extent.value_or(ShapedType::kDynamic)});
        continue;
      }
      int64_t block = plan.getBlock()[loop];
      Value width = arith::ConstantIndexOp::create(b, loc, block);
      Value begin = arith::MulIOp::create(b, loc, indices[blockOf[loop]], width);
      Value stop = arith::AddIOp::create(b, loc, begin, width);
      if (extent && *extent % block == 0) {
        ranges.push_back({begin, stop, block});
        continue;
      }
      ranges.push_back({begin, arith::MinUIOp::create(b, loc, stop, end), ShapedType::kDynamic,
                        extent ? *extent % block : ShapedType::kDynamic});
    }
    return ranges;
  }
};
} // namespace
} // namespace tegula
