//===- LowerVectors.cpp - transfers and math functions ------------------------------===//
//
//   %v = vector.transfer_read %m[%i], %c0, %mask   ->   %v = vector.maskedload %m[%i], %mask, %zero
//   %e = math.exp %v : vector<8xf32>               ->   a polynomial in arith
//
// Needs: memrefs. Leaves: no transfer of rank above 0, no f32 transcendental function with a polynomial. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/emit/MathPatterns.h"
#include "tegula/compiler/emit/Passes.h"

#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERVECTORS
#include "tegula/compiler/emit/Passes.h.inc"

namespace {
struct LowerVectors : impl::LowerVectorsBase<LowerVectors> {
  using LowerVectorsBase::LowerVectorsBase;
  void runOnOperation() override {
    RewritePatternSet math(&getContext());
    populateMathPatterns(math);
    populateMathPolynomialApproximationPatterns(math);
    if (failed(applyPatternsGreedily(getOperation(), std::move(math))))
      return signalPassFailure();
    RewritePatternSet transfers(&getContext());
    vector::populateVectorTransferLoweringPatterns(transfers, /*maxTransferRank=*/1);
    vector::populateVectorStepLoweringPatterns(transfers);
    if (failed(applyPatternsGreedily(getOperation(), std::move(transfers))))
      return signalPassFailure();
    RewritePatternSet loops(&getContext());
    populateVectorToSCFConversionPatterns(loops);
    vector::populateVectorMaskOpLoweringPatterns(loops);
    if (failed(applyPatternsGreedily(getOperation(), std::move(loops))))
      return signalPassFailure();
  }
};
} // namespace
} // namespace tegula
