//===- SplitDepth.cpp - products with few sums share their depth among blocks ----------------===//
//
//   %y = linalg.generic ins(%a, %w) { products }  (m, n, k)         49 x 512 sums of 4608 products
// becomes
//   %p = linalg.generic ins(%a, %w) { products }  (s, m, n, k)      3 x 49 x 512 sums of 1536
//   %y = linalg.generic ins(%p) { sum }           (m, n, s)
//
// where otherwise too few blocks would have work. The order of sums is the same in each run.
//
// Needs: linalg on tensors. Leaves: the same meaning. Idempotent: what was split has blocks enough, or none deep
// enough.
//===----------------------------------------------------------------------===//

#include "tegula/targets/cuda/Contraction.h"
#include "tegula/targets/cuda/Cuda.h"
#include "tegula/targets/cuda/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_SPLITDEPTH
#include "tegula/targets/cuda/Passes.h.inc"

namespace {
/// Parts that are worth a pass over the partial sums: of so many products at least.
constexpr int64_t kLeastDepth = 256, kMostWays = 16;

struct SplitDepth : impl::SplitDepthBase<SplitDepth> {
  using SplitDepthBase::SplitDepthBase;

  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    SmallVector<linalg::GenericOp> products;
    getOperation().walk([&](linalg::GenericOp op) {
      if (target && op.getNumResults() == 1 && !op->getParentOfType<scf::ForallOp>() && cuda::contractionOf(op))
        products.push_back(op);
    });
    for (linalg::GenericOp op : products) {
      unsigned loop = cuda::contractionOf(op)->depth.front();
      if (int64_t ways = cuda::waysToSplit(op, target, possibleWays(op, loop)); ways > 1)
        split(op, loop, ways);
    }
  }

  /// Numbers of parts that divide the loop's extent.
  static SmallVector<int64_t> possibleWays(linalg::GenericOp op, unsigned loop) {
    SmallVector<int64_t> all{1};
    std::optional<int64_t> depth = cuda::extentOf(op, cuda::contractionOf(op)->depth);
    for (int64_t ways = 2; depth && ways <= kMostWays; ++ways)
      if (op.getStaticLoopRanges()[loop] % ways == 0 && *depth / ways >= kLeastDepth)
        all.push_back(ways);
    return all;
  }

  void split(linalg::GenericOp op, unsigned loop, int64_t ways) {
    int64_t extent = op.getStaticLoopRanges()[loop];
    auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
    if (!fill)
      return;
    OpBuilder b(op);
    MLIRContext *context = &getContext();
    Location loc = op.getLoc();
    unsigned loops = op.getNumLoops();
    // Loop number `loops` counts the parts. A loop that is split whole is gone.
    AffineExpr part = b.getAffineDimExpr(loops), own = b.getAffineDimExpr(loop);
    bool isWhole = ways == extent;
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    for (OpOperand *operand : op.getDpsInputOperands()) {
      AffineMap map = op.getMatchingIndexingMap(operand);
      SmallVector<AffineExpr> results;
      Value input = operand->get();
      for (AffineExpr expr : map.getResults()) {
        if (isWhole) {
          results.push_back(expr.replace(own, part));
        } else if (expr == own) { // the axis becomes two
          input = expand(b, loc, input, results.size(), ways);
          llvm::append_values(results, part, own);
        } else if (expr.isFunctionOfDim(loop)) {
          return; // as the rows of a window
        } else {
          results.push_back(expr);
        }
      }
      inputs.push_back(input);
      maps.push_back(AffineMap::get(loops + 1, 0, results, context));
    }
    AffineMap result = op.getIndexingMapsArray().back();
    SmallVector<AffineExpr> partial{part};
    llvm::append_range(partial, result.getResults());
    maps.push_back(AffineMap::get(loops + 1, 0, partial, context));
    SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
    kinds.push_back(utils::IteratorType::parallel);
    if (isWhole) { // its number is that of the parts
      kinds.pop_back();
      kinds[loop] = utils::IteratorType::parallel;
      for (AffineMap &map : maps)
        map = AffineMap::get(
            loops, 0, llvm::map_to_vector(map.getResults(), [&](AffineExpr expr) { return expr.replace(part, own); }),
            context);
    }
    SmallVector<OpFoldResult> extents{b.getIndexAttr(ways)};
    llvm::append_range(extents, tensor::getMixedSizes(b, loc, fill.getOutputs()[0]));
    Type type = getElementTypeOrSelf(op.getResult(0).getType());
    Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
    Value empty = tensor::EmptyOp::create(b, loc, extents, type);
    Value start = linalg::FillOp::create(b, loc, zero, empty).getResult(0);
    auto ofParts = linalg::GenericOp::create(b, loc, start.getType(), inputs, start, maps, kinds);
    IRMapping mapping;
    op.getRegion().cloneInto(&ofParts.getRegion(), mapping);
    // Their sum.
    unsigned axes = result.getNumResults();
    SmallVector<AffineExpr> read{b.getAffineDimExpr(axes)}, written;
    for (unsigned axis = 0; axis < axes; ++axis) {
      read.push_back(b.getAffineDimExpr(axis));
      written.push_back(b.getAffineDimExpr(axis));
    }
    SmallVector<utils::IteratorType> sumKinds(axes, utils::IteratorType::parallel);
    sumKinds.push_back(utils::IteratorType::reduction);
    SmallVector<AffineMap> sumMaps{AffineMap::get(axes + 1, 0, read, context),
                                   AffineMap::get(axes + 1, 0, written, context)};
    Operation *combiner = op.getBlock()->getTerminator()->getOperand(0).getDefiningOp();
    auto sum = linalg::GenericOp::create(
        b, loc, op.getResult(0).getType(), ofParts.getResult(0), fill.getResult(0), sumMaps, sumKinds,
        [&](OpBuilder &inner, Location place, ValueRange arguments) {
          OperationState state(place, combiner->getName(), {arguments[1], arguments[0]}, {type}, combiner->getAttrs());
          linalg::YieldOp::create(inner, place, inner.create(state)->getResults());
        });
    op.getResult(0).replaceAllUsesWith(sum.getResult(0));
    op.erase();
    ++parts;
  }

  /// Axis number `axis` as two, the first of `ways`.
  static Value expand(OpBuilder &b, Location loc, Value x, unsigned axis, int64_t ways) {
    auto type = cast<RankedTensorType>(x.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape[axis] /= ways;
    shape.insert(shape.begin() + axis, ways);
    SmallVector<ReassociationIndices> groups;
    for (unsigned old = 0, next = 0; old < type.getRank(); ++old) {
      groups.push_back({next++});
      if (old == axis)
        groups.back().push_back(next++);
    }
    return tensor::ExpandShapeOp::create(b, loc, RankedTensorType::get(shape, type.getElementType()), x, groups);
  }
};
} // namespace
} // namespace tegula
