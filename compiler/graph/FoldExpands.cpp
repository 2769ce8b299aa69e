//===- FoldExpands.cpp - tensors of equal extents need no broadcast -----------------===//
//
//   %s = nn.binary max (nn.shape %a), (nn.shape %b)     ->   nn.binary add %a, %b
//   nn.binary add (nn.expand %a shape %s), (nn.expand %b shape %s)
//
// where %a and %b have the same extents in every run, such as the two ends of a residual branch. In the importer their
// extents are just unknown.
//
// Needs: nn. Leaves: broadcasts that may repeat something. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/graph/Extents.h"
#include "tegula/compiler/graph/Passes.h"
#include "tegula/dialects/nn/Nn.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_FOLDEXPANDS
#include "tegula/compiler/graph/Passes.h.inc"

namespace {
struct FoldExpands : impl::FoldExpandsBase<FoldExpands> {
  using FoldExpandsBase::FoldExpandsBase;

  void runOnOperation() override {
    Extents extents(getOperation());
    SmallVector<nn::ExpandOp> expands, needless;
    getOperation().walk([&](nn::ExpandOp expand) { expands.push_back(expand); });
    for (nn::ExpandOp expand : expands) {
      auto from = cast<RankedTensorType>(expand.getX().getType()), to = cast<RankedTensorType>(expand.getY().getType());
      if (from != to || !llvm::all_of(llvm::seq<int64_t>(0, to.getRank()), [&](int64_t axis) {
            return extents.of(expand.getX(), axis) == extents.of(expand.getY(), axis);
          }))
        continue;
      needless.push_back(expand);
    }
    for (nn::ExpandOp expand : needless) {
      expand.getY().replaceAllUsesWith(expand.getX());
      expand.erase();
      ++folded;
    }
  }
};
} // namespace
} // namespace tegula
