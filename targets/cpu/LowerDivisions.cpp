//===- LowerDivisions.cpp - divisions by constants are products ------------------------===//
//
//   %b = (%x > -c ? %x : -c), %y = (%b < c ? %b : c) / 0.1
// becomes
//   %q = %y * 10, %z = fma(fma(%q, -0.1, %y), 10, %q)
//
// Before units become functions: those that differ in such numbers share one.
//
// Needs: CPUs with FMA; else nothing is done. Leaves: divisions of what is not bounded. Idempotent.
//===-----------------------------------------------------------------------------------===//

#include "tegula/compiler/emit/Machine.h"
#include "tegula/targets/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

using namespace mlir;

namespace tegula {
#define GEN_PASS_DEF_LOWERDIVISIONS
#include "tegula/targets/cpu/Passes.h.inc"

namespace {
/// The number in a constant f32 or splat of it.
std::optional<float> numberIn(Value value) {
  FloatAttr number;
  DenseElementsAttr splat;
  if (matchPattern(value, m_Constant(&number)) && number.getType().isF32())
    return number.getValue().convertToFloat();
  if (matchPattern(value, m_Constant(&splat)) && splat.isSplat() && splat.getElementType().isF32())
    return splat.getSplatValue<float>();
  return std::nullopt;
}

/// Whether the value is the greater or lesser of two, of which one is constant.
arith::SelectOp boundOf(Value value) {
  auto select = value.getDefiningOp<arith::SelectOp>();
  auto compare = select ? select.getCondition().getDefiningOp<arith::CmpFOp>() : arith::CmpFOp();
  bool isBound = compare && numberIn(select.getFalseValue()) && compare.getLhs() == select.getTrueValue() &&
                 compare.getRhs() == select.getFalseValue();
  return isBound ? select : arith::SelectOp();
}

/// x / c of a finite x, as quantization bounds it, correctly rounded: the product q with the rounded 1 / c is off by
/// one unit at most, and so q + (x - q * c) / c is the rounded quotient (Markstein, "Computation of elementary
/// functions on the IBM RISC System/6000 processor", 1990). It may be off by a unit where x is so small that its error
/// is not a normal number. Divisions of what may be infinite would take a choice more, which gains nothing.
struct DivideByConstant : OpRewritePattern<arith::DivFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::DivFOp op, PatternRewriter &b) const override {
    std::optional<float> divisor = numberIn(op.getRhs());
    arith::SelectOp bound = boundOf(op.getLhs());
    if (!divisor || !(std::fabs(*divisor) > 1e-12f) || !(std::fabs(*divisor) < 1e12f) || !bound ||
        !boundOf(bound.getTrueValue()))
      return b.notifyMatchFailure(op, "not of a bounded number, by a usual one");
    Location loc = op.getLoc();
    auto number = [&](float value) {
      TypedAttr attr = b.getF32FloatAttr(value);
      if (auto vector = dyn_cast<VectorType>(op.getType()))
        attr = DenseElementsAttr::get(vector, cast<Attribute>(attr));
      return arith::ConstantOp::create(b, loc, attr).getResult();
    };
    Value x = op.getLhs(), inverse = number(1.0f / *divisor), q = arith::MulFOp::create(b, loc, x, inverse);
    Value error = math::FmaOp::create(b, loc, q, number(-*divisor), x);
    b.replaceOpWithNewOp<math::FmaOp>(op, error, inverse, q);
    return success();
  }
};

struct LowerDivisions : impl::LowerDivisionsBase<LowerDivisions> {
  using LowerDivisionsBase::LowerDivisionsBase;
  void runOnOperation() override {
    tgl::TargetAttr target = tgl::targetOf(getOperation());
    if (!target || !hasFma(target))
      return;
    RewritePatternSet patterns(&getContext());
    patterns.add<DivideByConstant>(&getContext());
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};
} // namespace
} // namespace tegula
