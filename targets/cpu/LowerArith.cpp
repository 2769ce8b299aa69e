//===- LowerArith.cpp - arithmetic that LLVM has no instruction for -----------------===//
//
//   %q = arith.ceildivsi %a, %b        ->   division, remainder, comparison
//   %f = arith.extf %x : bf16 to f32   ->   a shift
//
// Upstream's arith-expand would also make comparisons of maximumf and its kin, which LLVM has as intrinsics, with
// better code and loops by them that it can vectorise.
//
// Needs: nothing. Leaves: no ceiling or floor division, no conversion of bf16. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/targets/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERARITH
#include "tegula/targets/cpu/Passes.h.inc"

namespace {
struct LowerArith : impl::LowerArithBase<LowerArith> {
  using LowerArithBase::LowerArithBase;
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    arith::populateExpandBFloat16Patterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
  }
};
} // namespace
} // namespace tegula
