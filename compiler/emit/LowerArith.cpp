//===- LowerArith.cpp - arithmetic that LLVM has no instruction for -----------------===//
//
//   %q = arith.ceildivsi %a, %b        ->   division, remainder, comparison
//   %f = arith.extf %x : bf16 to f32   ->   a shift, where the CPU does not know bf16
//   llvm.intr.masked.store %v : bf16   ->   the same of i16, which every CPU knows
//   %r = math.roundeven %x
//   %i = arith.fptosi %r               ->   one instruction of x86 (cvtps2dq)
//
// What is quantized and dequantized at once, in registers, stays a rounded real number.
//
// Upstream's arith-expand would also make comparisons of maximumf and its kin, which LLVM has as intrinsics, with
// better code and loops by them that it can vectorise.
//
// Needs: masked transfers in the LLVM dialect. Leaves: no ceiling or floor division, no conversion of bf16 but on CPUs
// that have it. Idempotent.
//===----------------------------------------------------------------------===//

#include "tegula/compiler/emit/Machine.h"
#include "tegula/compiler/emit/Passes.h"
#include "tegula/dialects/tgl/Tgl.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERARITH
#include "tegula/compiler/emit/Passes.h.inc"

namespace {
/// Widening again what was cut to fewer bits without loss.
template <typename Widen, arith::IntegerOverflowFlags fits> struct CancelWidening : OpRewritePattern<Widen> {
  using OpRewritePattern<Widen>::OpRewritePattern;
  LogicalResult matchAndRewrite(Widen op, PatternRewriter &b) const override {
    auto narrow = op.getIn().template getDefiningOp<arith::TruncIOp>();
    if (!narrow || !bitEnumContainsAll(narrow.getOverflowFlags(), fits))
      return b.notifyMatchFailure(op, "not of bits that were cut off without loss");
    auto bits = [](Value value) { return getElementTypeOrSelf(value).getIntOrFloatBitWidth(); };
    if (bits(narrow.getIn()) < bits(op))
      b.replaceOpWithNewOp<Widen>(op, op.getType(), narrow.getIn());
    else if (bits(narrow.getIn()) > bits(op))
      b.replaceOpWithNewOp<arith::TruncIOp>(op, op.getType(), narrow.getIn(), fits);
    else
      b.replaceOp(op, narrow.getIn());
    return success();
  }
};

/// A whole number as an integer and back.
struct CancelConversion : OpRewritePattern<arith::SIToFPOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::SIToFPOp op, PatternRewriter &b) const override {
    auto integer = op.getIn().getDefiningOp<arith::FPToSIOp>();
    auto whole = integer ? integer.getIn().getDefiningOp<math::RoundEvenOp>() : math::RoundEvenOp();
    if (!whole || whole.getType() != op.getType())
      return b.notifyMatchFailure(op, "not of a rounded number");
    b.replaceOp(op, whole.getResult());
    return success();
  }
};

/// In the rounding mode that processes start with, to the nearest integer and to the even one between two.
struct RoundToInteger : OpRewritePattern<arith::FPToSIOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::FPToSIOp op, PatternRewriter &b) const override {
    auto whole = op.getIn().getDefiningOp<math::RoundEvenOp>();
    if (!whole || !getElementTypeOrSelf(op.getType()).isInteger(32) || !getElementTypeOrSelf(whole.getType()).isF32())
      return b.notifyMatchFailure(op, "not of a rounded f32");
    b.replaceOpWithNewOp<LLVM::LrintOp>(op, op.getType(), whole.getOperand());
    return success();
  }
};

Type bitsOf(Type type, OpBuilder &b) { return VectorType::get(cast<VectorType>(type).getShape(), b.getI16Type()); }

/// LLVM 22 cannot select masked stores of bf16 for SVE.
struct StoreBits : OpRewritePattern<LLVM::MaskedStoreOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(LLVM::MaskedStoreOp op, PatternRewriter &b) const override {
    if (!getElementTypeOrSelf(op.getValue().getType()).isBF16())
      return b.notifyMatchFailure(op, "not of bf16");
    Value bits = LLVM::BitcastOp::create(b, op.getLoc(), bitsOf(op.getValue().getType(), b), op.getValue());
    b.modifyOpInPlace(op, [&] { op.getValueMutable().assign(bits); });
    return success();
  }
};

/// The same of masked loads.
struct LoadBits : OpRewritePattern<LLVM::MaskedLoadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(LLVM::MaskedLoadOp op, PatternRewriter &b) const override {
    if (!getElementTypeOrSelf(op.getType()).isBF16())
      return b.notifyMatchFailure(op, "not of bf16");
    Type bits = bitsOf(op.getType(), b);
    Value otherwise = op.getPassThru();
    if (otherwise)
      otherwise = LLVM::BitcastOp::create(b, op.getLoc(), bits, otherwise);
    Value loaded = LLVM::MaskedLoadOp::create(b, op.getLoc(), bits, op.getData(), op.getMask(), otherwise,
                                              op.getAlignmentAttr(), op.getNontemporalAttr());
    b.replaceOpWithNewOp<LLVM::BitcastOp>(op, op.getType(), loaded);
    return success();
  }
};

struct LowerArith : impl::LowerArithBase<LowerArith> {
  using LowerArithBase::LowerArithBase;
  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    RewritePatternSet patterns(&getContext());
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    if (!target || target.getRealDot() != "bf16")
      arith::populateExpandBFloat16Patterns(patterns);
    patterns.add<StoreBits, LoadBits>(&getContext());
    patterns.add<CancelWidening<arith::ExtUIOp, arith::IntegerOverflowFlags::nuw>,
                 CancelWidening<arith::ExtSIOp, arith::IntegerOverflowFlags::nsw>, CancelConversion>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    if (!target || !target.getChips().empty() || !llvm::Triple(target.getTriple()).isX86())
      return;
    RewritePatternSet rounding(&getContext());
    rounding.add<RoundToInteger>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(rounding))))
      return signalPassFailure();
  }
};
} // namespace
} // namespace tegula
